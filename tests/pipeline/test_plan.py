import dataclasses
import json
from pathlib import Path

import pytest
from examples import write_dataset
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.catalogue import Combination, Content, load_catalogue
from skillmix_lightning.errors import InputError
from skillmix_lightning.pipeline.plan import Plan
from skillmix_lightning.prompts import load_prompts


def content(combination: Combination) -> Content:
    return frozenset(combination.skills), combination.topic


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


def test_what_a_model_was_trained_on_is_not_asked_for_and_the_rest_stays(tmp_path: Path) -> None:
    plan = Plan(splits=("train", "all"), ks=(1, 2), combinations=40, generations=2)
    whole = plan.draw()
    trained = {content(c) for c in whole[:60:2]}
    drawn = plan.draw(exclude=trained)
    assert [request.combination for request in plan.requests(exclude=trained)][::2] == drawn
    assert not {content(c) for c in drawn} & trained
    assert set(drawn) >= {c for c in whole if content(c) not in trained}
    assert len(drawn) == len(whole) == 160

    rows = [{"skills": sorted(skills), "topic": topic} for skills, topic in trained]
    other = (frozenset(whole[1].skills), whole[1].topic)
    data = write_dataset(tmp_path / "d.jsonl", rows)
    assert dataclasses.replace(plan, exclude_data=str(data)).draw() == drawn
    assert dataclasses.replace(plan, exclude_data=str(data)).draw(exclude={other}) == plan.draw({*trained, other})


def test_the_uncommon_variant_has_no_common_skill(tmp_path: Path) -> None:
    rows = [
        {"name": name, "category": category, "definition": f"A text shows {name}.", "example": f"It is {name} here."}
        for name, category in (("a", "literary"), ("b", "literary"), ("c", "logic"), ("d", "logic"))
    ]
    skills = [{**row, "common": row["name"] in "ac"} for row in rows]
    topics = [{"name": "Knots", "split": "train"}, {"name": "Kites", "split": "held_out"}]
    (tmp_path / "c.yaml").write_text(json.dumps({"skills": skills, "topics": topics}))  # JSON is YAML
    plan = Plan(str(tmp_path), ks=(1,), combinations=1, common_skills=False)
    assert [c.skills for c in plan.draw()] == [("b",), ("d",)]
    assert plan.manifest()["plan"]["common_skills"] is False


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
    assert set(manifest["plan"]) == set(Plan.__dataclass_fields__) - {"shard"}
    assert manifest["catalogue_id"] == load_catalogue().id
    assert manifest["prompts"] == {"id": "brief-v1", "sha256": prompts.sha256}
