"""The length criterion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.graders.length import length_problems
from skillmix_lightning.graders.text import parse


@pytest.mark.parametrize(
    ("raw", "limit"),
    [
        ("The hive is old.", 1),
        ("Dr. J. Smith took 3.5 kg of honey to the U.S. market.", 1),
        ('"Is it old?" asked Anna.', 1),
        ("The hive is old. The frame is dry.", 2),
        ("The hive is old. The frame is dry.", 4),
    ],
)
def test_a_text_within_the_limit_earns_the_point(raw, limit):
    assert length_problems(parse(raw), limit) == []


@pytest.mark.parametrize(
    ("raw", "limit", "problem"),
    [
        ("The hive is old. The frame is dry.", 1, "2 sentences, at most 1 allowed"),
        ("The hive is old\nThe frame is dry", 1, "2 sentences, at most 1 allowed"),
        ("“The hive is old. The frame is dry. So be it.”", 2, "3 sentences, at most 2 allowed"),
        ("", 1, "no sentence"),
        (" ...\n", 3, "no sentence"),
    ],
)
def test_a_text_over_the_limit_or_without_a_sentence_does_not(raw, limit, problem):
    assert length_problems(parse(raw), limit) == [problem]


@given(st.integers(1, 8), st.integers(1, 8))
def test_the_point_depends_on_the_count_alone(sentences, limit):
    text = parse(
        " ".join(
            f"The {word} is old." for word in ["hive", "bee", "wax", "jar", "net", "box", "lid", "hat"][:sentences]
        )
    )
    assert (length_problems(text, limit) == []) == (sentences <= limit)
