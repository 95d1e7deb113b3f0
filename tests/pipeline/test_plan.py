import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.catalogue import load_catalogue
from skillmix_lightning.errors import InputError
from skillmix_lightning.pipeline.plan import Plan
from skillmix_lightning.prompts import load_prompts


def test_every_combination_is_asked_for_in_every_generation_round() -> None:
    plan = Plan(ks=(1, 3), combinations=4, generations=2)
    requests = plan.requests()
    drawn = plan.draw()
    assert [(c.split, c.k) for c in drawn] == [
        *[("train", 1)] * 4, *[("train", 3)] * 4, *[("held_out", 1)] * 4, *[("held_out", 3)] * 4
    ]  # fmt: skip
    assert [(request.combination, request.generation) for request in requests] == [
        (c, g) for c in drawn for g in (0, 1)
    ]
    said = load_prompts("brief-v1").generation_turns(load_catalogue(), drawn[0])
    assert requests[0].turns == requests[1].turns == said


def test_the_same_seed_asks_for_the_same_whatever_else_is_asked() -> None:
    few = Plan(splits=("held_out",), ks=(2,), combinations=5, generations=1).draw()
    many = Plan(splits=("all", "held_out"), ks=(3, 2), combinations=9, generations=4, prompts="paper-v1").draw()
    assert set(few) <= set(many)
    assert not set(few) & set(Plan(splits=("held_out",), ks=(2,), combinations=5, seed=1).draw())


@given(seed=st.integers(0, 10**6))
def test_no_id_is_drawn_twice_even_where_splits_overlap(seed: int) -> None:
    drawn = Plan(splits=("train", "held_out", "all"), ks=(1,), combinations=200, seed=seed).draw()
    assert len({combination.id for combination in drawn}) == 600


def test_the_splits_do_overlap_in_what_they_ask_for() -> None:
    drawn = Plan(splits=("train", "all"), ks=(1,), combinations=200).draw()
    assert len({(combination.skills, combination.topic) for combination in drawn}) < 400


def test_a_plan_s_mistakes_are_listed_at_once() -> None:
    with pytest.raises(InputError) as refused:
        Plan(splits=("train", "train"), ks=(2, 3, 2), combinations=0, gradings=-1)
    assert str(refused.value) == (
        "the plan: combinations is 0, and must be at least 1; gradings is -1, and must be at least 1; "
        '"train" stands twice in splits; 2 stands twice in ks'
    )


def test_a_k_that_a_split_does_not_have_is_found_when_drawing() -> None:
    with pytest.raises(InputError, match=r"^k=9: the catalogue's train split has \d+ skills, so k can be 1 to 8$"):
        Plan(ks=(9,)).draw()


def test_a_manifest_holds_the_plan_and_the_ids() -> None:
    manifest = Plan(ks=(2,), combinations=7).manifest()
    prompts = load_prompts("brief-v1")
    assert manifest["plan"]["ks"] == (2,)
    assert manifest["plan"]["combinations"] == 7
    assert set(manifest["plan"]) == set(Plan.__dataclass_fields__)
    assert manifest["catalogue_id"] == load_catalogue().id
    assert manifest["prompts"] == {"id": "brief-v1", "sha256": prompts.sha256}
