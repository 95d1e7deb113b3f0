"""Fits that are killed and go on, in real processes (tests/support/resume.py)."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[1] / "support" / "resume.py"


def run(scenario: str, folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), scenario, str(folder)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    return run("resumed", tmp_path_factory.mktemp("resumed"))


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    return run("killed_while_saving", tmp_path_factory.mktemp("killed"))


def left_by(folder: Path, name: str, rank: int = 0) -> dict:
    return torch.load(folder / name / f"rank={rank}.pt", weights_only=False)


def tensors_of(left: dict) -> dict[str, torch.Tensor]:
    return {key: value for key, value in left.items() if key not in ("random", "ids")}


def assert_same_bits(one: dict, other: dict) -> None:
    one, other = tensors_of(one), tensors_of(other)
    assert one.keys() == other.keys()
    assert any(key.startswith("weights/") for key in one)
    assert any(key.startswith("optimizer/0/") and key.endswith("/exp_avg_sq") for key in one)
    for key, value in one.items():
        assert torch.equal(value, other[key]), key


def assert_same_random_states(one: dict, other: dict) -> None:
    one, other = one["random"], other["random"]
    assert one["python"] == other["python"]
    assert torch.equal(one["numpy"][0], other["numpy"][0])
    assert one["numpy"][1:] == other["numpy"][1:]
    assert torch.equal(one["torch"], other["torch"])


RESUMED = [("auto", 0), ("ddp", 0), ("ddp", 1), ("fsdp2", 0), ("fsdp2", 1), ("fsdp2-background", 1)]


@pytest.mark.parametrize(("kind", "rank"), RESUMED)
def test_a_killed_and_resumed_fit_is_bit_identical_with_one_that_was_not(fits, kind, rank):
    whole = left_by(fits, f"{kind.removesuffix('-background')}-whole", rank)
    resumed = left_by(fits, f"{kind}-killed", rank)
    assert_same_bits(whole, resumed)
    assert_same_random_states(whole, resumed)
    assert 0 < min(resumed["ids"]) < max(whole["ids"])
    assert resumed["ids"] == {step: whole["ids"][step] for step in resumed["ids"]}


def test_the_ranks_of_a_sharded_fit_draw_different_random_numbers(fits):
    one, other = (left_by(fits, "fsdp2-whole", rank) for rank in (0, 1))
    assert not torch.equal(one["random"]["torch"], other["random"]["torch"])


def test_generation_before_a_save_leaves_it_unchanged(fits):
    assert_same_bits(left_by(fits, "fsdp2-whole"), left_by(fits, "fsdp2-generating"))


@pytest.mark.parametrize("then", ["two", "one"])
def test_a_fit_goes_on_with_fewer_ranks(fits, then):
    four, fewer = left_by(fits, "four-four"), left_by(fits, f"four-{then}")
    # Sums over ranks in another order: Adam's states are small, so they are compared by their own size.
    for key, value in tensors_of(four).items():
        scale = float(value.abs().max())
        assert torch.allclose(tensors_of(fewer)[key], value, rtol=1e-5, atol=1e-5 * scale), key
    assert min(fewer["ids"]) == 4


def test_a_fit_killed_while_saving_always_goes_on_from_a_whole_checkpoint(killed):
    assert int((killed / "interrupted").read_text()) >= 5
    assert_same_bits(left_by(killed, "whole"), left_by(killed, "killed"))
    assert not list((killed / "killed" / "checkpoints").glob(".*"))
