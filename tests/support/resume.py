"""Fits that are killed and resumed, many in one process tree: all is imported once, then every rank is forked.

python resume.py SCENARIO FOLDER

Each scenario runs fits under FOLDER and leaves what a test compares there: `NAME/rank=R.pt` with the weights, the
optimizer's states, the random states and the token ids of every step.
"""

import json
import os
import random
import signal
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from examples import dataset_rows, write_dataset
from tiny import save_tiny_model
from torch.distributed.tensor import DTensor

from skillmix_lightning.callbacks.checkpointing import SkillMixCheckpoint
from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.training import SkillMixModule, checkpoints
from skillmix_lightning.training.adapters import LoraSettings
from skillmix_lightning.training.checkpoints_random import capture
from skillmix_lightning.training.checkpoints_tensors import optimizer_parts, reshard, weight_tensors
from skillmix_lightning.training.strategy import ShardedStrategy

STEPS = 8


class Witness(pl.Callback):
    """Keeps the token ids of every step, and kills its process before a step of choice."""

    def __init__(self, kill_before: int | None) -> None:
        self.kill_before = kill_before
        self.ids: dict[int, list] = {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.kill_before:
            os.kill(os.getpid(), signal.SIGKILL)
        self.ids[trainer.global_step] = [part["input_ids"].tolist() for part in batch["micro_batches"]]


def fit(
    folder: Path,
    name: str,
    strategy: str = "auto",
    steps: int = STEPS,
    kill_before: int | None = None,
    ckpt_path: str | None = "last",
    checkpoint: SkillMixCheckpoint | None = None,
    callbacks: tuple[pl.Callback, ...] = (),
    model: str = "model",
    **settings: Any,
) -> pl.Trainer:
    """A fit of 4 examples a step, saved every 3 steps in FOLDER/NAME/checkpoints."""
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    pl.seed_everything(0, verbose=False)
    warnings.filterwarnings("ignore")
    module = SkillMixModule(str(folder / model), learning_rate=1e-3, warmup_steps=4, **settings)
    data = SkillMixDataModule(
        str(folder / "d.jsonl"), str(folder / model), global_batch_size=4, micro_batch_size=2, validation_share=0.2
    )
    checkpoint = checkpoint or saving(folder, name)
    witness = Witness(kill_before)
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=ranks,
        strategy=ShardedStrategy(timeout=timedelta(seconds=60)) if strategy == "fsdp2" else strategy,
        max_epochs=-1,
        max_steps=steps,
        val_check_interval=2,
        check_val_every_n_epoch=None,
        callbacks=[witness, checkpoint, *callbacks],
        logger=False,
        default_root_dir=folder / name,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        inference_mode=False,
    )
    trainer.fit(module, data, ckpt_path=ckpt_path)
    reshard(module)
    tensors = weight_tensors(module) | optimizer_parts(module, trainer.optimizers[0], 0)[0]
    tensors = {key: value.full_tensor() if isinstance(value, DTensor) else value for key, value in tensors.items()}
    torch.save({**tensors, "random": capture(), "ids": witness.ids}, folder / name / f"rank={trainer.global_rank}.pt")
    return trainer


def forked(ranks: int, work: Callable[[], Any], wait: bool = True) -> list[int]:
    """Runs `work` in that many forked ranks; returns their exit statuses, or with `wait=False` their process ids."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    pids = []
    for rank in range(ranks):
        if pid := os.fork():
            pids.append(pid)
            continue
        if ranks > 1:  # as torchrun does it
            os.environ |= {
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "GROUP_RANK": "0",
                "WORLD_SIZE": str(ranks),
                "LOCAL_WORLD_SIZE": str(ranks),
                "TORCHELASTIC_RUN_ID": "test",
            }
        status = 1
        try:
            work()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            sys.stdout.flush()
            os._exit(status)
    return [exit_status(pid) for pid in pids] if wait else pids


def exit_status(pid: int) -> int:
    """Waits for the process; the negated signal if one ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def prepare(folder: Path) -> Path:
    """Writes the data set, a model with dropout in its attention, and one without."""
    save_tiny_model(folder / "without_dropout")
    config = save_tiny_model(folder / "model") / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "attention_dropout": 0.1}))
    write_dataset(folder / "d.jsonl", dataset_rows(20))
    return folder


