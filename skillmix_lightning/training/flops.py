"""Floating-point operations of training, for the share of a GPU's peak that they reach (MFU, arXiv 2204.02311, app. B).

Only the model's own work counts: no padding, no activation recomputed for checkpointing, no logits where there is no
target, no pair of tokens that attention does not look at.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

#: Dense bf16 matmul peaks in TFLOP/s, from NVIDIA's data sheets, by a pattern of the device's name; the first counts.
PEAKS: tuple[tuple[str, float], ...] = (
    (r"H[12]00.* NVL", 835.5),
    (r"H200", 989.4),
    (r"H100.* PCIe", 756.0),
    (r"H100", 989.4),
    (r"A100", 312.0),
    (r"L40S", 362.05),
    (r"RTX 4090$", 165.2),
)


def peak_tflops(device_name: str) -> float | None:
    """The peak of a device named as CUDA names it; None for one not in `PEAKS`."""
    return next((peak for pattern, peak in PEAKS if re.search(pattern, device_name)), None)


@dataclass(frozen=True)
class FlopCount:
    """FLOPs of one forward and backward pass, as a linear function of what is in a batch.

    A matrix product of (m, k) with (k, n) is 2·m·k·n. Backward takes one such product for the gradient of a layer's
    input and, where its weights are trained, one for theirs. Attention is two products forward (queries with keys,
    probabilities with values) and four backward. Norms, activations, rotations and the optimizer are left out: they
    are no matrix products, and below 1% of these.

    Attributes:
        per_token: of the linear layers in the blocks.
        per_target: of the output head, at one target position.
        per_pair: of attention, for one query and one key that it sees, over the layers of a window: by window, None
            where a token sees all before it.
    """

    per_token: int
    per_target: int
    per_pair: Mapping[int | None, int]

    @classmethod
    def of(cls, model: PreTrainedModel) -> "FlopCount":
        """Counts from the shapes of a model's layers; sharded, quantized and LoRA layers too.

        Raises:
            ValueError: the model has layers whose work depends on more than the number of tokens (experts).
        """
        head = model.get_output_embeddings()
        per_token = 0
        for name, module in model.named_modules():
            if any(parameter.ndim > 2 for parameter in module.parameters(recurse=False)):
                raise ValueError(f"{name} holds stacked matrices, and how many of them a token goes through is unknown")
            if module is not head and isinstance(module, nn.Linear | Conv1D):
                per_token += _linear(module)
        config = model.config.get_text_config()
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        pair = 6 * 2 * config.num_attention_heads * head_dim
        layers = Counter(_window(config, layer) for layer in range(config.num_hidden_layers))
        return cls(
            per_token=per_token,
            per_target=0 if head is None else _linear(head),
            per_pair={window: pair * count for window, count in layers.items()},
        )

    def total(self, lengths: Tensor, targets: Tensor) -> Tensor:
        """FLOPs of a batch.

        Args:
            lengths: tokens of each of its examples; (examples,), int64.
            targets: how many of all those are targets; int64 scalar.

        Returns:
            A float64 scalar on the device of `lengths`; nothing waits for that device.
        """
        flops = self.per_token * lengths.sum().double() + self.per_target * targets
        for window, per_pair in self.per_pair.items():
            flops = flops + per_pair * causal_pairs(lengths, window).sum()
        return flops


def causal_pairs(lengths: Tensor, window: int | None = None) -> Tensor:
    """How many (query, key) pairs causal attention has in texts of these lengths; of their shape, float64.

    Args:
        lengths: int64.
        window: how many keys, its own included, a token sees at most.
    """
    n = lengths.double()
    if window is None:
        return n * (n + 1) / 2
    early = n.clamp(max=window)
    return early * (early + 1) / 2 + (n - early) * window


def example_lengths(examples: Tensor, count: int) -> Tensor:
    """Tokens of each example of a micro-batch; (count,), int64, on its device.

    Args:
        examples: `MicroBatch.examples`, -1 for padding; (rows, tokens), int64.
        count: examples of the micro-batch.
    """
    ids = torch.arange(count, device=examples.device)
    return (examples.reshape(1, -1) == ids[:, None]).sum(1)


def _linear(module: nn.Module) -> int:
    """FLOPs of a layer for one token: the output, the gradient of the input, and that of weights that are trained."""
    weight: Any = module.weight
    size = module.in_features * module.out_features if isinstance(module, nn.Linear) else weight.numel()
    return 2 * size * (3 if weight.requires_grad else 2)


def _window(config: Any, layer: int) -> int | None:
    kinds: list[str] | None = getattr(config, "layer_types", None)
    window: int | None = getattr(config, "sliding_window", None)
    if kinds is not None and kinds[layer] != "sliding_attention":
        return None
    return window
