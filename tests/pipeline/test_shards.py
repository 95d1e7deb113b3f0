import pytest

from skillmix_lightning.errors import InputError
from skillmix_lightning.pipeline.plan import Plan
from skillmix_lightning.pipeline.shards import Shard
from skillmix_lightning.pipeline.synthesis_plan import Candidates, SynthesisPlan


def test_a_shard_is_every_nth_and_the_whole_is_one_shard() -> None:
    assert Shard.parse(None) == (1, 1)
    assert Shard.parse("2/3").part(range(8)) == range(1, 8, 3)
    assert [Shard(number, 3).share(8) for number in (1, 2, 3)] == [3, 3, 2]


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "a/b", "1/3/5", "-1/3", ""])
def test_what_is_no_shard_is_one_line(text: str) -> None:
    with pytest.raises(InputError, match=rf"^--shard {text}: give the part's number and how many there are, from 1/8"):
        Shard.parse(text)


def test_the_shards_of_an_evaluation_are_its_requests_each_once() -> None:
    settings = {"splits": ("train", "held_out"), "ks": (1, 2), "combinations": 7, "generations": 2}
    whole = Plan(**settings).requests()
    parts = [Plan(**settings, shard=f"{number}/3").requests() for number in (1, 2, 3)]
    keys = [(r.combination.id, r.generation) for part in parts for r in part]
    assert sorted(keys) == sorted((r.combination.id, r.generation) for r in whole)
    assert len(set(keys)) == len(keys)
    for part in parts:  # of each split and k as much as of every other
        cells = [(r.combination.split, r.combination.k) for r in part]
        assert {cells.count(cell) // 2 for cell in set(cells)} <= {2, 3}


def test_a_whole_plan_says_nothing_of_shards_in_its_manifest() -> None:
    assert "shard" not in Plan().manifest()["plan"]
    assert Plan(shard="1/2").manifest()["plan"]["shard"] == "1/2"
    assert "shard" not in SynthesisPlan("verifiable", {1: 1}, prompts="brief-v1").manifest()["plan"]


def test_the_shards_of_a_synthesis_are_its_candidates_each_once() -> None:
    plan = {"catalogue": "verifiable", "accepted": {1: 10, 2: 5}, "prompts": "brief-v1"}
    whole = Candidates(SynthesisPlan(**plan)).requests({1: 10, 2: 5})
    parts = [SynthesisPlan(**plan, shard=f"{number}/3") for number in (1, 2, 3)]
    assert [part.targets() for part in parts] == [{1: 4, 2: 2}, {1: 3, 2: 2}, {1: 3, 2: 1}]
    asked = [r for part in parts for r in Candidates(part).requests(part.targets() or {})]
    assert sorted(r.combination.id for r in asked) == sorted(r.combination.id for r in whole)