class Generates(pl.Callback):
    """Has the sharded model write after every step, so before every save."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        ids = torch.arange(3, 7)[None] + trainer.global_rank
        pl_module.eval()
        pl_module.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=3, synced_gpus=True)
        pl_module.train()


class Slow(pl.Callback):
    """Gives signals time to arrive, and says when they may."""

    def __init__(self, ready: Path) -> None:
        self.ready = ready

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step == 2:
            self.ready.with_name(f"{self.ready.name}{trainer.global_rank}").touch()
        time.sleep(0.05)


def saving(folder: Path, name: str, every: int = 3, **settings: Any) -> SkillMixCheckpoint:
    return SkillMixCheckpoint(str(folder / name / "checkpoints"), every_n_train_steps=every, **settings)


def resumed(folder: Path) -> None:
    """A fit in one go and one killed at a random step and resumed, on 1 and 2 ranks; and one that goes from 4 to 2."""
    killed = int(torch.randint(4, STEPS, (), generator=torch.Generator().manual_seed(5)))
    for strategy, ranks, background in (("auto", 1, False), ("ddp", 2, False), ("fsdp2", 2, False), ("fsdp2", 2, True)):
        kind = f"{strategy}-background" if background else strategy
        settings = {"strategy": strategy}

        def run(kill_before: int | None = None, name=f"{kind}-killed", background=background, settings=settings):
            checkpoint = saving(folder, name, asynchronous=background)
            fit(folder, name, kill_before=kill_before, checkpoint=checkpoint, **settings)

        if not background:
            expect([0] * ranks, forked(ranks, lambda kind=kind, run=run: run(name=f"{kind}-whole")))
        expect([-signal.SIGKILL] * ranks, forked(ranks, lambda run=run: run(killed)))
        expect([0] * ranks, forked(ranks, run))
    expect([0, 0], forked(2, lambda: fit(folder, "fsdp2-generating", "fsdp2", callbacks=(Generates(),))))
    for name, then in (("four-four", 4), ("four-two", 2), ("four-one", 1)):

        def run(steps: int, name=name):
            fit(folder, name, "fsdp2", steps, model="without_dropout")

        expect([0] * 4, forked(4, lambda run=run: run(4)))
        expect([0] * then, forked(then, lambda run=run: run(STEPS)))


def killed_while_saving(folder: Path, kills: int = 20) -> None:
    """SIGKILL at a random moment of a save, 20 times; each fit goes on from what the last one left."""
    synced = checkpoints._sync
    moments = random.Random(0)
    interrupted = 0
    name = "killed"
    where = folder / name / "checkpoints"

    def slowed(kill: int, before: int) -> None:
        checkpoints._sync = lambda path: (time.sleep(0.001), synced(path))
        fit(folder, name, steps=before + 50, checkpoint=saving(folder, name, 1, asynchronous=bool(kill % 2)))

    for kill in range(kills):
        before = newest_step(where)
        (pid,) = forked(1, lambda kill=kill, before=before: slowed(kill, before), wait=False)
        deadline = time.monotonic() + 30
        while not (newest_step(where) > before and list(where.glob(".*.saving"))):
            assert time.monotonic() < deadline, "no save was seen"
            time.sleep(0.0005)
        time.sleep(moments.uniform(0, 0.04))
        os.kill(pid, signal.SIGKILL)
        expect([-signal.SIGKILL], [exit_status(pid)])
        interrupted += bool(list(where.glob(".*.saving")))
        assert newest_step(where) > before, "a whole checkpoint of an earlier step is lost"
    steps = newest_step(where) + 2
    expect([0], forked(1, lambda: fit(folder, name, steps=steps, checkpoint=saving(folder, name, 1))))
    expect([0], forked(1, lambda: fit(folder, "whole", steps=steps, checkpoint=saving(folder, "whole", 1000))))
    (folder / "interrupted").write_text(str(interrupted))


def signalled(folder: Path) -> None:
    """SIGTERM to one rank of two, and SIGUSR1 to a SLURM job of one."""
    for name, ranks, number, environment in (
        ("ended", 2, signal.SIGTERM, {}),
        ("requeued", 1, signal.SIGUSR1, {"SLURM_NTASKS": "1", "SLURM_JOB_ID": "123", "SLURM_JOB_NAME": "fit"}),
    ):
        (folder / name).mkdir()
        os.environ |= environment

        def run(steps: int = 1000, name=name, ranks=ranks):
            strategy = "ddp" if ranks > 1 else "auto"
            slow = Slow(folder / name / "ready")
            checkpoint = saving(folder, name, 1000)
            fit(folder, name, strategy, steps, callbacks=(slow,), checkpoint=checkpoint)

        pids = forked(ranks, run, wait=False)
        deadline = time.monotonic() + 60
        while not (folder / name / f"ready{ranks - 1}").exists():
            assert time.monotonic() < deadline, "the fit has not begun"
            time.sleep(0.01)
        os.kill(pids[-1], number)
        (folder / name / "statuses").write_text(json.dumps([exit_status(pid) for pid in pids]))
        for key in environment:
            del os.environ[key]
        steps = newest_step(folder / name / "checkpoints") + 2
        expect([0] * ranks, forked(ranks, lambda run=run, steps=steps: run(steps)))


def exported(folder: Path) -> None:
    """Checkpoints to export: a sharded one of 2 ranks, and one of adapters."""
    expect([0, 0], forked(2, lambda: fit(folder, "full", "fsdp2", steps=3)))
    expect([0], forked(1, lambda: fit(folder, "lora", steps=3, lora=LoraSettings(rank=4, alpha=16))))


def newest_step(folder: Path) -> int:
    found = checkpoints.newest_first([folder])
    return checkpoints.read_mark(found[0]).step if found else 0


def expect(statuses: list[int], ended: list[int]) -> None:
    assert ended == statuses, f"the ranks ended with {ended} instead of {statuses}"


if __name__ == "__main__":
    scenario, where = sys.argv[1:]
    globals()[scenario](prepare(Path(where)))
