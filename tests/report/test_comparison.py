import io

from rich.console import Console
from rich.table import Table

from skillmix_lightning.report.comparison import agreement_table, comparison_tables, full_marks_table, parrot_table
from skillmix_lightning.scoring import METRICS
from skillmix_lightning.scoring.agreement import Agreement, FullMarks
from skillmix_lightning.scoring.comparison import Comparison
from skillmix_lightning.scoring.parrot import ParrotBound


def lines(table: Table) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    console.print(table)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def compared(metric: str = "full_marks", **changed: object) -> Comparison:
    values = {
        "combinations": 100,
        "before": 0.2,
        "after": 0.376,
        "difference": 0.176,
        "ci95": (0.05, 0.3),
        "p_value": 0.001,
        "p_holm": 0.004,
        "smallest_detectable": 0.18,
        **changed,
    }
    return Comparison("held_out", 4, metric, **values)


def test_a_comparison_fits_80_columns_and_one_line_a_row() -> None:
    tables = comparison_tables([compared(metric, unpaired=2) for metric in METRICS], "base", "tuned", "protocol paper")
    assert len(tables) == 3
    shown = lines(tables[0])
    assert shown[0].strip() == "full marks: base → tuned"
    assert shown[1].strip() == "protocol paper"
    (row,) = (line for line in shown if "held_out" in line)
    assert row.split() == [
        *("held_out", "4", "100/102", "0.20", "0.38", "+0.18", "(+0.05", "+0.30)", "0.004", "0.18", "higher")
    ]
    assert "corrected by Holm" in " ".join(lines(tables[-1]))


def test_what_cannot_be_told_is_a_question_mark() -> None:
    row = compared(difference=-0.001, ci95=(-0.1, 0.1), p_holm=1.0)
    (shown,) = (line for line in lines(comparison_tables([row], "a", "b")[0]) if "held_out" in line)
    assert shown.split()[-6:] == ["+0.00", "(-0.10", "+0.10)", "1.000", "0.18", "?"]


def test_a_cell_without_pairs_has_dashes() -> None:
    row = Comparison("train", 2, "full_marks", 0, None, None, None, None, None, None, None, unpaired=3)
    (shown,) = (line for line in lines(comparison_tables([row], "a", "b")[0]) if "train" in line)
    assert shown.split() == ["train", "2", "0/3", *["-"] * 5, "?"]


def test_a_p_value_is_never_rounded_to_0() -> None:
    assert "<.001" in " ".join(lines(comparison_tables([compared(p_holm=1e-9)], "a", "b")[0]))


def test_agreement_has_intervals_where_there_are_any() -> None:
    rows = [
        Agreement("skills", 2, 300, 4, 0.9, 0.8, 0.79, {"raw": (0.85, 0.95), "kappa": (0.7, 0.9), "alpha": (0.7, 0.9)}),
        Agreement("topic", 2, 100, 0, 1.0, None, None, {"raw": (0.96, 1.0), "kappa": None, "alpha": None}),
    ]
    shown = lines(agreement_table(rows, "agreement of a and b"))
    assert "Cohen's kappa" in shown[2]
    assert shown[4].split()[:4] == ["skills", "300", "0.90", "(0.85–0.95)"]
    assert shown[5].split() == ["topic", "100", "1.00", "(0.96–1.00)", "-", "-"]
    assert shown[-1].strip() == "lacking the points of a rater: skills 4"


def test_full_marks_have_a_column_for_each_grader() -> None:
    shown = lines(full_marks_table([FullMarks("train", 3, 100, {"gpt": 0.3, "claude": 0.5}, 0.25, 0.25)]))
    assert shown[2].split() == [
        "split",
        "k",
        "combinations",
        "gpt",
        "claude",
        "all",
        "of",
        "them",
        "most",
        "of",
        "them",
    ]
    assert shown[4].split() == ["train", "3", "100", "0.30", "0.50", "0.25", "0.25"]


def test_the_parrot_bound_stands_beside_full_marks() -> None:
    rows = [ParrotBound("train", 5, 100, 0.0062, 0.006), ParrotBound("train", 2, 100, 50.0, 1.0)]
    shown = lines(parrot_table(rows, {"base": {("train", 5): 0.11}}))
    assert shown[4].split() == ["train", "5", "0.0062", "0.006", "0.11"]
    assert shown[5].split() == ["train", "2", "50", "1", "-"]
