"""Fits of a tiny model with an evaluation: in this process, or, as a script, on several ranks that are forked.

python fits.py SCENARIO FOLDER

FOLDER holds `model` and `d.jsonl`; a scenario leaves what a test compares under it.
"""

import json
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.distributed.tensor import DTensor

from skillmix_lightning.callbacks import SkillMixCheckpoint, SkillMixEvaluation
from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.graders.checker import CheckerGrader
from skillmix_lightning.graders.endpoint import EndpointGrader
from skillmix_lightning.runs import Run
from skillmix_lightning.students.base import Composition
from skillmix_lightning.training import SkillMixModule
from skillmix_lightning.training.checkpoints_tensors import reshard
from skillmix_lightning.training.strategy import ShardedStrategy


def tiny_fit(
    model: str,
    dataset: str,
    folder: Path,
    evaluation: SkillMixEvaluation | None,
    devices: int = 1,
    max_steps: int = 6,
    ckpt_path: str | None = None,
    callbacks: Sequence[pl.Callback] = (),
    strategy: str | None = None,
) -> tuple[SkillMixModule, pl.Trainer]:
    """Fits with 4 examples a step; logs to `folder`."""
    pl.seed_everything(0)
    module = SkillMixModule(model, learning_rate=1e-2, warmup_steps=2)
    data = SkillMixDataModule(dataset, model, global_batch_size=4, micro_batch_size=1, validation_share=0)
    chosen: Any = strategy or ("ddp" if devices > 1 else "auto")
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=devices,
        strategy=ShardedStrategy(timeout=timedelta(seconds=60)) if chosen == "fsdp2" else chosen,
        max_epochs=-1,
        max_steps=max_steps,
        callbacks=[*callbacks, *([evaluation] if evaluation else [])],
        logger=TensorBoardLogger(folder, name="", version=""),
        log_every_n_steps=1,
        enable_checkpointing=any(isinstance(each, pl.callbacks.Checkpoint) for each in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        inference_mode=False,
    )
    trainer.fit(module, data, ckpt_path=ckpt_path)
    return module, trainer


def small_evaluation(**settings: Any) -> SkillMixEvaluation:
    """Two combinations for each of four cells, every 3 steps."""
    settings = {"every_n_steps": 3, "ks": [1, 2], "combinations": 2, "max_new_tokens": 8, "batch_size": 3, **settings}
    return SkillMixEvaluation(**settings)


def events(folder: Path) -> EventAccumulator:
    """What TensorBoard would show."""
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def run_at(folder: Path, step: int) -> Run:
    """The run of an evaluation."""
    return Run(folder / "skillmix" / f"step={step:06d}")


def replies(folder: Path, steps: Sequence[int]) -> dict[int, dict[str, str]]:
    """Step to combination to what the model wrote."""
    return {
        step: {c.combination.id: c.turns[-1]["content"] for c in run_at(folder, step).compositions()} for step in steps
    }


def whole_weights_of(module: SkillMixModule) -> dict[str, torch.Tensor]:
    """Name to weight, gathered where it is sharded; every rank must call it."""
    reshard(module)
    return {
        name: weight.full_tensor() if isinstance(weight, DTensor) else weight.detach().clone()
        for name, weight in module.named_parameters()
    }


class HeldGrader:
    """The checker grader, which does not give a grade before it is let."""

    name = "held"

    def __init__(self, may_grade: Callable[[], bool]) -> None:
        self.checker = CheckerGrader()
        self.may_grade = may_grade

    def grade(self, compositions: Sequence[Composition], gradings: int = 1) -> Iterator[Grade]:
        while not self.may_grade():
            time.sleep(0.01)
        for grade in self.checker.grade(compositions, gradings):
            yield Grade(**{**vars(grade), "grader": self.name})


