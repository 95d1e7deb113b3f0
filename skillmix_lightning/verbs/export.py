"""`export CKPT --out DIR`: a checkpoint as a Hugging Face folder."""

from collections.abc import Sequence
from pathlib import Path

from skillmix_lightning.training.export import ExportType, export_checkpoint
from skillmix_lightning.verbs.parser import parse


def main(verb: str, args: Sequence[str]) -> None:
    """Runs the verb."""
    export(**parse(verb, export, args, {"checkpoint": "one"}))


def export(checkpoint: str, out: str, dtype: ExportType = "auto", max_shard_size: str = "5GB") -> None:
    """Writes the model of a checkpoint as a Hugging Face folder: safetensors, config, tokenizer, model card.

    Needs no GPU, and no more memory than one file of the result.

    Args:
        checkpoint: a checkpoint folder of any strategy and number of ranks; LoRA adapters are merged in.
        out: the folder to make.
        dtype: of the weights; auto keeps the checkpoint's float32.
        max_shard_size: of a file of weights, such as 5GB.

    Raises:
        InputError: no whole checkpoint, or a folder that is there already.
    """
    files = export_checkpoint(Path(checkpoint), Path(out), dtype, max_shard_size)
    print(f"{out}: {sum(files.values()) / 1e9:.2f} GB in {len(files)} files")
