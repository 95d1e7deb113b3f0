"""What a fit takes on every rank's device, by arithmetic: nothing is started, loaded or allocated.

Decoders with gated MLPs and RMS norms (Llama, Mistral, Qwen, SmolLM) are counted tensor by tensor; others come out
about right. Not in it: the CUDA context and NCCL's buffers (1 to 2 GB), and what the allocator loses to fragments.
"""

import math
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel

from skillmix_lightning.training.adapters import plain_name
from skillmix_lightning.training.estimate_activations import block_bytes, kept_activations, logits_bytes
from skillmix_lightning.training.estimate_settings import FP32, FitSettings
from skillmix_lightning.training.parallelize import blocks_of

#: A weight in NF4: half a byte, its scale in 8 bits per 64 weights, and a scale of those per 256 (arXiv 2305.14314).
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
#: Two 8-bit states and a scale for each of them per 256 weights.
STATES_8BIT = 2 + 2 * 4 / 256
#: bitsandbytes keeps the states of smaller parameters in fp32.
SMALLEST_8BIT = 4096


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes on one rank; each is what one function here says.

    Attributes:
        weights: that the rank holds between steps.
        gradients: of them, and DDP's buckets.
        optimizer: its states.
        copies: of weights, to compute with, and the gradients of those.
        activations: kept from the forward to the backward pass.
        recomputed: activations of one block and gradients flowing through it.
        logits: one chunk of them with their gradients.
        offloaded: weights, gradients and states are in the CPU's memory.
    """

    weights: int
    gradients: int
    optimizer: int
    copies: int
    activations: int
    recomputed: int
    logits: int
    offloaded: bool = False

    @property
    def host(self) -> int:
        """Bytes on the CPU."""
        return self.weights + self.gradients + self.optimizer if self.offloaded else 0

    @property
    def peak(self) -> int:
        """Bytes on the device at the worst moment: at the logits, or in the backward pass of the last block."""
        lasting = 0 if self.offloaded else self.weights + self.gradients + self.optimizer
        return lasting + self.copies + self.activations + max(self.logits, self.recomputed)


def estimate_memory(model: PreTrainedModel, settings: FitSettings) -> MemoryEstimate:
    """The memory of a fit on each rank.

    Args:
        model: on meta, with its adapters if it gets any; its frozen parameters are taken as such.
        settings: of the fit.
    """
    activations = kept_activations(model, settings)
    return MemoryEstimate(
        weights=weight_bytes(model, settings),
        gradients=gradient_bytes(model, settings),
        optimizer=optimizer_bytes(model, settings),
        copies=copy_bytes(model, settings),
        activations=activations,
        recomputed=block_bytes(model, settings),
        logits=logits_bytes(model, settings),
        offloaded=settings.cpu_offload and settings.sharded,
    )


def weight_bytes(model: PreTrainedModel, settings: FitSettings) -> int:
    """4 per parameter, NF4's 0.516 in the blocks' linear layers; each is cut by its first dimension under fsdp2."""
    low = {id(module.weight) for module in _nf4_layers(model)} if settings.quantization else set()
    return sum(math.ceil(_held(p, settings) * (NF4_BYTES if id(p) in low else FP32)) for p in _parameters(model, False))


def gradient_bytes(model: PreTrainedModel, settings: FitSettings) -> int:
    """4 per trained parameter held; DDP has buckets of the same size, deferred reduction keeps whole gradients."""
    trained = _parameters(model, True)
    whole = sum(p.numel() for p in trained) * FP32
    held = sum(_held(p, settings) for p in trained) * FP32
    if settings.sharded:
        return held + (whole if settings.defer_gradient_sync else 0)
    return held + (whole if settings.ranks > 1 else 0)


def optimizer_bytes(model: PreTrainedModel, settings: FitSettings) -> int:
    """8 per trained parameter held; with 8-bit states 2.03, except for embeddings and small parameters.

    Paged states count as well: they leave the device only when it is full.
    """
    fp32_states = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    total = 0.0
    for parameter in _parameters(model, True):
        small = id(parameter) in fp32_states or parameter.numel() < SMALLEST_8BIT
        low = settings.optimizer.endswith("8bit") and not small
        total += _held(parameter, settings) * (STATES_8BIT if low else 2 * FP32)
    return math.ceil(total)


def copy_bytes(model: PreTrainedModel, settings: FitSettings) -> int:
    """Weights in the type that is computed in, c bytes each.

    fsdp2: root parameters (embeddings, norm, head) and their gradients stay for a whole pass, 2·c·root. Of blocks there
    are the one that computes, the next, and the buffer they arrive in, 3·c·block, and in the backward pass the block's
    gradients and two buffers of fp32 on their way, (c + 8)·block; all blocks stay if they are not resharded, c·blocks.
    Autocast: a copy of every linear layer's weight until the step is over, 2 each; one layer's for NF4.
    """
    c = settings.compute_bytes
    if settings.sharded:
        blocks = [sum(p.numel() for p in block.parameters()) for block in blocks_of(model)]
        trained = any(p.requires_grad and p.ndim > 1 for p in blocks_of(model)[0].parameters())
        grown = sum(p.numel() for p in blocks_of(model)[0].parameters() if p.requires_grad)
        root = sum(p.numel() for p in _parameters(model, False)) - sum(blocks)
        root_trained = sum(p.numel() for p in _parameters(model, True)) - grown * len(blocks)
        resident = sum(blocks) if not settings.reshard_after_forward else 3 * max(blocks)
        return c * (root + root_trained + resident) + (c + 2 * FP32) * (grown if trained else 0)
    if not settings.autocast:
        return 0
    low = {id(module) for module in _nf4_layers(model)} if settings.quantization else set()
    linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
    largest = max((m.weight.numel() for m in linears if id(m) in low), default=0)
    return c * (sum(m.weight.numel() for m in linears if id(m) not in low) + largest)


def _parameters(model: PreTrainedModel, trained: bool) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad or not trained]


def _held(parameter: nn.Parameter, settings: FitSettings) -> int:
    """Elements on the rank with the most."""
    if not settings.sharded or parameter.ndim == 0:
        return parameter.numel()
    return math.ceil(parameter.shape[0] / settings.ranks) * (parameter.numel() // parameter.shape[0])


def _nf4_layers(model: PreTrainedModel) -> list[nn.Linear]:
    head = model.get_output_embeddings()
    return [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not head and plain_name(f".{name}.") is not None
    ]