def fit_on_ranks(
    folder: Path,
    name: str,
    strategy: str,
    callbacks: Sequence[pl.Callback] = (),
    ckpt_path: str | None = None,
    **settings: Any,
) -> None:
    """A fit of 4 steps, evaluated every 2, under FOLDER/NAME, with its weights in `weights.pt`."""
    warnings.filterwarnings("ignore", message=".*(workers|LeafSpec|Total length).*")
    evaluated = settings.pop("evaluated", True)
    evaluation = small_evaluation(**{"every_n_steps": 2, "temperature": 0.0, **settings}) if evaluated else None
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    paths = str(folder / "model"), str(folder / "d.jsonl")
    module, trainer = tiny_fit(*paths, folder / name, evaluation, ranks, 4, ckpt_path, callbacks, strategy)
    weights = whole_weights_of(module)
    if trainer.is_global_zero:
        torch.save(weights, folder / name / "weights.pt")


class EndsWhenGraded(pl.Callback):
    """Sends this process SIGTERM in its third step, as soon as that many grades of the first evaluation are on disk."""

    def __init__(self, grades: Path, number: int) -> None:
        self.grades = grades
        self.number = number

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step == 3 and trainer.is_global_zero:
            deadline = time.monotonic() + 60
            while not (self.grades.exists() and len(self.grades.read_bytes().splitlines()) >= self.number):
                assert time.monotonic() < deadline, "no grades came"
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGTERM)


class EndsWhileItWaits(pl.Callback):
    """Sends this process SIGTERM while the end of the fit waits: once that many grades are on disk, and all texts."""

    def __init__(self, folder: Path, step: int, number: int) -> None:
        self.folder = folder
        self.step = step
        self.number = number

    def on_train_end(self, trainer, pl_module):
        if trainer.is_global_zero:
            threading.Thread(target=self._end, args=(trainer.max_steps,), daemon=True).start()

    def _end(self, last: int) -> None:
        of_step, at_end = run_at(self.folder, self.step).grades_file, run_at(self.folder, last).compositions_file
        while not (at_end.exists() and of_step.exists() and len(of_step.read_bytes().splitlines()) >= self.number):
            time.sleep(0.01)
        time.sleep(0.3)
        (self.folder / "ended_at").write_text(str(time.time()))
        os.kill(os.getpid(), signal.SIGTERM)


def break_generation(of_rank: int, where: str) -> None:
    """Has a rank's generation raise in its second batch of each evaluation: in or outside a forward pass."""
    if int(os.environ.get("RANK", "0")) != of_rank:
        return
    from transformers.models.llama.modeling_llama import LlamaDecoderLayer

    from skillmix_lightning.students.transformers import TransformersStudent

    if where == "outside":
        reply, calls = TransformersStudent._reply, []

        def raising(self, *args):
            calls.append(args)
            if len(calls) % 2 == 0:
                raise RuntimeError("a fault that a test makes")
            return reply(self, *args)

        TransformersStudent._reply = raising
        return
    forward = LlamaDecoderLayer.forward

    def raising_forward(self, *args, **kwargs):
        hidden = args[0] if args else kwargs["hidden_states"]
        # The second batch is the one of a single text; its second token; in the second of the two blocks.
        if (
            self.self_attn.layer_idx == 1
            and not self.training
            and hidden.shape[:2] == (1, 1)
            and kwargs.get("use_cache")
        ):
            raise RuntimeError("a fault that a test makes")
        return forward(self, *args, **kwargs)

    LlamaDecoderLayer.forward = raising_forward


