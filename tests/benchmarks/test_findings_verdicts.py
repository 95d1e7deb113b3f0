import pytest

from benchmarks.findings.conditions import BASE, D1, D12, D123, SUBSET
from benchmarks.findings.verdicts import FINDINGS, SMALLEST, Contrast, cells, contrast_verdict, finding_verdict
from skillmix_lightning.scoring import CombinationScore
from skillmix_lightning.scoring.metrics import TextScore

SPLITS, KS, N = ("train", "held_out"), (2, 3, 4, 5), 32
#: A share of the 32 combinations of a cell that have full marks, in all cells or by split and k.
Share = float | dict[tuple[str, int], float]


def fit(share: Share, fraction: Share | None = None) -> list[CombinationScore]:
    """A fit that has full marks on the first so many combinations of every cell."""
    rows = []
    for split in SPLITS:
        for k in KS:
            for n in range(N):
                full = float(n < in_cell(share, split, k) * N)
                part = full if fraction is None else float(n < in_cell(fraction, split, k) * N)
                rows.append(CombinationScore(f"{split}{k}-{n}", split, k, TextScore(full, full, part)))
    return rows


def in_cell(share: Share, split: str, k: int) -> float:
    return share.get((split, k), 0.0) if isinstance(share, dict) else share


def outcomes(contrast: Contrast, before: list[float], after: list[float]) -> list[str]:
    by_seed = {contrast.before: [fit(share) for share in before], contrast.after: [fit(share) for share in after]}
    return [cell.outcome for cell in cells(contrast, by_seed)]


def verdict(contrast: Contrast, before: Share, after: Share) -> str:
    by_seed = {contrast.before: [fit(before)], contrast.after: [fit(after)] * 3}
    return contrast_verdict(contrast, cells(contrast, by_seed))


def finding(number: int, **shares: Share) -> str:
    by_seed = {condition: [fit(shares.get(condition, 0.0))] for condition in (BASE, D1, D12, D123, SUBSET)}
    return finding_verdict(FINDINGS[number - 1], by_seed)


RAISES = Contrast(BASE, D123, ("held_out",), KS)
LITTLE = Contrast(BASE, D1, SPLITS, KS, expected="small")
BETTER = Contrast(D12, SUBSET, ("train",), (3, 4), floor=True)


def test_a_cell_is_higher_by_the_test_corrected_over_the_cells_of_the_contrast_only():
    by_seed = {BASE: [fit(0.0)], D123: [fit(8 / N)] * 3}
    found = cells(RAISES, by_seed)
    assert [(cell.row.split, cell.row.k) for cell in found] == [("held_out", k) for k in KS]
    assert [cell.row.p_holm for cell in found] == pytest.approx([4 * 2 / 2**8] * 4)
    assert [cell.outcome for cell in found] == ["higher"] * 4
    assert outcomes(RAISES, [0.0], [7 / N]) == ["open"] * 4


def test_a_cell_is_higher_only_if_every_seed_is():
    assert outcomes(RAISES, [0.25], [1.0, 1.0, 0.5]) == ["higher"] * 4
    assert outcomes(RAISES, [0.25], [1.0, 1.0, 0.25]) == ["open"] * 4


def test_seeds_are_compared_with_the_same_seed_and_the_base_with_all():
    by_seed = {D12: [fit(0.25), fit(0.5)], SUBSET: [fit(0.5), fit(1.0)]}
    assert [cell.by_seed for cell in cells(BETTER, by_seed)] == [(0.25, 0.5)] * 2
    by_seed = {BASE: [fit(0.25)], D123: [fit(0.5), fit(1.0)]}
    assert {cell.by_seed for cell in cells(RAISES, by_seed)} == {(0.25, 0.75)}


def test_a_combination_counts_once_however_many_seeds_there_are():
    by_seed = {BASE: [fit(0.0)], D123: [fit(0.5), fit(0.0), fit(0.0)]}
    row = cells(RAISES, by_seed)[0].row
    assert row.combinations == N
    assert row.after == pytest.approx(0.5 / 3)


def test_where_nothing_changes_a_gain_of_interest_is_excluded():
    assert outcomes(RAISES, [0.0], [0.0]) == ["small"] * 4
    by_seed = {BASE: [fit(0.0)], D123: [fit(0.0)]}
    assert max(cell.row.ci95[1] for cell in cells(RAISES, by_seed)) < SMALLEST


def test_a_rise_is_shown_by_one_cell_and_refuted_by_none():
    assert verdict(RAISES, 0.0, {("held_out", 2): 1.0}) == "shows"
    assert verdict(RAISES, 0.0, {("train", 2): 1.0}) == "does not"  # not one of its cells
    assert verdict(RAISES, 0.0, {("held_out", 2): 4 / N}) == "cannot tell"
    assert verdict(RAISES, 1.0, 0.0) == "does not"
    assert verdict(RAISES, {("held_out", 2): 1.0}, {("held_out", 3): 1.0}) == "cannot tell"


def test_where_the_better_of_two_fits_is_sought_cells_at_the_floor_say_nothing():
    assert verdict(BETTER, 0.0, 0.0) == "cannot tell"
    assert verdict(BETTER, 1.0, 1.0) == "does not"
    assert verdict(BETTER, {("train", 3): 1.0}, {("train", 3): 1.0}) == "does not"  # k = 4 alone is at the floor
    assert verdict(BETTER, {("train", 3): 0.25}, {("train", 3): 1.0}) == "shows"


def test_little_is_shown_where_every_gain_of_interest_is_excluded():
    assert verdict(LITTLE, 0.0, 0.0) == "shows"
    assert verdict(LITTLE, 0.0, {("train", 2): 4 / N}) == "cannot tell"
    assert verdict(LITTLE, 0.0, {("train", 2): 0.5}) == "does not"
    assert verdict(LITTLE, 0.5, 0.0) == "shows"


def test_finding_1_is_about_held_out_skills():
    assert finding(1, d123={("held_out", 3): 0.5}) == "shows"
    assert finding(1, d123={("train", 3): 0.5}) == "does not"


def test_finding_2_is_about_k_beyond_the_training_texts():
    assert finding(2, d123={("train", 4): 0.5}) == "shows"
    assert finding(2, d123={("train", 3): 0.5}) == "does not"


def test_finding_3_sets_the_subset_beside_d12():
    assert finding(3, d12=0.25, subset={(split, k): 0.75 for split in SPLITS for k in KS}) == "shows"
    assert finding(3, d12=0.5, subset=0.5) == "does not"
    assert finding(3) == "cannot tell"


def test_finding_4_takes_both_that_d1_does_little_and_that_d123_does_much():
    assert finding(4, d123=0.5) == "shows"
    assert finding(4) == "does not"
    assert finding(4, d1=0.5, d123=1.0) == "does not"
    assert finding(4, d1={("train", 2): 4 / N}, d123=0.5) == "cannot tell"


def test_each_metric_has_its_own_verdict():
    by_seed = {condition: [fit(0.0)] for condition in (BASE, D1, D12, SUBSET)}
    by_seed[D123] = [fit(0.0, fraction=0.5)]
    assert finding_verdict(FINDINGS[0], by_seed) == "does not"
    assert finding_verdict(FINDINGS[0], by_seed, "skill_fraction") == "shows"
