"""A fit of a tiny model with an evaluation, as tests run it in one process or, as a script, in two.

python fits.py MODEL DATASET FOLDER DEVICES
"""

import sys
from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.loggers import TensorBoardLogger

from skillmix_lightning.callbacks import SkillMixEvaluation
from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.training import SkillMixModule


def tiny_fit(
    model: str,
    dataset: str,
    folder: Path,
    evaluation: SkillMixEvaluation | None,
    devices: int = 1,
    max_steps: int = 6,
    ckpt_path: str | None = None,
    callbacks: tuple[pl.Callback, ...] = (),
) -> tuple[SkillMixModule, pl.Trainer]:
    """Fits with 4 examples a step; logs to `folder`."""
    pl.seed_everything(0)
    module = SkillMixModule(model, learning_rate=1e-2, warmup_steps=2)
    data = SkillMixDataModule(dataset, model, global_batch_size=4, micro_batch_size=2, validation_share=0)
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        max_epochs=-1,
        max_steps=max_steps,
        callbacks=[*callbacks, *([evaluation] if evaluation else [])],
        logger=TensorBoardLogger(folder, name="", version=""),
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(module, data, ckpt_path=ckpt_path)
    return module, trainer


def small_evaluation(**settings: object) -> SkillMixEvaluation:
    """Two combinations for each of four cells, every 3 steps."""
    settings = {"every_n_steps": 3, "ks": [1, 2], "combinations": 2, "max_new_tokens": 8, "batch_size": 3, **settings}
    return SkillMixEvaluation(**settings)  # type: ignore[arg-type]


if __name__ == "__main__":
    model, dataset, folder, devices = sys.argv[1:]
    tiny_fit(model, dataset, Path(folder), small_evaluation(), int(devices))
