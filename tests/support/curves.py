"""Fits of a tiny model on examples made here, run as a script in one process or several; their losses go to a file.

python curves.py DEVICES CASES.json OUT.json

A case is a dict of `strategy` (auto, ddp or fsdp2), `model` (a folder), `micro_batch_size`, and perhaps `layout`,
`precision`, and settings of SkillMixModule under `settings`. One start serves many cases, since starting the processes
takes longest.
"""

import json
import os
import random
import sys
from datetime import timedelta
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.strategies import DDPStrategy, Strategy
from torch.utils.data import DataLoader

from skillmix_lightning.data.batching import StepCollator
from skillmix_lightning.data.encoding import Example
from skillmix_lightning.training import SkillMixModule
from skillmix_lightning.training.adapters import LoraSettings
from skillmix_lightning.training.strategy import ShardedStrategy

STEPS = 30
BATCH = 16
RATE = 3e-3
TIMEOUT = timedelta(seconds=90)
VOCABULARY = 60


def examples(count: int = 200) -> list[Example]:
    """Two-turn examples of 6 to 30 tokens with something to learn, and some full-sequence ones that weigh half."""
    draw = random.Random(0)
    made = []
    for number in range(count):
        length, first = draw.randint(6, 30), draw.randrange(VOCABULARY)
        ids = tuple((first + draw.choice((1, 1, 1, 2)) * place) % VOCABULARY for place in range(length))
        if number % 5 == 0:
            made.append(Example(ids, (False,) + (True,) * (length - 1), source="pretraining", weight=0.5))
            continue
        prompt = draw.randint(1, length - 2)
        made.append(Example(ids, tuple(place > prompt for place in range(length)), k=1 + number % 3))
    return made


def steps() -> list[list[Example]]:
    """The examples of each step."""
    pool, draw = examples(), random.Random(1)
    return [draw.sample(pool, BATCH) for _ in range(STEPS)]


class Curve(pl.Callback):
    """Keeps what was logged at each step."""

    def __init__(self):
        self.losses, self.norms = [], []

    def on_train_batch_end(self, trainer, *_):
        self.losses.append(float(trainer.callback_metrics["train/loss"]))
        self.norms.append(float(trainer.callback_metrics["train/grad_norm"]))


def strategy_of(name: str) -> str | Strategy:
    """A Lightning strategy with a short timeout, so that a rank that waits for nothing fails soon."""
    if name == "fsdp2":
        return ShardedStrategy(timeout=TIMEOUT)
    return DDPStrategy(timeout=TIMEOUT) if name == "ddp" else name


def fit(case: dict, devices: int) -> tuple[Curve, SkillMixModule]:
    """Fits and returns the curve and the module."""
    pl.seed_everything(0, verbose=False)
    settings = dict(case.get("settings", {}))
    if settings.get("lora"):
        settings["lora"] = LoraSettings(**settings["lora"])
    module = SkillMixModule(case["model"], **{"learning_rate": RATE, "warmup_steps": 4, **settings})
    curve = Curve()
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=devices,
        strategy=strategy_of(case["strategy"]),
        precision=case.get("precision", "32-true"),
        max_epochs=-1,
        max_steps=STEPS,
        callbacks=[curve],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        inference_mode=False,
    )
    rank = int(os.environ.get("LOCAL_RANK", 0)) if devices > 1 else 0
    collate = StepCollator(case["micro_batch_size"], rank, devices, layout=case.get("layout", "padded"))
    trainer.fit(module, DataLoader(steps(), batch_size=None, collate_fn=collate))
    return curve, module


def facts(module: SkillMixModule) -> dict:
    """Of a module after its fit, what must not depend on how it ran."""
    parameters = dict(module.model.named_parameters())
    return {
        "names": sorted(module.model.state_dict()),
        "dtypes": sorted({str(p.dtype) for p in parameters.values()}),
        "tied": module.model.get_input_embeddings().weight is module.model.get_output_embeddings().weight,
        "local": sum(getattr(p, "_local_tensor", p).numel() for p in parameters.values()),
        "buffers": {name: [str(b.dtype), b.double().sum().item()] for name, b in module.model.named_buffers()},
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    devices, cases, out = int(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3])
    results = []
    for case in cases:
        curve, module = fit(case, devices)
        results.append({"losses": curve.losses, "norms": curve.norms, **facts(module)})
    if int(os.environ.get("LOCAL_RANK", 0)) == 0:
        out.write_text(json.dumps(results))
