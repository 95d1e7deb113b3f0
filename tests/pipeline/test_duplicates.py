import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmix_lightning.pipeline.dataset_duplicates import SeenTexts, Twin, normalised

WORDS = [f"word{number}" for number in range(200)]


def text_of(seed: int, length: int = 40) -> list[str]:
    return random.Random(seed).choices(WORDS, k=length)


def triples(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}


def test_case_blanks_and_punctuation_make_no_other_text() -> None:
    seen = SeenTexts()
    seen.add("first", "The bees, the hive: honey!")
    assert seen.twin("the bees — the  HIVE; honey.") == Twin("first", 1.0, same_words=True)
    assert seen.twin("The hive, the bees: honey!") is None
    assert normalised("“The Bees…”") == "the bees"


def test_one_changed_word_of_forty_is_a_near_duplicate_where_that_is_asked_for() -> None:
    words = text_of(0)
    changed = [*words[:20], "another", *words[21:]]
    similarity = len(triples(words) & triples(changed)) / len(triples(words) | triples(changed))
    for threshold, found in ((None, False), (0.8, True), (0.95, False)):
        seen = SeenTexts(threshold)
        seen.add("first", " ".join(words))
        twin = seen.twin(" ".join(changed))
        assert (twin is not None) == found
        if twin:
            assert twin == Twin("first", pytest.approx(similarity), same_words=False)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.95])
def test_pairs_are_found_exactly_from_the_threshold_on(threshold: float) -> None:
    seen = SeenTexts(threshold)
    originals = [text_of(seed) for seed in range(60)]
    for number, words in enumerate(originals):
        seen.add(str(number), " ".join(words))
    for number, words in enumerate(originals):
        changed = list(words)
        for place in random.Random(number).sample(range(40), number % 12):
            changed[place] = "another"
        similarity = len(triples(words) & triples(changed)) / len(triples(words) | triples(changed))
        twin = seen.twin(" ".join(changed))
        assert (twin.id if twin else None) == (str(number) if similarity >= threshold else None)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.sampled_from([None, 0.5, 1.0]))
def test_every_text_repeats_itself_and_nothing_raises(text: str, threshold: float | None) -> None:
    seen = SeenTexts(threshold)
    assert seen.twin(text) is None
    seen.add("first", text)
    assert seen.twin(text) == Twin("first", 1.0, same_words=True)


def test_of_several_near_ones_the_nearest_is_named() -> None:
    words = text_of(1)
    seen = SeenTexts(0.5)
    seen.add("far", " ".join([*words[:30], *text_of(2, 4)]))
    seen.add("near", " ".join([*words[:38], "end"]))
    twin = seen.twin(" ".join(words))
    assert twin is not None
    assert twin.id == "near"
