import pytest
from records import composition

from skillmix_lightning.errors import InputError
from skillmix_lightning.scoring.frequencies import Frequencies
from skillmix_lightning.scoring.parrot import ParrotBound, parrot_bounds

COMBINATION = composition().combination  # metaphor and simile, on Sewing
FREQUENCIES = Frequencies(1e6, {"metaphor": 0.1, "simile": 0.02}, {"sewing": 1e-4})


def test_the_expected_documents_are_the_product_of_all_shares() -> None:
    assert FREQUENCIES.expected(COMBINATION) == pytest.approx(1e6 * 1e-4 * 0.1 * 0.02)


def test_the_bound_is_the_mean_chance_at_most_one_each() -> None:
    combinations = [
        composition("a").combination,
        composition("a").combination,  # a second generation
        composition("b", skills=["metaphor", "metaphor"]).combination,
        composition("c", skills=["simile"] * 3, split="held_out").combination,
    ]
    many = Frequencies(1e7, FREQUENCIES.skills, FREQUENCIES.topics)
    assert parrot_bounds(combinations, many) == [
        ParrotBound("train", 2, 2, pytest.approx((2 + 10) / 2), 1.0),
        ParrotBound("held_out", 3, 1, pytest.approx(0.008), pytest.approx(0.008)),
    ]
    (row,) = parrot_bounds(combinations[:3], FREQUENCIES)
    assert (row.expected, row.bound) == (pytest.approx((0.2 + 1) / 2), pytest.approx((0.2 + 1) / 2))


def test_a_star_stands_for_all_that_are_not_named() -> None:
    frequencies = Frequencies(1e6, {"metaphor": 0.1, "*": 0.02}, {"*": 1e-4})
    assert frequencies.expected(COMBINATION) == pytest.approx(FREQUENCIES.expected(COMBINATION))


def test_what_has_no_frequency_is_listed() -> None:
    with pytest.raises(InputError, match=r'skills metaphor, simile.*topics Sewing; add them, or "\*"'):
        parrot_bounds([COMBINATION], Frequencies(1.0, {}, {"tea": 0.5}))
