"""The loss of an optimizer step: the mean over all its target tokens, however the step was cut.

Averaging the means of micro-batches instead would weigh a token by the company it keeps.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from skillmix_lightning.data.batching import IGNORE, MicroBatch

_PROBE_TOKENS = 8


def training_forward(
    model: PreTrainedModel, micro_batch: MicroBatch, step_weight: Tensor, plain_head: bool, logits_chunk: int
) -> tuple[Tensor, Tensor]:
    """A micro-batch through the model, to its part of the step's loss.

    `parallelize` makes this a method of the model, as FSDP2 gathers parameters for methods of the model only.

    Args:
        model: gives the hidden states and the head.
        micro_batch: padded, or one row without padding.
        step_weight: as in `step_loss`.
        plain_head: as `has_plain_head` found.
        logits_chunk: as in `step_loss`; a model without a plain head computes all its logits at once.

    Returns:
        What `step_loss` returns.
    """
    inputs: dict[str, Any] = {"input_ids": micro_batch["input_ids"], "use_cache": False}
    if len(micro_batch["input_ids"]) == 1:
        # Of a single row the model attends only within stretches of rising positions: within examples. Padding on the
        # right needs neither positions nor a mask.
        inputs["position_ids"] = micro_batch["position_ids"]
    if plain_head:
        hidden = model.base_model(**inputs).last_hidden_state
        return step_loss(hidden, micro_batch, model.get_output_embeddings(), step_weight, logits_chunk)
    return step_loss(model(**inputs).logits, micro_batch, nn.Identity(), step_weight, logits_chunk)


def step_loss(
    hidden: Tensor, micro_batch: MicroBatch, head: nn.Module, step_weight: Tensor, logits_chunk: int = 4096
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of one micro-batch, already weighted for its optimizer step.

    Summed over the micro-batches and ranks of a step this is the weighted mean over all target tokens of the step; with
    all weights 1, their plain mean.

    Args:
        hidden: last hidden states, (rows, tokens, d_model).
        micro_batch: its labels say which tokens are predicted, (rows, tokens).
        head: hidden states to logits.
        step_weight: sum of the weights of all target tokens of the step, over all ranks and micro-batches; float32
            scalar.
        logits_chunk: targets whose logits are in memory at a time. Beyond that many they are computed in chunks, and
            again in the backward pass; the values are the same.

    Returns:
        A float32 scalar, 0 with a gradient of 0 for a micro-batch without targets; and, detached and unweighted, the
        summed cross-entropy of each example, (examples,), float32.
    """
    targets = micro_batch["labels"] != IGNORE
    rows = hidden[targets]  # prompts are most of an example: their logits would be computed for nothing
    labels = micro_batch["labels"][targets]
    if len(labels) > logits_chunk:
        chunks = zip(torch.split(rows, logits_chunk), torch.split(labels, logits_chunk), strict=True)
        parts = [
            checkpoint(_token_losses, r, t, head, use_reentrant=False, preserve_rng_state=False) for r, t in chunks
        ]
        losses = torch.cat(parts)
    else:
        losses = _token_losses(rows, labels, head)
    weights = micro_batch["weights"]
    owners = micro_batch["examples"][targets]
    example_losses = torch.zeros_like(weights).index_add(0, owners, losses.detach())
    # Not from the sums by example: on a GPU their last bits depend on the order in which they were added.
    return (losses * weights[owners]).sum() / step_weight, example_losses


def example_targets(micro_batch: MicroBatch) -> Tensor:
    """Target tokens of each example, (examples,), float32: a count to divide a summed loss by."""
    weights, examples = micro_batch["weights"], micro_batch["examples"].flatten()
    targets = (micro_batch["labels"] != IGNORE).flatten()
    # Padding belongs to example -1 and is never a target.
    return torch.zeros_like(weights).index_add(0, examples.clamp(min=0), targets.to(weights.dtype))


def has_plain_head(model: PreTrainedModel, device: torch.device | None = None) -> bool:
    """Whether the model's logits are its output embedding applied to its last hidden states, and nothing else.

    Some models scale or cap their logits (Gemma 2, Cohere, Granite). This watches one forward pass of eight tokens,
    rather than knowing them all. Sharded models need all ranks to ask.

    Args:
        model: with its weights.
        device: where it computes; None for where its parameters are.
    """
    head, base = model.get_output_embeddings(), model.base_model
    if head is None or base is model:
        return False
    seen: dict[str, Tensor] = {}

    def keep_hidden(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        seen["hidden"] = output.last_hidden_state

    def keep_logits(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        seen["given"], seen["logits"] = args[0], output

    was_training = model.training
    model.eval()
    hooks = [base.register_forward_hook(keep_hidden), head.register_forward_hook(keep_logits)]
    ids = torch.arange(_PROBE_TOKENS, device=device or model.device)[None] % model.config.get_text_config().vocab_size
    try:
        # Compiled blocks would be compiled for these eight tokens first.
        with torch.no_grad(), torch.compiler.set_stance("force_eager"):
            logits = model(input_ids=ids, use_cache=False).logits
    finally:
        for hook in hooks:
            hook.remove()
        model.train(was_training)
    return torch.equal(seen["given"], seen["hidden"]) and torch.equal(seen["logits"].float(), logits.float())


def _token_losses(rows: Tensor, labels: Tensor, head: nn.Module) -> Tensor:
    return F.cross_entropy(head(rows).float(), labels, reduction="none")
