"""Forward passes of a sharded model that no backward pass follows, forgotten by FSDP2."""

from torch.distributed.fsdp import FSDPModule


def forget_forward_passes(model: FSDPModule) -> None:
    """Frees gathered weights, and lets the next pass begin as if there had been none, also after one that raised.

    FSDP2 keeps the order of all forward passes since the last backward pass, to gather ahead in the next one. Ranks
    that computed different numbers of them would gather different blocks: a deadlock.

    Args:
        model: the root of what is sharded.
    """
    if hasattr(model, "reset_iter_state"):  # from torch 2.13 on
        model.reset_iter_state()
    else:
        _forget_by_hand(model)


def _forget_by_hand(model: FSDPModule) -> None:
    """The same for torch 2.10 to 2.12, which have no public way."""
    root = model._get_fsdp_state()
    if gathered := root._comm_ctx.all_gather_state:
        if gathered.event is not None:
            root._device_handle.current_stream().wait_event(gathered.event)
        root._comm_ctx.all_gather_state = None
    root._comm_ctx.post_forward_order.clear()
    idle = type(root._training_state).IDLE
    for state in root._state_ctx.all_states:
        state._modules_to_run_forward.clear()
        state._training_state = idle
        if group := state._fsdp_param_group:
            group._post_forward_indices.clear()
            group._training_state = idle
            group._to_sharded()
    root._state_ctx.iter_forward_root = None
