"""Against torchmetrics, and against published examples where it has no such figure."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_cohen_kappa
from torchmetrics.functional.nominal import fleiss_kappa

from skillmix_lightning.scoring.kappa import Sums, figures, intervals

Ratings = npt.NDArray[np.float64]

#: Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), sections A, B and C; 0 is a missing value.
TWO_BINARY = ("1211111121", "2221121111")
TWO_NOMINAL = ("112243335441", "212223335444")
FOUR_WITH_MISSING = ("123321412000", "123322412503", "033323422510", "123324412510")


def ratings(*raters: str) -> Ratings:
    table = np.array([[float(digit) for digit in rater] for rater in raters]).T
    table[table == 0] = np.nan
    return table


def of(table: Ratings) -> dict[str, float | None]:
    return figures(Sums.of(table))


def random_ratings(things: int, raters: int, categories: int, seed: int = 0) -> Ratings:
    """Raters who see the same thing through noise."""
    rng = np.random.default_rng(seed)
    seen = rng.integers(0, categories, (things, 1))
    noise = rng.integers(0, categories, (things, raters))
    return np.where(rng.random((things, raters)) < 0.6, seen, noise).astype(float)


@pytest.mark.parametrize("categories", [2, 3, 5])
def test_of_two_raters_kappa_is_cohens(categories: int) -> None:
    table = random_ratings(200, 2, categories)
    one, other = torch.tensor(table, dtype=torch.int64).T
    assert of(table)["kappa"] == pytest.approx(float(multiclass_cohen_kappa(one, other, categories)), abs=1e-6)


@pytest.mark.parametrize("raters", [3, 5])
def test_of_more_raters_kappa_is_fleisss(raters: int) -> None:
    table = random_ratings(200, raters, 3)
    counts = torch.nn.functional.one_hot(torch.tensor(table, dtype=torch.int64), 3).sum(dim=1)
    assert of(table)["kappa"] == pytest.approx(float(fleiss_kappa(counts)), abs=2e-5)  # which adds 1e-5 to 1 - chance


@pytest.mark.parametrize(
    ("raters", "expected"), [(TWO_BINARY, 0.095), (TWO_NOMINAL, 0.692), (FOUR_WITH_MISSING, 0.743)]
)
def test_alpha_is_that_of_krippendorffs_examples(raters: tuple[str, ...], expected: float) -> None:
    assert of(ratings(*raters))["alpha"] == pytest.approx(expected, abs=5e-4)


def test_raw_agreement_is_the_share_of_agreeing_pairs() -> None:
    assert of(ratings("1122", "1212"))["raw"] == 0.5
    assert of(ratings("11", "11", "12"))["raw"] == pytest.approx((1 + 1 / 3) / 2)
    assert of(ratings("110", "120", "101"))["raw"] == 0.5  # the third has one rating


def test_kappa_is_about_what_all_raters_rated() -> None:
    assert of(ratings("112212", "111202"))["kappa"] == of(ratings("11222", "11122"))["kappa"]


@pytest.mark.parametrize("table", [ratings("1111", "1111"), ratings("10", "01"), np.empty((0, 2)), np.empty((3, 1))])
def test_where_chance_explains_everything_or_nothing_is_rated_twice_there_is_no_kappa(table: Ratings) -> None:
    assert of(table)["kappa"] is None
    assert of(table)["alpha"] is None


@given(st.integers(0, 1000), st.integers(2, 4), st.integers(2, 4))
def test_the_sums_of_clusters_add_up(seed: int, raters: int, categories: int) -> None:
    table = random_ratings(20, raters, categories, seed)
    clusters = np.random.default_rng(seed).integers(0, 5, 20).tolist()
    expected = figures(Sums.of(table))
    assert figures(Sums.of(table, clusters).total()) == pytest.approx(expected)


def test_the_intervals_are_as_wide_as_the_figures_vary() -> None:
    found = [figures(Sums.of(random_ratings(100, 2, 2, seed))) for seed in range(400)]
    bounds = [intervals(Sums.of(random_ratings(100, 2, 2, seed), range(100))) for seed in range(20)]
    for name in ("raw", "kappa", "alpha"):
        spread = 4 * np.std([each[name] for each in found])
        assert np.mean([high - low for low, high in (each[name] for each in bounds)]) == pytest.approx(spread, rel=0.2)


def test_things_that_are_alike_within_a_cluster_widen_the_intervals() -> None:
    table = np.repeat(random_ratings(30, 2, 2), 5, axis=0)
    alone = intervals(Sums.of(table, range(150)))["kappa"]
    together = intervals(Sums.of(table, np.repeat(range(30), 5).tolist()))["kappa"]
    assert alone is not None
    assert together is not None
    assert together[1] - together[0] == pytest.approx((alone[1] - alone[0]) * 5**0.5, rel=0.15)


def test_perfect_agreement_has_an_exact_interval_for_raw_alone() -> None:
    bounds = intervals(Sums.of(ratings("1212", "1212"), range(4)))
    assert bounds == {"raw": (pytest.approx(0.025**0.25), 1.0), "kappa": None, "alpha": None}


def test_nothing_rated_has_no_interval() -> None:
    assert intervals(Sums.of(np.empty((0, 2)), [])) == {"raw": None, "kappa": None, "alpha": None}
