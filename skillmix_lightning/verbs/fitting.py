"""`fit` and `validate`: LightningCLI on the module, the data module, the evaluation and the checkpoints."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from skillmix_lightning.callbacks import (
    LossMonitor,
    ShowExample,
    SkillMixCheckpoint,
    SkillMixEvaluation,
    StepProgressBar,
    ThroughputMonitor,
)
from skillmix_lightning.callbacks.manifest import FitManifest
from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.models import fastest_precision
from skillmix_lightning.training import SkillMixModule
from skillmix_lightning.verbs.parser import PROGRAM, OneLineErrors

#: What the trainer is unless the config says otherwise; each has its reason in `FitCLI`.
TRAINER_DEFAULTS: dict[str, Any] = {
    "max_epochs": -1,
    "max_steps": 4000,
    "check_val_every_n_epoch": None,
    "use_distributed_sampler": False,
    "default_root_dir": "checkpoints",
    "log_every_n_steps": 1,
    "val_check_interval": 100,
    "enable_model_summary": False,
    "inference_mode": False,
}


def main(verb: str, args: Sequence[str]) -> None:
    """Runs a verb of the trainer.

    Args:
        verb: its name.
        args: the command line behind it.

    Raises:
        InputError: bad usage or bad input.
    """
    callbacks = [StepProgressBar(), ShowExample(), LossMonitor(), FitManifest()]
    run_trainer(FitCLI, SkillMixModule, SkillMixDataModule, {"callbacks": callbacks}, [verb, *args])


def run_trainer(
    cli: "type[FitCLI]",
    module: type[SkillMixModule],
    data: type[SkillMixDataModule],
    trainer_defaults: Mapping[str, Any],
    args: Sequence[str],
) -> None:
    """Reads a command line and does what it says.

    Args:
        cli: the verbs.
        module: the class that `--model.…` describes.
        data: the class that `--data.…` describes.
        trainer_defaults: what the trainer is unless the config says otherwise, beside `TRAINER_DEFAULTS`.
        args: the verb and the command line behind it.

    Raises:
        InputError: bad usage or bad input.
    """
    _quiet_libraries()
    cli(
        module,
        data,
        parser_class=_FitParser,
        parser_kwargs={"prog": PROGRAM, **{verb: {"description": text} for verb, text in cli.DESCRIPTIONS.items()}},
        trainer_defaults={**TRAINER_DEFAULTS, **trainer_defaults},
        save_config_kwargs={"overwrite": True},
        seed_everything_default=0,
        auto_configure_optimizers=False,
        args=list(args),
    )


class FitCLI(LightningCLI):
    """`fit` and `validate`: the trainer, the module, the data module, the evaluation and the checkpoints, by config.

    Training data is an endless stream of optimizer steps, so fits are counted in steps (`max_epochs` -1,
    `check_val_every_n_epoch` null), and its sampler knows ranks itself (`use_distributed_sampler` false). Sharded
    parameters cannot be gathered in inference mode (`inference_mode` false).
    """

    DESCRIPTIONS: ClassVar[dict[str, str]] = {
        "fit": "Fine-tunes a causal language model, and scores it before, during and after.",
        "validate": "The loss of a model or checkpoint on the validation texts.",
    }

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """The verbs, with the trainer's arguments that the command line does not set."""
        ours = {"model", "dataloaders", "datamodule"}
        return {"fit": {*ours, "train_dataloaders", "val_dataloaders"}, "validate": ours}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Adds `--evaluation.…`, `--checkpoint.…` and `--throughput.…`; the data module gets the model's tokenizer."""
        parser.add_lightning_class_args(SkillMixEvaluation, "evaluation")
        parser.add_lightning_class_args(SkillMixCheckpoint, "checkpoint")
        parser.add_lightning_class_args(ThroughputMonitor, "throughput")
        parser.link_arguments("model.model", "data.tokenizer")

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """The trainer; where no precision is set, the fastest of this machine that keeps weights in fp32."""
        config = self._get(self.config_init, "trainer", default={})
        if config["precision"] is None:
            kwargs["precision"] = fastest_precision(_device_type(config["accelerator"]))
        if config["enable_progress_bar"] is False:  # Lightning refuses a bar beside it
            brought = self.trainer_defaults["callbacks"]
            self.trainer_defaults["callbacks"] = [each for each in brought if not isinstance(each, ProgressBar)]
        trainer: Trainer = super().instantiate_trainer(**kwargs)
        return trainer

    def before_fit(self) -> None:
        """Finds what would only fail later.

        Raises:
            InputError: a trainer setting does not fit this package, or the folder cannot be written.
        """
        problems = []
        if self.trainer.max_steps == -1:
            problems.append("max_steps is -1, but fits are counted in optimizer steps; give their number")
        if self.trainer.accumulate_grad_batches != 1:
            problems.append("accumulate_grad_batches must stay 1; a step's size is --data.global_batch_size")
        if self.trainer.gradient_clip_val is not None:
            problems.append("gradient_clip_val must stay null; set --model.gradient_clip")
        if str(self.trainer.precision).endswith("-true") and self.trainer.precision != "32-true":
            problems.append(
                f"precision is {self.trainer.precision}, and such weights lose small updates; use bf16-mixed or 32-true"
            )
        raise_all("--trainer", problems)
        self.settle_checkpoint()
        _check_writable(Path(self.trainer.log_dir or self.trainer.default_root_dir))

    def before_validate(self) -> None:
        """Finds the checkpoint."""
        self.settle_checkpoint()

    def settle_checkpoint(self) -> None:
        """Finds what `--ckpt_path best` means, and tells the module that a checkpoint brings its weights.

        Of `last` the checkpoint callback does both, for it may find none and begin anew.
        """
        config = self.config_init[self.subcommand]
        if config["ckpt_path"] == "best":
            (callback,) = (c for c in self.trainer.checkpoint_callbacks if isinstance(c, SkillMixCheckpoint))
            config["ckpt_path"] = callback.find_best(self.trainer, self.model, self.datamodule)
            if config["ckpt_path"] is None:
                raise InputError("--ckpt_path best: no checkpoint of a fit with these settings is found; name a folder")
        if config["ckpt_path"] not in (None, "last"):
            self.model.resuming = True


class _FitParser(OneLineErrors, LightningArgumentParser):
    """The trainer's parser, with errors of one line."""


def _device_type(accelerator: Any) -> str:
    """The torch device that a trainer's accelerator stands for."""
    if accelerator == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return "cuda" if accelerator == "gpu" else str(accelerator)


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"{folder}: the output folder cannot be written ({error.strerror}); set --trainer.default_root_dir"
        ) from None


def _quiet_libraries() -> None:
    # Data is encoded before the fit and only laid out in it: worker processes would cost memory and gain nothing.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    # The command line is split into verb and rest before it comes here.
    warnings.filterwarnings("ignore", message="LightningCLI's args parameter is intended")
    # Checkpoints are folders of shards on a single device too.
    warnings.filterwarnings("ignore", message="torch.distributed is disabled")
    # Lightning's own use of torch, nothing a user can mend.
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
    advertisement = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    advertisement.addFilter(lambda record: "Tip: For seamless cloud" not in record.getMessage())
