import dataclasses
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import small_catalogue

from skillmix_lightning.catalogue import Catalogue, combination_of, draw_combinations, incompatible_in, sentence_limit
from skillmix_lightning.errors import InputError

SMALL = small_catalogue()
NINE = small_catalogue(training=[f"skill {letter}" for letter in "abcdefghi"])


def sets_of(drawn):
    return [(frozenset(combination.skills), combination.topic) for combination in drawn]


def test_a_seed_gives_these_combinations_on_every_machine() -> None:
    drawn = draw_combinations(SMALL, "train", 2, 4, seed=7)
    assert SMALL.id == "650303763daf0de5"
    assert [(c.id, c.skills, c.topic) for c in drawn] == [
        ("62690b1065ed2d46", ("metaphor", "anaphora"), "Knots"),
        ("cab5ef8a6cab745c", ("anaphora", "simile"), "Sewing"),
        ("b10eaf93b0c3b336", ("litotes", "simile"), "Dueling"),
        ("3b217c90f3407700", ("litotes", "simile"), "Sewing"),
    ]


def test_another_seed_another_split_and_another_k_draw_differently() -> None:
    draws = [
        draw_combinations(NINE, "train", 2, 10, seed=0),
        draw_combinations(NINE, "train", 2, 10, seed=1),
        draw_combinations(NINE, "all", 2, 10, seed=0),
        draw_combinations(NINE, "train", 3, 10, seed=0),
    ]
    assert len({tuple(c.id for c in drawn) for drawn in draws}) == 4


@given(seed=st.integers(), k=st.integers(1, 8), few=st.integers(0, 12), more=st.integers(0, 12))
def test_the_first_combinations_of_a_longer_draw_are_the_shorter_draw(seed: int, k: int, few: int, more: int) -> None:
    longer = draw_combinations(NINE, "train", k, few + more, seed)
    assert draw_combinations(NINE, "train", k, few, seed) == longer[:few]


@given(seed=st.integers(), k=st.integers(1, 8), count=st.integers(1, 20))
def test_no_two_have_the_same_skills_and_topic_whatever_the_order(seed: int, k: int, count: int) -> None:
    drawn = draw_combinations(NINE, "train", k, count, seed)
    assert len(set(sets_of(drawn))) == len({c.id for c in drawn}) == count
    assert all(len(set(c.skills)) == c.k == k and c.split == "train" for c in drawn)
    assert all(NINE.skill(name).split == "train" for c in drawn for name in c.skills)
    assert all(NINE.topic(c.topic).split == "train" for c in drawn)


@pytest.mark.parametrize(("k", "every"), [(1, 12), (2, 18), (3, 12), (4, 3)])
def test_a_small_catalogue_can_be_drawn_to_its_last_combination(k: int, every: int) -> None:
    assert len(set(sets_of(draw_combinations(SMALL, "train", k, every)))) == every
    with pytest.raises(InputError) as refused:
        draw_combinations(SMALL, "train", k, every + 1)
    assert str(refused.value) == (f"{every + 1} combinations of k={k} asked for; the train split has only {every}")


def test_every_skill_place_and_topic_is_drawn_about_equally_often() -> None:
    drawn = draw_combinations(NINE, "train", 3, 240)  # of 252
    firsts = Counter(c.skills[0] for c in drawn)
    assert set(firsts) == {skill.name for skill in NINE.split_skills("train")}
    assert all(12 <= count <= 45 for count in firsts.values())  # 26.7 on average
    assert all(76 <= count <= 84 for count in Counter(c.topic for c in drawn).values())


@pytest.mark.parametrize("k", [0, -1, 5])
def test_k_out_of_the_split_s_range_is_refused(k: int) -> None:
    with pytest.raises(InputError) as refused:
        draw_combinations(SMALL, "train", k, 1)
    assert str(refused.value) == f"k={k}: the catalogue's train split has 4 skills, so k can be 1 to 4"


def test_k_is_at_most_eight_however_many_skills_there_are() -> None:
    with pytest.raises(InputError, match=r"^k=9: the catalogue's train split has 9 skills, so k can be 1 to 8$"):
        draw_combinations(NINE, "train", 9, 1)


def test_incompatible_skills_are_drawn_together_only_when_asked_for() -> None:
    catalogue = small_catalogue(incompatible=[("simile", "metaphor")])
    refused = frozenset({"metaphor", "simile"})
    drawn = draw_combinations(catalogue, "train", 2, 15)  # of 18, and 3 hold the pair
    assert refused not in {skills for skills, _ in sets_of(drawn)}
    allowed = draw_combinations(catalogue, "train", 2, 18, allow_incompatible=True)
    assert Counter(skills for skills, _ in sets_of(allowed))[refused] == 3


