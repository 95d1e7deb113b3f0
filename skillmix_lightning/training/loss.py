"""The loss of an optimizer step: the mean over all its target tokens, however the step was cut.

Averaging the means of micro-batches instead would weigh a token by the company it keeps.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from skillmix_lightning.data.batching import IGNORE

_PROBE_TOKENS = 8


def token_mean_loss(hidden: Tensor, labels: Tensor, head: nn.Module, step_targets: Tensor) -> Tensor:
    """Cross-entropy of one micro-batch, already weighted for its optimizer step.

    Summed over the micro-batches and ranks of a step this is the mean over all target tokens of the step.

    Args:
        hidden: last hidden states, (examples, tokens, d_model).
        labels: the token to predict at each position, -100 where no loss is taken; (examples, tokens), int64.
        head: hidden states to logits.
        step_targets: target tokens of the whole step, over all ranks and micro-batches; int64 scalar.

    Returns:
        A float32 scalar; 0, with a gradient of 0, for a micro-batch without targets.
    """
    targets = labels != IGNORE
    logits = head(hidden[targets])  # prompts are most of an example: their logits would be computed for nothing
    return F.cross_entropy(logits.float(), labels[targets], reduction="sum") / step_targets


def has_plain_head(model: PreTrainedModel) -> bool:
    """Whether the model's logits are its output embedding applied to its last hidden states, and nothing else.

    Some models scale or cap their logits (Gemma 2, Cohere, Granite). This asks the model, on eight tokens, rather than
    knowing them all.
    """
    head = model.get_output_embeddings()
    if head is None or model.base_model is model:
        return False
    was_training = model.training
    model.eval()
    ids = torch.arange(_PROBE_TOKENS, device=model.device)[None] % model.config.get_text_config().vocab_size
    with torch.no_grad():
        hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
        same = torch.allclose(head(hidden), model(input_ids=ids, use_cache=False).logits, rtol=1e-4, atol=1e-4)
    model.train(was_training)
    return bool(same)
