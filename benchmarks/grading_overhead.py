"""What grading in the background costs a fit: a grader that takes 30 s against one that answers at once.

    .venv/bin/python benchmarks/grading_overhead.py          # 20 minutes on 2 cores

One fit of SmolLM2-135M on the embedded D(1,2,3), evaluated every STEPS optimizer steps. The grader is a chat server in
a process of its own that answers every request of an evaluation after 0 s or after 30 s, in the order ABBA, so that
what else the machine does falls on both. Compared is, from one evaluation to the next, the wall time less the time in
which the model writes: training, taking the scores that came, and showing them. Exit status 1 if the 30 s cost 2% or
more.
"""

import argparse
import multiprocessing
import os
import random
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from chat_server import ChatServer, routes, says, serving

from skillmix_lightning.callbacks import SkillMixEvaluation
from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.graders.endpoint import EndpointGrader
from skillmix_lightning.models import fastest_precision
from skillmix_lightning.training import SkillMixModule

MODEL = "embedded:smollm2-135m-instruct"
SLOW_S = 30.0
ALLOWED = 1.02
ORDER = (0.0, SLOW_S, SLOW_S, 0.0)


def full_marks(prompt: str) -> str:
    criteria = re.findall(r"^- ((?:Correctly|Pertains|Text|At most) .*)$", prompt, re.MULTILINE)
    rows = [f"| {criterion} | 1 |" for criterion in criteria]
    return "\n".join(["Here's the grading table:", "", "| Criteria | Points Earned |", "|---|---|", *rows])


def serve(pipe: Any) -> None:
    chat = ChatServer()
    chat.keeps_calls = False
    chat.respond = lambda call: says(full_marks(call["messages"][-1]["content"]))
    with serving(routes(chat)) as address:
        pipe.send(address)
        while (delay_s := pipe.recv()) is not None:
            chat.delay_s = delay_s


class Clock(pl.Callback):
    """Reads the wall and the processor's clock before every evaluation, and sets how long its grades take."""

    def __init__(self, every: int, pipe: Any) -> None:
        self.every = every
        self.pipe = pipe
        self.before: dict[int, tuple[float, float]] = {}
        self.after: dict[int, tuple[float, float]] = {}

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):  # type: ignore[no-untyped-def]
        if trainer.global_step % self.every == 0:
            self.before[trainer.global_step] = time.perf_counter(), time.process_time()
            self.pipe.send(delay_of(trainer.global_step // self.every))


class ClockAfter(pl.Callback):
    """The same, behind the evaluation in the order of callbacks."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):  # type: ignore[no-untyped-def]
        if trainer.global_step % self.clock.every == 0:
            self.clock.after[trainer.global_step] = time.perf_counter(), time.process_time()


def delay_of(evaluation: int) -> float:
    return ORDER[evaluation % len(ORDER)]


def fit(folder: Path, address: str, clock: Clock, windows: int, combinations: int) -> None:
    evaluation = SkillMixEvaluation(
        every_n_steps=clock.every,
        at_start=False,
        at_end=False,
        combinations=combinations,
        ks=[1, 2],
        max_new_tokens=40,
        grader=EndpointGrader("judge", "paper-v1", "verifiable", address, "NO_KEY"),
        cache="off",
    )
    trainer = pl.Trainer(
        accelerator="cpu",
        precision=fastest_precision("cpu"),
        max_epochs=-1,
        max_steps=(windows + 1) * clock.every,
        callbacks=[clock, evaluation, ClockAfter(clock)],
        logger=TensorBoardLogger(folder, name="", version=""),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        inference_mode=False,
    )
    data = SkillMixDataModule(
        "embedded:verifiable-d123", MODEL, global_batch_size=8, micro_batch_size=4, max_length=256, validation_share=0
    )
    trainer.fit(SkillMixModule(MODEL, attn_implementation="eager"), data)


def windows_of(clock: Clock, folder: Path) -> tuple[dict[float, list[float]], dict[float, list[float]]]:
    """Seconds from one evaluation to the next, by the delay of the first of them: wall time, processor time."""
    events = EventAccumulator(str(folder))
    events.Reload()
    writing = {event.step: event.value for event in events.Scalars("skillmix/seconds_generating")}
    wall: dict[float, list[float]] = {0.0: [], SLOW_S: []}
    processor: dict[float, list[float]] = {0.0: [], SLOW_S: []}
    for step in sorted(clock.after)[:-1]:
        following = step + clock.every
        delay_s = delay_of(step // clock.every)
        trained = clock.before[following][0] - clock.after[step][0]
        assert trained > delay_s, f"{clock.every} steps took {trained:.1f} s: too few for {delay_s:.0f} s of grading"
        rest = clock.after[following][0] - clock.before[following][0] - writing[following]
        wall[delay_s].append(trained + rest)
        processor[delay_s].append(clock.before[following][1] - clock.after[step][1])
    return wall, processor


def ratio(seconds: dict[float, list[float]], draws: int = 10_000) -> tuple[float, float, float]:
    """Of the means, slow to instant, and its 95% interval over windows drawn again."""
    chosen = random.Random(0)

    def drawn(values: list[float]) -> float:
        return statistics.mean(chosen.choices(values, k=len(values)))

    ratios = sorted(drawn(seconds[SLOW_S]) / drawn(seconds[0.0]) for _ in range(draws))
    mean = statistics.mean(seconds[SLOW_S]) / statistics.mean(seconds[0.0])
    return mean, ratios[int(0.025 * draws)], ratios[int(0.975 * draws)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=40, help="optimizer steps between evaluations")
    parser.add_argument("--windows", type=int, default=20, help="evaluations that are followed by another")
    parser.add_argument("--combinations", type=int, default=4, help="per split and k; there are four of these")
    args = parser.parse_args()
    os.environ["NO_KEY"] = "none"
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(args.steps, ours)
        fit(Path(folder), ours.recv(), clock, args.windows, args.combinations)
        wall, processor = windows_of(clock, Path(folder))
    ours.send(None)
    for name, seconds in (("wall", wall), ("processor", processor)):
        mean, low, high = ratio(seconds)
        for delay_s, values in seconds.items():
            print(f"{name}, grader {delay_s:.0f} s: {statistics.mean(values):.2f} s a window ({len(values)} windows)")
        print(f"{name}: {mean:.4f} ({low:.4f} to {high:.4f}) of the instant grader's")
    return int(ratio(wall)[0] >= ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
