"""Partial fine-tuning: only the last transformer blocks learn."""

from torch import nn
from transformers import PreTrainedModel

from skillmix_lightning.errors import InputError


def train_last_blocks(model: PreTrainedModel, count: int) -> None:
    """Freezes everything but the last `count` transformer blocks and what stands between them and the output embedding.

    The backward pass ends at the first block that learns, and neither gradients nor optimizer states are kept below it.

    Raises:
        InputError: the model has fewer blocks, or none can be found.
    """
    blocks = _blocks(model)
    if not 1 <= count <= len(blocks):
        raise InputError(
            f"--model.trained_blocks is {count}: the model has {len(blocks)} blocks, so it can be 1 to that"
        )
    frozen = {id(parameter) for block in blocks[:-count] for parameter in block.parameters()}
    for embedding in (model.get_input_embeddings(), model.get_output_embeddings()):
        if embedding is not None:
            frozen |= {id(parameter) for parameter in embedding.parameters()}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) not in frozen)


def _blocks(model: PreTrainedModel) -> nn.ModuleList:
    """The model's list of transformer blocks: its longest module list."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    return max(lists, key=len, default=nn.ModuleList())