def sharded(folder: Path) -> None:
    """Greedy texts on 1, 2 and 4 ranks, gathered and in step; and on 2 without an evaluation."""
    from resume import expect, forked

    expect([0], forked(1, lambda: fit_on_ranks(folder, "one", "auto")))
    for ranks, kind in ((2, "auto"), (2, "never"), (4, "never"), (2, "ddp")):

        def run(ranks: int = ranks, kind: str = kind) -> None:
            how = {"strategy": "ddp"} if kind == "ddp" else {"strategy": "fsdp2", "gather": kind}
            fit_on_ranks(folder, f"{ranks}-{kind}", **how)

        expect([0] * ranks, forked(ranks, run))
    expect([0, 0], forked(2, lambda: fit_on_ranks(folder, "2-without", "fsdp2", evaluated=False)))
    two_turns = {"prompts": "paper-v1", "ks": [1], "max_new_tokens": 6}
    expect([0], forked(1, lambda: fit_on_ranks(folder, "one-two-turns", "auto", **two_turns)))
    for kind in ("always", "never"):

        def run_two_turns(kind: str = kind) -> None:
            fit_on_ranks(folder, f"2-{kind}-two-turns", "fsdp2", gather=kind, **two_turns)

        expect([0, 0], forked(2, run_two_turns))


def broken(folder: Path) -> None:
    """One of two ranks raises while it writes: under DDP, gathered, in step, and in the middle of a forward pass."""
    from resume import expect, forked

    for name, strategy, gather, where in (
        ("ddp", "ddp", "auto", "outside"),
        ("gathered", "fsdp2", "always", "inside"),
        ("in_step", "fsdp2", "never", "outside"),
        ("in_pass", "fsdp2", "never", "inside"),
    ):

        def run(name: str = name, strategy: str = strategy, gather: str = gather, where: str = where) -> None:
            break_generation(1, where)
            fit_on_ranks(folder, name, strategy, gather=gather)

        expect([0, 0], forked(2, run))


def faults(folder: Path) -> None:
    """Fits of two ranks whose graders fail as their models' names say; SERVER is who serves them."""
    from resume import forked

    from skillmix_lightning.students import transformers

    transformers.extract_answer = lambda reply: f"It is said: {reply}"  # what a tiny model writes holds no answer
    ended = {}
    for name, settings in (
        ("dead", {"grading_timeout_s": 1.0}),
        ("hanging", {"grading_timeout_s": 1.0}),
        ("babbling", {}),
        ("costly", {"budget_tokens": 9000}),
        ("ended", {"grading_timeout_s": 60.0}),
        ("ended", {"grading_timeout_s": 60.0}),
        ("waiting", {"grading_timeout_s": 60.0}),
        ("waiting", {"grading_timeout_s": 60.0}),
        ("refusing", {}),
    ):

        def run(name: str = name, settings: dict[str, Any] = settings, again: bool = name in ended) -> None:
            served = {"base_url": os.environ["SERVER"], "api_key_env": "TEST_KEY"}
            limits = {"max_tokens": 20, "concurrency": 1, "attempts": 1}
            grader = EndpointGrader(name, "paper-v1", "verifiable", **served, **limits)
            callbacks: list[pl.Callback] = []
            if name == "ended":
                callbacks.append(SkillMixCheckpoint(str(folder / name / "checkpoints"), every_n_train_steps=100))
                if not again:
                    grades = run_at(folder / name, 0).grades_file
                    callbacks.insert(0, EndsWhenGraded(grades, 3))
            if name == "waiting":
                monitor = {"monitor": "skillmix/train/k1/full_marks", "mode": "max"}
                where = str(folder / name / "checkpoints")
                callbacks.append(checkpoint := SkillMixCheckpoint(where, every_n_train_steps=2, **monitor))
                if not again:
                    callbacks.insert(0, EndsWhileItWaits(folder / name, 2, 3))
            ckpt_path = "last" if again else None
            fit_on_ranks(folder, name, "ddp", callbacks, ckpt_path=ckpt_path, grader=grader, cache="off", **settings)
            if name == "waiting":
                (folder / name / f"best{os.environ['RANK']}").write_text(Path(checkpoint.best_model_path).name)

        ended.setdefault(name, []).append(forked(2, run))
        if name == "waiting" and len(ended[name]) == 1:
            took_s = time.time() - float((folder / name / "ended_at").read_text())
            (folder / name / "took_s").write_text(str(took_s))
    (folder / "ended.json").write_text(json.dumps(ended))


if __name__ == "__main__":
    scenario, where = sys.argv[1:]
    globals()[scenario](Path(where))
