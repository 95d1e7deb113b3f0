"""Activations and logits of a fit in bytes, tensor by tensor, as transformers' decoders with gated MLPs keep them.

In the formulas: d hidden size, f MLP size, V vocabulary, c bytes of a number in a matrix product. All are set beside
what torch really keeps in tests/training/test_estimate.py.
"""

from dataclasses import dataclass
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from skillmix_lightning.training.estimate_settings import FP32, FitSettings
from skillmix_lightning.training.parallelize import blocks_of


def kept_activations(model: PreTrainedModel, settings: FitSettings) -> int:
    """Activations from the forward to the backward pass: of all blocks, and of the last norm.

    A recomputed block keeps its input only. Attention over several examples in one row needs a mask under sdpa and
    eager, one byte per pair of tokens, and sdpa a bias in each block, c per pair.
    """
    shape = _Shape.of(model)
    blocks = len(blocks_of(model))
    recomputed = {"none": 0, "selective": (blocks + 1) // 2, "full": blocks}[settings.activation_checkpointing]
    stream = FP32 if settings.autocast else settings.compute_bytes
    last_norm = (FP32 + stream * shape.norms + settings.compute_bytes) * shape.d
    per_token = recomputed * stream * shape.d + last_norm
    mask = settings.row_tokens**2 * settings.rows if _needs_mask(settings) else 0
    return settings.tokens * per_token + (blocks - recomputed) * _one_block(shape, settings) + mask


def block_bytes(model: PreTrainedModel, settings: FitSettings) -> int:
    """One block in its backward pass.

    Its activations if they are recomputed, and in each token the gradients of its MLP and stream, c·(3·f + 2·d).
    """
    shape = _Shape.of(model)
    recomputed = 0 if settings.activation_checkpointing == "none" else _one_block(shape, settings)
    return recomputed + settings.tokens * settings.compute_bytes * (3 * shape.f + 2 * shape.d)


def logits_bytes(model: PreTrainedModel, settings: FitSettings) -> int:
    """Logits of one chunk, for every token at most.

    At each target the log-probabilities, their gradient and the logits' in fp32, 12·V, and the hidden state, c·d.
    """
    shape = _Shape.of(model)
    targets = min(settings.logits_chunk, settings.tokens)
    return targets * (3 * FP32 * shape.vocabulary + settings.compute_bytes * shape.d)


@dataclass(frozen=True)
class _Shape:
    """What decides a block's activations.

    d: hidden, f: MLP, a: queries of all heads, g: keys of all heads; whether norms are trained; rank and input width of
    the adapters of a block, and whether they drop out.
    """

    d: int
    f: int
    heads: int
    a: int
    g: int
    vocabulary: int
    norms: bool
    adapters: tuple[tuple[int, int], ...]
    dropout: bool

    @classmethod
    def of(cls, model: PreTrainedModel) -> "_Shape":
        config: Any = model.config.get_text_config()
        d, heads = config.hidden_size, config.num_attention_heads
        head_dim = getattr(config, "head_dim", None) or d // heads
        keys = getattr(config, "num_key_value_heads", None) or heads
        f = getattr(config, "intermediate_size", None) or 4 * d
        norms = any(p.requires_grad and p.ndim == 1 for p in model.parameters())
        parts = dict(blocks_of(model)[0].named_modules())
        adapters = tuple(tuple(p.weight.shape) for name, p in parts.items() if ".lora_A." in name)
        dropout = any(isinstance(p, nn.Dropout) and p.p > 0 for name, p in parts.items() if ".lora_dropout." in name)
        return cls(d, f, heads, heads * head_dim, keys * head_dim, config.vocab_size, norms, adapters, dropout)


def _one_block(shape: _Shape, settings: FitSettings) -> int:
    """Activations that one block keeps.

    In each token: both norms their input in fp32 and, if trained, what they scale; attention its queries, keys, values,
    output and a log-sum per head in fp32 (eager: its probabilities instead); the MLP its gate before and after the
    activation, the other branch and their product. Layers keep their inputs: once, or under autocast a bf16 copy for
    each of the three, and two, that read a norm.
    """
    c = settings.compute_bytes
    if settings.autocast:
        norms = 2 * (FP32 + FP32 * shape.norms) * shape.d + (3 + 2) * c * shape.d
    else:
        norms = 2 * (FP32 + c * shape.norms + c) * shape.d
    keys = 2 * (shape.a if _repeats_keys(settings) else shape.g)
    attention = c * (2 * shape.a + keys)
    pairs = 0
    if settings.attention == "eager":
        pairs = shape.heads * (FP32 + (c if settings.bf16 else 0))
    else:
        attention += FP32 * shape.heads
        pairs = c if _needs_mask(settings) else 0
    per_token = norms + attention + 4 * c * shape.f + _adapters(shape, settings)
    return settings.tokens * per_token + pairs * settings.tokens * settings.row_tokens


def _adapters(shape: _Shape, settings: FitSettings) -> int:
    """What adapters add to a token in one block.

    c·rank each; with dropout a mask of one byte a number, and inputs of their own instead of those they share with
    each other, or with sdpa, which keeps its output.
    """
    c = settings.compute_bytes
    added = c * sum(rank for rank, _ in shape.adapters)
    if shape.dropout:
        added += sum(width for _, width in shape.adapters)
        added += 0 if settings.autocast else 3 * c * shape.d
        added += 0 if settings.attention == "eager" else c * shape.a
    return added


def _needs_mask(settings: FitSettings) -> bool:
    return settings.padding_free and settings.attention in ("sdpa", "eager")


def _repeats_keys(settings: FitSettings) -> bool:
    """Whether keys and values are copied for all the heads that share them."""
    return settings.attention == "eager" or _needs_mask(settings)
