"""What a fit was: its settings, data, versions and commit, in one file beside its logs."""

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import Callback, LightningModule, Trainer

from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.runs.run import made_with, write_json
from skillmix_lightning.training import checkpoints

_BLOCK = 1 << 20


class FitManifest(Callback):
    """Writes `manifest.json` into the log folder before the first step.

    It holds the config, the settings of model and data, the SHA-256 of every data set, how many ranks compute in which
    precision under which strategy, from which checkpoint and step, the versions of what the fit is made with and the
    git commit of the working folder. Where a log folder is used again, what it said before stays under `earlier`.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes it, on rank 0."""
        folder = Path(trainer.log_dir or trainer.default_root_dir)  # every rank must ask: the trainer broadcasts it
        if not trainer.is_global_zero:
            return
        file = folder / "manifest.json"
        manifest = fit_manifest(trainer, pl_module, folder)
        if file.exists():
            before = json.loads(file.read_text(encoding="utf-8"))
            manifest["earlier"] = [*before.pop("earlier", []), before]
        folder.mkdir(parents=True, exist_ok=True)
        write_json(file, manifest)


def fit_manifest(trainer: Trainer, pl_module: LightningModule, folder: Path) -> dict[str, Any]:
    """The manifest of a fit that is about to make its first step.

    Args:
        trainer: of the fit.
        pl_module: what it trains.
        folder: the log folder; a `config.yaml` in it is the fit's.
    """
    data = getattr(trainer, "datamodule", None)
    config = folder / checkpoints.CONFIG
    return {
        "config": yaml.safe_load(config.read_text(encoding="utf-8")) if config.is_file() else None,
        "model": checkpoints.plain(dict(pl_module.hparams)),
        "data": None if data is None else checkpoints.plain(dict(data.hparams)),
        "data_sets": [_data_set(path) for path in data.paths] if isinstance(data, SkillMixDataModule) else [],
        "trainer": {
            "strategy": type(trainer.strategy).__name__,
            "precision": str(trainer.precision),
            "world_size": trainer.world_size,
            "max_steps": trainer.max_steps,
        },
        "step": trainer.global_step,
        "checkpoint": None if trainer.ckpt_path is None else str(trainer.ckpt_path),
        "made_with": made_with(),
    }


def _data_set(path: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return {"path": str(path), "bytes": path.stat().st_size, "sha256": digest.hexdigest()}
