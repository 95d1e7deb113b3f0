"""Counting in a corpus small enough to count by hand."""

import pytest
from records import grade, small_catalogue

from skillmix_lightning.catalogue import Catalogue, load_catalogue
from skillmix_lightning.errors import InputError
from skillmix_lightning.pipeline.corpus import LONGEST, count, count_graded, decidable, sample, undecidable
from skillmix_lightning.scoring.frequencies import Counted

VERIFIABLE = load_catalogue("verifiable")
EPIZEUXIS = "The bees came home. Never, never, never open a hive at noon. We wait."
PLAIN = "The door is green. A cat sits on the mat. It sleeps."


def shown(documents: list[str], sentences: int = 3, catalogue: Catalogue = VERIFIABLE) -> dict[str, int]:
    return {row.name: row.shown for row in count(documents, catalogue, sentences).counted if row.shown}


def test_a_document_counts_once_for_each_skill_that_a_stretch_of_it_shows() -> None:
    documents = [EPIZEUXIS, f"{EPIZEUXIS} {EPIZEUXIS}", PLAIN]
    assert shown(documents)["epizeuxis"] == 2
    found = count(documents, VERIFIABLE, 3)
    assert found.documents == 3
    assert {row.documents for row in found.counted} == {3}
    assert len(found.counted) == len(VERIFIABLE.skills) + len(VERIFIABLE.topics)


def test_a_skill_that_needs_more_sentences_than_a_text_may_have_is_not_shown() -> None:
    document = "It rained all day. We will mend the gate. We will mend the roof. We will mend the door."
    assert shown([document, PLAIN], 3)["anaphora"] == 1
    assert "anaphora" not in shown([document, PLAIN], 2)


def test_topics_count_where_they_are_named_as_whole_words_in_any_inflection() -> None:
    catalogue = small_catalogue(training_topics=("Sewing", "Knots", "Dueling"))
    documents = [
        "She tied a knot.",
        "He was sewing, and sewed again.",
        "Two knots, and a duel.",
        "Knotholes and sewage.",
    ]
    assert shown(documents, catalogue=catalogue) == {"Sewing": 1, "Knots": 2, "Dueling": 1}


def test_code_decides_only_what_the_verifiable_catalogue_defines() -> None:
    assert undecidable(VERIFIABLE) == []
    assert decidable(load_catalogue("language")) == []
    assert len(undecidable(load_catalogue("language"))) == 101


def test_a_corpus_without_a_document_is_one_line() -> None:
    with pytest.raises(InputError, match="holds no document"):
        count([], VERIFIABLE, 3)


def test_a_sample_has_each_document_once_for_every_five_skills() -> None:
    catalogue = small_catalogue()  # six skills, none with a checker
    documents = [f"Document {number}." for number in range(50)]
    texts = sample(documents, catalogue, 10, seed=3)
    assert [text.combination.k for text in texts] == [5, 1] * 10
    drawn = [text.text for text in texts[::2]]
    assert len(set(drawn)) == 10
    assert sorted(drawn, key=documents.index) == drawn
    assert len({text.combination.id for text in texts}) == 20
    assert texts == sample(documents, catalogue, 10, seed=3)
    assert texts != sample(documents, catalogue, 10, seed=4)
    assert len(sample(documents[:4], catalogue, 10, seed=3)) == 8


def test_every_document_is_as_likely_to_be_drawn() -> None:
    catalogue = small_catalogue(training=("metaphor",), held_out=("modus ponens of mine",))
    documents = [str(number) for number in range(10)]
    drawn = [text.text for seed in range(400) for text in sample(documents, catalogue, 3, seed)]
    for document in documents:
        assert drawn.count(document) == pytest.approx(120, abs=4 * (120 * 0.7) ** 0.5)


def test_a_long_document_is_cut_for_the_grader() -> None:
    (text,) = sample(["a" * (LONGEST + 1)], small_catalogue(training=("metaphor",), held_out=()), 1, 0)
    assert len(text.text) == LONGEST


def test_graded_documents_count_by_the_vote_and_those_without_points_not_at_all() -> None:
    catalogue = small_catalogue(training=("metaphor", "simile"), held_out=())
    one, two, three = sample(["One.", "Two.", "Three."], catalogue, 3, 0)
    grades = [
        *(grade(one, points, number) for number, points in enumerate(("11 000", "10 111", "01 000"))),
        grade(two, "00 111"),
        grade(three, "", status="refused"),
    ]
    assert count_graded([one, two, three], grades) == [
        Counted("skill", "metaphor", 1, 2),
        Counted("skill", "simile", 1, 2),
    ]
