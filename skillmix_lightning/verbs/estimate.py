"""`estimate CONFIG…`: what a fit will take, before it is started. Reads, reckons and prints; starts nothing."""

import json as jsonlib
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import takewhile
from typing import Any, get_args

from lightning.pytorch.cli import LightningArgumentParser
from rich.console import Console
from rich.table import Table

from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.models import fastest_precision
from skillmix_lightning.training import SkillMixModule
from skillmix_lightning.training.adapters import LoraSettings, add_lora
from skillmix_lightning.training.estimate import MemoryEstimate, estimate_memory
from skillmix_lightning.training.estimate_models import shape_on_meta
from skillmix_lightning.training.estimate_settings import FitSettings
from skillmix_lightning.training.parallelize import ActivationCheckpointing
from skillmix_lightning.verbs.fitting import TRAINER_DEFAULTS, FitCLI
from skillmix_lightning.verbs.parser import PROGRAM, OneLineErrors

_GIB = 2**30


def main(verb: str, args: Sequence[str]) -> None:
    """Runs the verb."""
    files = list(takewhile(lambda arg: not arg.startswith("-"), args))
    configs = [f"--config={file}" for file in files]
    estimate(read_config([*configs, *args[len(files) :]], verb))


def read_config(args: Sequence[str], verb: str = "estimate") -> Any:
    """A fit's command line as one namespace: all its settings, with their defaults; makes no object of them.

    Args:
        args: what would stand behind `fit`, and estimate's own options.
        verb: for the help.

    Raises:
        InputError: a setting is unknown or has the wrong type.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="LightningCLI's args parameter is intended")
        reader = _ConfigReader(
            SkillMixModule,
            SkillMixDataModule,
            run=False,
            parser_class=_Parser,
            parser_kwargs={"prog": f"{PROGRAM} {verb}"},
            trainer_defaults=TRAINER_DEFAULTS,
            save_config_callback=None,
            seed_everything_default=False,
            auto_configure_optimizers=False,
            args=list(args),
        )
    return reader.config


def estimate(config: Any) -> None:
    """Prints the memory of a fit on each rank: what it consists of, and its peak by activation checkpointing.

    Args:
        config: from `read_config`.

    Raises:
        InputError: the model's shape is unknown, or settings do not go together.
    """
    ranks = _ranks(config)
    model = shape_on_meta(config.model.model)
    if config.model.lora is not None:
        model = add_lora(model, LoraSettings(**vars(config.model.lora)))
    settings = fit_settings(config, ranks)
    chosen = estimate_memory(model, settings)
    by_checkpointing = {
        choice: estimate_memory(model, replace(settings, activation_checkpointing=choice)).peak
        for choice in get_args(ActivationCheckpointing)
    }
    counts = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "trained": sum(p.numel() for p in model.parameters() if p.requires_grad),
    }
    if config.json:
        document = {
            "model": config.model.model,
            **counts,
            "settings": asdict(settings),
            "bytes_per_rank": {**asdict(chosen), "host": chosen.host, "peak": chosen.peak},
            "peak_by_activation_checkpointing": by_checkpointing,
        }
        jsonlib.dump(document, sys.stdout, indent=2)
        print()
        return
    print(
        f"{config.model.model}: {counts['parameters']:,} parameters, {counts['trained']:,} trained; {ranks} ranks, "
        f"micro-batches of {settings.tokens:,} tokens"
    )
    Console().print(_table(chosen))
    peaks = ", ".join(f"{choice} {peak / _GIB:.1f}" for choice, peak in by_checkpointing.items())
    print(f"peak by model.activation_checkpointing, GiB: {peaks}")
    print("Not in it: the CUDA context and communication buffers, 1 to 2 GiB, and memory lost to fragments.")


def fit_settings(config: Any, ranks: int) -> FitSettings:
    """What decides memory, from a fit's settings; micro-batches are taken at their longest."""
    model, data, trainer = config.model, config.data, config.trainer
    longest = data.max_length
    if data.pretraining is not None:
        longest = max(longest, data.pretraining.max_length or 0)
    examples = min(data.micro_batch_size, -(-data.global_batch_size // ranks))
    tokens = data.micro_batch_tokens or examples * longest
    padding_free = data.layout == "padding_free"
    return FitSettings(
        ranks=ranks,
        sharded=_is_sharded(trainer.strategy),
        bf16=_precision(trainer).startswith("bf16"),
        rows=1 if padding_free else max(1, tokens // longest),
        row_tokens=tokens if padding_free else longest,
        padding_free=padding_free,
        attention=model.attn_implementation or "sdpa",
        optimizer=model.optimizer,
        quantization=model.quantization,
        activation_checkpointing=model.activation_checkpointing,
        reshard_after_forward=model.reshard_after_forward,
        defer_gradient_sync=model.defer_gradient_sync,
        cpu_offload=model.cpu_offload,
        logits_chunk=model.logits_chunk,
    )


class _ConfigReader(FitCLI):
    """Reads what `fit` reads, and stops there."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        super().add_arguments_to_parser(parser)
        parser.add_argument("--world_size", type=int | None, default=None, help="ranks; by default devices × nodes")
        parser.add_argument("--json", type=bool, default=False, help="print one JSON document")
        parser.add_argument("--ckpt_path", type=str | None, default=None, help="not read; configs of fit may have it")

    def instantiate_classes(self) -> None:
        """Makes nothing."""


class _Parser(OneLineErrors, LightningArgumentParser):
    """The trainer's parser, with errors of one line."""


def _ranks(config: Any) -> int:
    given: int | None = config.world_size
    devices = config.trainer.devices
    if given is None and isinstance(devices, list):
        given = len(devices) * config.trainer.num_nodes
    if given is None and str(devices).isdigit():
        given = int(devices) * config.trainer.num_nodes
    if given is None and config.trainer.accelerator == "cpu":
        given = config.trainer.num_nodes
    if given is None:
        raise InputError(f"trainer.devices is {devices}, so the number of ranks is not known; give --world_size")
    raise_all("--world_size", [f"is {given}, and must be at least 1"] if given < 1 else [])
    return given


def _is_sharded(strategy: Any) -> bool:
    name = strategy if isinstance(strategy, str) else getattr(strategy, "class_path", "")
    return "fsdp2" in name or name.endswith(("ShardedStrategy", "ModelParallelStrategy"))


def _precision(trainer: Any) -> str:
    if trainer.precision is not None:
        return str(trainer.precision)
    return fastest_precision("cpu") if trainer.accelerator == "cpu" else "bf16-mixed"


def _table(memory: MemoryEstimate) -> Table:
    table = Table("on each rank", "GiB")
    table.columns[1].justify = "right"
    lines = {
        "weights": memory.weights,
        "gradients": memory.gradients,
        "optimizer states": memory.optimizer,
        "weights to compute with": memory.copies,
        "activations": memory.activations,
        "a block in backward": memory.recomputed,
        "a chunk of logits": memory.logits,
    }
    for name, size in lines.items():
        table.add_row(name, f"{size / _GIB:.2f}")
    table.add_section()
    if memory.offloaded:
        table.add_row("on the CPU (the first three)", f"{memory.host / _GIB:.2f}")
    table.add_row("peak on the device", f"{memory.peak / _GIB:.2f}", style="bold")
    return table
