"""What counts as one point."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.graders.parse.points import read_point, read_total, read_value


@pytest.mark.parametrize(
    ("cell", "point"),
    [
        ("1", 1), ("0", 0), ("1.0", 1), ("0.5", 0.5), (".5", 0.5), ("**1**", 1), ("`0`", 0), ("“1”", 1), ("+1", 1),
        ("1.", 1), ("$1$", 1), ("1/1", 1), ("0/1", 0), ("0.5/1", 0.5), ("1 / 1", 1), ("1 out of 1", 1), ("0 of 1.0", 0),
        ("1 point", 1), ("0 points", 0), ("✓", 1), ("✔️", 1), ("✅", 1), ("✗", 0), ("❌", 0), ("Yes", 1), ("NO.", 0),
        ("one", 1), ("Zero", 0), ("true", 1), ("✓ 1", 1), ("1 (see 2)", 1), ("0 (the text names it)", 0), ("1 [a]", 1),
        ("Yes (1)", 1), ("(1)", 1),
    ],
)  # fmt: skip
def test_a_point_is_a_number_from_0_to_1_or_a_word_or_a_tick_for_one(cell, point):
    assert read_point(cell) == point
    assert isinstance(read_point(cell), int if point in (0, 1) else float)


@pytest.mark.parametrize(
    "cell",
    [
        "-1", "−1", "2", "1.5", "12", "N.A.", "N/A", "", "-", "?", "1/2", "1/10", "5/6", "1 out of 6", "1 (0)",
        "yes (0)", "✓ 0", "1 0", "1 1", "1-", "maybe", "1 see 2", "none", "no points deducted", "1e0", "١", "()",
        "1 or 0", "~~1~~", "~~0~~ 1",
    ],
)  # fmt: skip
def test_anything_else_is_none(cell):
    assert read_point(cell) is None


def test_json_values_are_points_where_they_are_numbers_truth_values_or_cells():
    assert [read_value(value) for value in (1, 0, 0.5, True, False, "1/1")] == [1, 0, 0.5, 1, 0, 1]
    assert [read_value(value) for value in (2, -1, float("nan"), float("inf"), None, [1], {})] == [None] * 7


@pytest.mark.parametrize(
    ("value", "total"), [("5", 5.0), ("**5/6**", 5.0), ("4.5 out of 6", 4.5), (5, 5.0), ("five", None), (None, None)]
)
def test_a_total_is_any_number(value, total):
    assert read_total(value) == total


@given(st.text() | st.text("01.5/()✓ yesno-+"))
def test_whatever_is_read_lies_between_0_and_1(cell):
    point = read_point(cell)
    assert point is None or 0 <= point <= 1
