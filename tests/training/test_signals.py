"""Real signals to real fits (tests/support/resume.py)."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from skillmix_lightning.training import checkpoints
from skillmix_lightning.training.signals import StopSignals, requeue

SCRIPT = Path(__file__).parents[1] / "support" / "resume.py"


def fake_scontrol(folder: Path, status: int = 0) -> Path:
    """An scontrol that writes down what it was asked."""
    script = folder / "scontrol"
    script.write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\nexit {status}\n')
    script.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signalled")
    environment = {**os.environ, "PATH": f"{fake_scontrol(tmp_path_factory.mktemp('bin'))}:{os.environ['PATH']}"}
    command = [sys.executable, str(SCRIPT), "signalled", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, Path(environment["PATH"].split(":")[0])


def test_sigterm_to_one_rank_saves_and_ends_all_after_the_step(fits):
    folder, _ = fits
    assert json.loads((folder / "ended" / "statuses").read_text()) == [128 + signal.SIGTERM, 0]
    assert (folder / "ended" / "rank=1.pt").exists()  # it has gone on from there to its end


def test_sigusr1_saves_and_requeues_the_job(fits):
    folder, binaries = fits
    assert json.loads((folder / "requeued" / "statuses").read_text()) == [128 + signal.SIGUSR1]
    assert (binaries / "asked").read_text() == "requeue 123\n"
    assert (folder / "requeued" / "rank=0.pt").exists()


def test_lightning_saves_nothing_of_its_own_on_a_signal(fits):
    folder, _ = fits
    assert not list(folder.rglob("*hpc_ckpt*"))
    (kept,) = {path.resolve() for path in (folder / "requeued" / "checkpoints").iterdir()}
    assert checkpoints.is_whole(kept)


def test_the_signals_are_given_back():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)]
    signals = StopSignals()
    signals.listen()
    assert signals.agreed() is None
    os.kill(os.getpid(), signal.SIGUSR1)
    assert signals.agreed() == signal.SIGUSR1
    os.kill(os.getpid(), signal.SIGTERM)
    assert signals.agreed() == signal.SIGTERM
    signals.release()
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)] == before


@pytest.mark.parametrize(
    ("job", "asked"),
    [
        ({"SLURM_JOB_ID": "7"}, "requeue 7\n"),
        ({"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "2"}, "requeue 5_2\n"),
    ],
)
def test_a_job_is_requeued_by_its_number(job, asked, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(fake_scontrol(tmp_path)), prepend=":")
    for key, value in job.items():
        monkeypatch.setenv(key, value)
    assert requeue()
    assert (tmp_path / "asked").read_text() == asked


def test_a_job_that_cannot_be_requeued_is_said_to_be_so(monkeypatch, tmp_path):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert not requeue()
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("PATH", str(fake_scontrol(tmp_path, status=1)), prepend=":")
    with pytest.warns(UserWarning, match="requeue it yourself"):
        assert not requeue()