def test_too_many_incompatible_skills_are_reported() -> None:
    catalogue = small_catalogue(training=("metaphor", "simile"), incompatible=[("metaphor", "simile")])
    with pytest.raises(InputError) as refused:
        draw_combinations(catalogue, "train", 2, 1)
    assert str(refused.value) == (
        "only 0 of 1 combinations of k=2 found in the train split: too many of its skills are incompatible; "
        "ask for fewer"
    )


def test_incompatible_pairs_are_found_in_either_order() -> None:
    catalogue = small_catalogue(incompatible=[("simile", "metaphor")])
    assert incompatible_in(catalogue, ["metaphor", "litotes", "simile"]) == [frozenset({"metaphor", "simile"})]
    assert incompatible_in(catalogue, ["metaphor", "litotes"]) == []


def test_topics_can_come_from_another_split_than_skills() -> None:
    drawn = draw_combinations(SMALL, "all", 1, 18, topics="train")
    assert {c.skills[0] for c in drawn} == {skill.name for skill in SMALL.skills}
    assert {c.topic for c in drawn} == {"Sewing", "Knots", "Dueling"}


def test_an_id_depends_on_the_skills_and_not_on_their_order_but_on_topic_index_and_catalogue() -> None:
    def id_of(skills=("simile", "litotes"), topic="Knots", index=0, catalogue=SMALL) -> str:
        return combination_of(catalogue, "train", skills, topic, index).id

    assert id_of(("litotes", "simile")) == id_of()
    others = {id_of(topic="Sewing"), id_of(index=1), id_of(("simile",)), id_of(catalogue=NINE)}
    assert len(others | {id_of()}) == 5
    assert all(len(an_id) == 16 and int(an_id, 16) >= 0 for an_id in others)


def test_a_text_may_have_one_sentence_fewer_than_skills_and_at_least_one() -> None:
    assert [sentence_limit(k) for k in range(1, 9)] == [1, 1, 2, 3, 4, 5, 6, 7]


def marked(*common: str) -> Catalogue:
    skills = tuple(skill.model_copy(update={"common": skill.name in common}) for skill in NINE.skills)
    return dataclasses.replace(NINE, skills=skills)


def test_the_uncommon_variant_leaves_common_skills_out() -> None:
    catalogue = marked("skill a", "skill b")
    drawn = draw_combinations(catalogue, "train", 2, 63, common_skills=False)  # 21 pairs of 7 skills, 3 topics
    assert {name for c in drawn for name in c.skills} == {f"skill {letter}" for letter in "cdefghi"}
    assert len({name for c in draw_combinations(catalogue, "train", 2, 63) for name in c.skills}) == 9
    with pytest.raises(InputError) as refused:
        draw_combinations(catalogue, "train", 8, 1, common_skills=False)
    assert str(refused.value) == "k=8: the catalogue's train split has 7 uncommon skills, so k can be 1 to 7"


@given(seed=st.integers(), k=st.integers(1, 4), count=st.integers(1, 20), data=st.data())
def test_an_exclusion_passes_over_what_it_excludes_and_keeps_the_rest(
    seed: int, k: int, count: int, data: st.DataObject
) -> None:
    whole = draw_combinations(NINE, "train", k, 24, seed)
    exclude = data.draw(st.sets(st.sampled_from(sets_of(whole)), max_size=24 - count))
    drawn = draw_combinations(NINE, "train", k, count, seed, exclude=exclude)
    assert drawn == [c for c in whole if (frozenset(c.skills), c.topic) not in exclude][:count]


def test_an_exclusion_can_leave_one_combination_of_many() -> None:
    everything = sets_of(draw_combinations(NINE, "train", 4, 378))
    (left,) = draw_combinations(NINE, "train", 4, 1, exclude=everything[:200] + everything[201:])
    assert (frozenset(left.skills), left.topic) == everything[200]


def test_an_exclusion_that_leaves_too_few_says_so() -> None:
    elsewhere = [(frozenset({"modus ponens", "simile"}), "Knots"), (frozenset({"simile"}), "Knots")]
    exclude = [*sets_of(draw_combinations(SMALL, "train", 2, 15)), *elsewhere]
    assert len(draw_combinations(SMALL, "train", 2, 3, exclude=exclude)) == 3
    with pytest.raises(InputError) as refused:
        draw_combinations(SMALL, "train", 2, 4, exclude=exclude)
    assert str(refused.value) == (
        "4 combinations of k=2 asked for; the train split has only 3 that are not among the 15 excluded (trained on)"
    )
