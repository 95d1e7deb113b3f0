"""Where the checkpoints of earlier starts of a fit are found again."""

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule, Trainer

from skillmix_lightning.training import checkpoints


def fits_newest_first(
    dirpath: str | Path | None, trainer: Trainer, module: LightningModule, data: LightningDataModule | None
) -> list[Path]:
    """Whole checkpoints of fits with the same settings.

    Every rank must find the same, before the ranks can talk, so this is a function of the disk alone.

    Args:
        dirpath: where this fit's checkpoints go; None to look beside this start's log folder too.
        trainer: of this start.
        module: with this start's settings.
        data: likewise.
    """
    if dirpath is not None:
        folders = [Path(dirpath)]
    elif trainer.loggers and trainer.loggers[0].name is not None:
        logger = trainer.loggers[0]
        starts = Path(logger.save_dir or trainer.default_root_dir) / str(logger.name)
        folders = [starts / "checkpoints", *sorted(starts.glob("*/checkpoints"))]
    else:
        folders = [Path(trainer.default_root_dir) / "checkpoints"]
    ours = [checkpoints.plain(dict(part.hparams)) for part in (module, data) if part is not None]
    return [path for path in checkpoints.newest_first(folders) if _settings(path) == ours[: len(_settings(path))]]


def _settings(path: Path) -> list[dict[str, Any]]:
    """The settings that a checkpoint's module and data were made with."""
    saved: dict[str, Any] = checkpoints.load_plain(path / checkpoints.TRAINER)
    keys = (LightningModule.CHECKPOINT_HYPER_PARAMS_KEY, LightningDataModule.CHECKPOINT_HYPER_PARAMS_KEY)
    return [saved[key] for key in keys if key in saved]
