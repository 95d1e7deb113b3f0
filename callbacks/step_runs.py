"""The runs of a fit's evaluations: `<log folder>/skillmix/step=<step>/`, one for each evaluated step."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule, Trainer

from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.errors import InputError
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.lock import writing
from skillmix_lightning.runs.resume import missing_rounds
from skillmix_lightning.students.base import Composition
from skillmix_lightning.training.checkpoints import plain

#: A composition's combination and generation.
Key = tuple[str, int]


class StepRuns:
    """Opens and finds the runs; for rank 0.

    Args:
        folder: they are in.
        manifest: what all of them say, the fit's identity ("fit") with it.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest

    def at(self, step: int) -> Run:
        """The run of a step, there or not."""
        return Run(self.folder / f"step={step:06d}")

    def on_record(self) -> dict[int, Run]:
        """Step to run, of those that are there, in order."""
        found = {int(path.parent.name.removeprefix("step=")): path.parent for path in self._manifests()}
        return {step: Run(found[step]) for step in sorted(found)}

    def refuse_others(self) -> None:
        """Finds out whether the folder is this fit's, killed before, or another's.

        Raises:
            InputError: it holds an evaluation of another fit.
        """
        for run in self.on_record().values():
            if run.manifest().get("fit") != self.manifest["fit"]:
                raise InputError(
                    f"{run.folder}: holds the evaluations of another fit; give this fit a log folder of its own"
                )

    def begin(self, step: int) -> set[Key]:
        """Opens a step's run; what it holds already is not written again.

        Raises:
            InputError: the run is another's, or cannot be written.
        """
        with writing(self.at(step).folder):
            run = Run.start(self.at(step).folder, {**self.manifest, "step": step})
            return {(c.combination.id, c.generation) for c in run.compositions()}

    def add(self, step: int, compositions: Sequence[Composition]) -> Run:
        """Records what was written; returns the run."""
        run = self.at(step)
        with writing(run.folder):
            run.add_compositions(compositions)
        return run

    def ungraded(self, grader: str, gradings: int) -> dict[int, Run]:
        """Step to run, of those that lack grades."""
        return {
            step: run
            for step, run in self.on_record().items()
            if missing_rounds(run.compositions(), run.grades(), grader, gradings)
        }

    def _manifests(self) -> list[Path]:
        return list(self.folder.glob("step=[0-9]*/manifest.json"))


def runs_folder(trainer: Trainer) -> Path:
    """Where a fit's runs are; every rank must ask, since the trainer broadcasts it."""
    return Path(trainer.log_dir or trainer.default_root_dir) / "skillmix"


def fit_identity(module: LightningModule, data: LightningDataModule | None) -> dict[str, Any]:
    """What decides which weights a fit has at a step: the settings, the texts it trains on, the seed.

    A fit that was killed and started again with the same goes through the same weights, so its texts are still valid.
    """
    paths = data.paths if isinstance(data, SkillMixDataModule) else []
    return {
        "model": plain(dict(module.hparams)),
        "data": plain(dict(data.hparams)) if data is not None else None,
        "data_sha256": [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths],
        "seed": os.environ.get("PL_GLOBAL_SEED"),
    }
