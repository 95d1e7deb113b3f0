import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from examples import dataset_rows, write_dataset
from fits import events, replies, run_at
from talking import with_something_to_say
from tiny import save_tiny_model

from skillmix_lightning.callbacks.gathering import should_gather
from skillmix_lightning.callbacks.generation import share
from skillmix_lightning.callbacks.ranks import Ranks
from skillmix_lightning.models import load_causal_lm
from skillmix_lightning.pipeline.plan import Plan

SCRIPT = Path(__file__).parents[1] / "support" / "fits.py"
STEPS = (0, 2, 4)


def play(scenario, folder):
    """Runs a scenario of fits.py on a tiny model, in a process of its own; returns its folder and what it said."""
    with_something_to_say(save_tiny_model(folder / "model"))
    write_dataset(folder / "d.jsonl", dataset_rows(12))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), scenario, str(folder)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done.stdout + done.stderr


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    return play("sharded", tmp_path_factory.mktemp("sharded"))[0]


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    return play("broken", tmp_path_factory.mktemp("broken"))


@pytest.mark.parametrize("name", ["2-auto", "2-never", "4-never", "2-ddp"])
def test_greedy_texts_are_those_of_one_rank(sharded, name):
    one = replies(sharded / "one", STEPS)
    assert [len(written) for written in one.values()] == [8, 8, 8]
    assert len(set(one[0].values())) > 4
    assert replies(sharded / name, STEPS) == one


@pytest.mark.parametrize("gather", ["always", "never"])
def test_second_turns_that_go_on_from_the_first_are_those_of_one_rank(sharded, gather):
    one = replies(sharded / "one-two-turns", STEPS)
    assert [len(written) for written in one.values()] == [4, 4, 4]
    assert len(set(one[0].values())) > 2
    assert replies(sharded / f"2-{gather}-two-turns", STEPS) == one
    for composition in run_at(sharded / f"2-{gather}-two-turns", 0).compositions():
        assert [turn["role"] for turn in composition.turns] == ["user", "assistant"] * 2


@pytest.mark.parametrize("name", ["2-auto", "2-never"])
def test_sharded_training_is_bit_identical_with_and_without_evaluation(sharded, name):
    weights, expected = (torch.load(sharded / each / "weights.pt") for each in (name, "2-without"))
    assert weights.keys() == expected.keys()
    for key, weight in expected.items():
        assert torch.equal(weights[key], weight), key


@pytest.mark.parametrize("name", ["2-auto", "2-ddp"])
def test_ranks_give_the_scores_of_one(sharded, name):
    for step in STEPS:
        assert (
            run_at(sharded / name, step).scores_file.read_text()
            == run_at(sharded / "one", step).scores_file.read_text()
        )
    for tag in ("skillmix/train/k1/skill_fraction", "train/loss"):
        values = [[event.value for event in events(sharded / each).Scalars(tag)] for each in ("one", name)]
        assert values[1] == pytest.approx(values[0], rel=1e-5), tag


@pytest.mark.parametrize("name", ["ddp", "gathered", "in_step", "in_pass"])
def test_a_rank_that_raises_costs_its_own_texts_only_and_the_fit_goes_on(broken, sharded, name):
    folder, _ = broken
    whole = replies(sharded / "one", (0,))[0]
    written = replies(folder / name, STEPS)
    assert [len(texts) for texts in written.values()] == [7, 7, 7]
    assert written[0].items() <= whole.items()
    weights = torch.load(folder / name / "weights.pt")
    if name != "ddp":
        expected = torch.load(sharded / "2-without" / "weights.pt")
        assert all(torch.equal(weights[key], weight) for key, weight in expected.items())


def test_a_failed_rank_is_named_and_what_it_left_is_missing_not_invented(broken):
    folder, said = broken
    assert "rank 1: RuntimeError: a fault that a test makes; 1 of 8 texts were not written" in said
    scores = run_at(folder / "gathered", 0).scores_file.read_text()
    assert '"planned": 2' in scores
    assert '"combinations": 1' in scores


def test_weights_are_gathered_where_they_fit_unless_a_setting_decides(sharded):
    model = load_causal_lm(str(sharded / "model"))
    alone = Ranks(timedelta(minutes=1))
    fits, too_much = 100, 10**15

    def gathers(gather, cached_tokens):
        return should_gather(model, gather, alone, 1, torch.float32, cached_tokens)

    assert (gathers("auto", fits), gathers("auto", too_much)) == (True, False)
    assert (gathers("always", too_much), gathers("never", fits)) == (True, False)


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
def test_every_request_is_some_ranks_and_ranks_have_as_many(ranks):
    requests = Plan(ks=(1, 2, 3), combinations=7, generations=1).requests()
    shares = [share(requests, rank, ranks) for rank in range(ranks)]
    dealt = [request for part in shares for request in part]
    assert len(dealt) == len(requests)
    assert {r.combination.id for r in dealt} == {r.combination.id for r in requests}
    sizes = [len(part) for part in shares]
    assert max(sizes) - min(sizes) <= 1
