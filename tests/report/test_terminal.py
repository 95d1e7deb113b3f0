import io

from records import composition, grade
from rich.console import Console
from rich.table import Table

from skillmix_lightning.report.progress import progress_bar
from skillmix_lightning.report.terminal import change_table, evaluation_table, score_table
from skillmix_lightning.scoring import Score, score
from skillmix_lightning.scoring.comparison import Comparison


def scores_with(*earned: str) -> list[Score]:
    texts = [composition(f"c{n}", split="held_out") for n in range(len(earned))]
    grades = [grade(text, points) for text, points in zip(texts, earned, strict=True) if points]
    return score(texts, grades)


def lines(table: Table, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_a_score_table_shows_means_intervals_and_how_many_were_scored() -> None:
    shown = lines(score_table(scores_with("11 111", "10 111", ""), "SKILL-MIX at step 40"))
    assert shown[0].strip() == "SKILL-MIX at step 40"
    assert shown[1].strip() == "protocol paper, name rule on, max over generations; mean (95% interval)"
    assert [cells(line)[-1] for line in shown[3:6]] == ["graded/", "planned/", "unscored"]
    assert cells(shown[7]) == ["held_out", "2", *["0.50 (0.01–0.99)"] * 2, "0.75 (0.06–1.00)", "2/3/1"]


def test_the_title_says_by_which_rules_the_scores_were_made() -> None:
    scores = scores_with("11 111")
    rules = "protocol reference, name rule off, mean over generations; mean (95% interval)"
    for table in (
        score_table(scores, "t", "mean", "reference", False),
        change_table({0: scores, 1: scores}, "mean", "reference", False),
    ):
        assert rules in " ".join(" ".join(lines(table)[:3]).split())


def test_what_was_not_scored_is_called_so_and_is_no_zero() -> None:
    (row,) = (line for line in lines(score_table(scores_with("", ""), "t")) if "held_out" in line)
    assert cells(row)[-4:] == ["unscored", "unscored", "unscored", "0/2/2"]


def test_a_change_table_sets_the_first_evaluation_beside_the_last() -> None:
    history = {80: scores_with("11 111"), 0: scores_with("00 111"), 40: scores_with("00 000")}
    shown = lines(change_table(history))
    assert " ".join(shown[3].split()) == "split k metric step 0 step 80"
    assert " ".join(shown[5].split()) == "held_out 2 full marks 0.00 (0.00–0.97) 1.00 (0.03–1.00)"
    assert " ".join(shown[8].split()) == "held_out 2 graded/planned/unscored 1/1/0 1/1/0"


def test_a_cell_that_the_first_evaluation_did_not_have_is_a_dash() -> None:
    (row,) = (line for line in lines(change_table({0: [], 9: scores_with("11 111")})) if "full marks" in line)
    assert " ".join(row.split()) == "held_out 2 full marks - 1.00 (0.03–1.00)"


def test_tables_fit_in_80_columns_without_cutting_a_figure() -> None:
    scores = scores_with("11 111", "10 111")
    for table in (score_table(scores, "SKILL-MIX at step 123456"), change_table({0: scores, 123456: scores})):
        shown = lines(table)
        assert max(map(len, shown)) <= 80
        assert "…" not in "".join(shown)
        assert sum("held_out" in line for line in shown) == (4 if table.columns[2].header == "metric" else 1)


def test_a_progress_bar_advances_and_leaves_nothing_behind() -> None:
    console = Console(file=io.StringIO(), width=80)
    with progress_bar(console, "grading", 3) as advance:
        advance(1)
        advance(2)
    assert console.file.getvalue().strip() == ""


def comparison(metric: str, p_holm: float | None, difference: float | None = 0.25) -> Comparison:
    return Comparison("held_out", 2, metric, 8, 0.25, 0.5, difference, (0.0, 0.5), p_holm, p_holm, 0.4)


def test_an_evaluation_table_has_a_column_for_each_earlier_step() -> None:
    changes = {
        1000: [comparison("full_marks", 0.0001), comparison("all_skills", None, None)],
        0: [comparison("full_marks", 0.05, -0.25), comparison("all_skills", 0.049)],
    }
    table = evaluation_table(scores_with("11 111", "10 111"), "SKILL-MIX at step 123456", changes)
    shown = lines(table, width=100)
    assert max(map(len, shown)) <= 100
    header = next(line for line in shown if "metric" in line)
    assert header.index("since step 0") < header.index("since step 1000")
    full_marks, all_skills, skill_fraction = (cells(line) for line in shown if "held_out" in line)
    assert full_marks[3:] == ["0.50 (0.01–0.99)", "-0.25 (p 0.050)", "+0.25 (p <.001)*", "2/2/0"]
    assert all_skills[3:] == ["0.50 (0.01–0.99)", "+0.25 (p 0.049)*", "-"]
    assert skill_fraction[4:] == ["-", "-"]


def test_an_evaluation_table_says_what_grading_has_cost() -> None:
    changes = {0: [comparison("full_marks", 0.05)]}
    shown = lines(evaluation_table(scores_with("11 111"), "SKILL-MIX at step 9", changes, (0.5, 12.25)), width=100)
    assert shown[-1].strip() == "grading: $0.5000, in the fit so far $12.25"
    assert any("Holm" in line for line in shown)
    assert "grading" not in " ".join(lines(evaluation_table(scores_with("11 111"), "SKILL-MIX at step 9", changes)))


def test_an_evaluation_table_without_earlier_ones_has_no_p_value() -> None:
    shown = lines(evaluation_table(scores_with("11 111"), "SKILL-MIX at step 0"))
    assert "since" not in " ".join(shown)
    assert "Holm" not in " ".join(shown)
