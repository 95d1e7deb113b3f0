"""Every verb of `python -m skillmix_lightning`.

A user's mistake ends here as one line on standard error and exit status 2; any other failure keeps its traceback and
gives 1.
"""

import logging
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from skillmix_lightning.callbacks import SkillMixEvaluation, StepProgressBar
from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.training import SkillMixModule

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
}


def main(args: Sequence[str] | None = None) -> int:
    """Runs a verb.

    Args:
        args: the command line after the program's name; by default the process's.

    Returns:
        The exit status: 0 done, 2 bad usage or bad input. A failure raises.
    """
    _quiet_libraries()
    try:
        FitCLI(
            SkillMixModule,
            SkillMixDataModule,
            parser_class=_OneLineErrors,
            parser_kwargs={"prog": "python -m skillmix_lightning"},
            trainer_defaults={**TRAINER_DEFAULTS, "callbacks": [StepProgressBar()]},
            save_config_kwargs={"overwrite": True},
            seed_everything_default=0,
            auto_configure_optimizers=False,
            args=None if args is None else list(args),
        )
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


class FitCLI(LightningCLI):
    """`fit` and `validate`: the trainer, the module, the data module, the evaluation and the checkpoints, by config.

    Training data is an endless stream of optimizer steps, so fits are counted in steps (`max_epochs` -1,
    `check_val_every_n_epoch` null), and its sampler knows ranks itself (`use_distributed_sampler` false).
    """

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """The verbs, with the trainer's arguments that the command line does not set."""
        ours = {"model", "dataloaders", "datamodule"}
        return {"fit": {*ours, "train_dataloaders", "val_dataloaders"}, "validate": ours}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Adds `--evaluation.…` and `--checkpoint.…`, and gives the data module the model's tokenizer."""
        parser.add_lightning_class_args(SkillMixEvaluation, "evaluation")
        parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
        parser.set_defaults({"checkpoint.save_last": True})
        parser.link_arguments("model.model", "data.tokenizer")

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
        raise_all("--trainer", problems)
        _check_writable(Path(self.trainer.log_dir or self.trainer.default_root_dir))


class _OneLineErrors(LightningArgumentParser):
    """Turns the parser's errors, which run over many lines, into an `InputError` of one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise InputError(_one_line(message)) from ex


def _one_line(message: str) -> str:
    return re.sub(r"\s*\n\s*", " ", message.strip())


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
    # Data is encoded before the fit and collated in microseconds: worker processes would only cost memory.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    # Lightning's own use of torch, nothing a user can mend.
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
    advertisement = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    advertisement.addFilter(lambda record: "Tip: For seamless cloud" not in record.getMessage())
