import io
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from records import composition, grade
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import TENSORS, EventAccumulator
from tensorboard.plugin_util import markdown_to_safe_html
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

from skillmix_lightning.callbacks import showing
from skillmix_lightning.callbacks.results import EvaluationResult
from skillmix_lightning.callbacks.showing import Showing
from skillmix_lightning.scoring import score, score_combinations

CELL = "skillmix/held_out/k2"


def evaluation(step: int, *earned: str, **settings: object) -> EvaluationResult:
    """Eight combinations of one cell at most; earned as `records.grade` reads it, empty for an unscored text."""
    texts = [composition(f"c{n}", split="held_out", text=f"Text {n} of step {step}.") for n in range(len(earned))]
    grades = [
        grade(text, points) if points else grade(text, "", status="unparsed")
        for text, points in zip(texts, earned, strict=True)
    ]
    result = EvaluationResult(step, texts, grades, score(texts, grades), 12.0, ())
    return replace(result, **settings)


class Board:
    """Shows evaluations in order and reads back what was logged and printed."""

    def __init__(self, folder: Path, shown_texts: int = 2) -> None:
        self.folder = folder
        self.console = Console(file=io.StringIO(), width=100)
        self.trainer = SimpleNamespace(loggers=[TensorBoardLogger(folder, name="", version="")], global_step=99)
        self.showing = Showing(self.console, shown_texts)
        self.history, self.rows = {}, {}

    def show(self, *results: EvaluationResult) -> "Board":
        for result in results:
            self.history[result.step] = result.scores
            self.rows[result.step] = score_combinations(result.compositions, result.grades)
            self.showing.show(self.trainer, result, self.history, self.rows)
        return self

    def events(self) -> EventAccumulator:
        for logger in self.trainer.loggers:
            logger.experiment.flush()
        return EventAccumulator(str(self.folder), size_guidance={TENSORS: 0}).Reload()

    def texts(self) -> list[tuple[int, str]]:
        logged = self.events().Tensors(f"{CELL}/texts/text_summary")
        return [(event.step, event.tensor_proto.string_val[0].decode()) for event in logged]

    def printed(self) -> list[str]:
        return [line.rstrip() for line in self.console.file.getvalue().splitlines()]


@pytest.fixture
def board(tmp_path, monkeypatch):
    monkeypatch.setattr(showing, "can_draw", lambda: False)
    return Board(tmp_path)


def test_scores_and_their_intervals_stand_at_the_step_that_wrote_the_texts(board):
    first = evaluation(0, "00 111", "10 111")
    second = evaluation(40, "11 111", "10 111", seconds_generating=7.5)
    events = board.show(first, second).events()
    for metric in ("full_marks", "all_skills", "skill_fraction"):
        for name, value in (
            (metric, lambda row, m=metric: getattr(row, m)),
            (f"{metric}_low", lambda row, m=metric: row.ci95[m][0]),
            (f"{metric}_high", lambda row, m=metric: row.ci95[m][1]),
        ):
            logged = [(event.step, event.value) for event in events.Scalars(f"{CELL}/{name}")]
            assert logged == [(r.step, pytest.approx(value(r.scores[0]))) for r in (first, second)], name
    assert [(e.step, e.value) for e in events.Scalars("skillmix/seconds_generating")] == [(0, 12.0), (40, 7.5)]


def test_what_is_unscored_has_no_value_and_is_counted(board):
    events = board.show(evaluation(0, "", "")).events()
    assert f"{CELL}/full_marks" not in events.Tags()["scalars"]
    assert [event.value for event in events.Scalars(f"{CELL}/unscored")] == [2.0]


def test_the_charts_with_bands_are_described_once(board):
    board.show(evaluation(0, "11 111"), evaluation(5, "11 111"))
    (layout,) = board.events().Tensors("custom_scalars__config__")
    (category,) = Layout.FromString(layout.tensor_proto.string_val[0]).category
    assert category.title == "SKILL-MIX held_out"
    assert [chart.title for chart in category.chart] == ["k2 full_marks", "k2 all_skills", "k2 skill_fraction"]
    (series,) = category.chart[0].margin.series
    tag = f"{CELL}/full_marks"
    assert (series.value, series.lower, series.upper) == (tag, f"{tag}_low", f"{tag}_high")


def test_the_panel_has_the_same_texts_at_every_step_with_their_points(board):
    first = evaluation(0, "00 111", "10 111", "11 111")
    second = evaluation(40, "11 111", "10 101", "11 111")
    second = replace(second, compositions=list(reversed(second.compositions)))
    (step, before), (later, after) = board.show(first, second).texts()
    assert (step, later) == (0, 40)
    assert [n for n in range(3) if f"Text {n} of step 0" in before] == [0, 1]
    assert [n for n in range(3) if f"Text {n} of step 40" in after] == [0, 1]
    assert before.count("✗ metaphor · ✗ simile · ✓ topic · ✓ sense · ✓ length") == 1
    assert "✓ metaphor · ✗ simile · ✓ topic · ✗ sense · ✓ length" in after


def test_a_text_that_was_not_written_leaves_its_place_empty(board):
    first = evaluation(0, "11 111", "11 111", "11 111")
    second = replace(evaluation(9, "11 111", "11 111", "11 111"), failed_ranks=(1,))
    second = replace(second, compositions=second.compositions[1:], grades=second.grades[1:])
    (_, (_, after)) = board.show(first, second).texts()
    assert "(not written at this step)" in after
    assert "Text 2" not in after
    assert any("ranks without texts: 1" in line for line in board.printed())


def test_what_a_text_says_is_not_taken_for_markdown(board):
    said = ["# <b>Big</b> & small &#x41;", "- *item* | _a_ ~~b~~ [c](http://d)", "    `code` \\ e", "===", "> f"]
    result = evaluation(0, "11 111")
    text = replace(result.compositions[0], text="\n".join(said))
    ((_, panel),) = board.show(replace(result, compositions=[text])).texts()
    page = markdown_to_safe_html(panel)
    (quote,) = re.findall(r"<blockquote>\s*<p>(.*?)</p>\s*</blockquote>", page, re.DOTALL)
    assert [unescape(line).strip() for line in quote.split("\n")] == [line.strip() for line in said]


def test_the_table_shows_the_paired_change_since_the_first_and_the_last_evaluation(board):
    none, half, all_of_them = ["00 111"] * 8, ["00 111"] * 4 + ["11 111"] * 4, ["11 111"] * 8
    board.show(evaluation(0, *none), evaluation(50, *half), evaluation(100, *all_of_them))
    printed = board.printed()
    table = printed[max(n for n, line in enumerate(printed) if "SKILL-MIX at step 100" in line) :]
    header = next(line for line in table if "metric" in line)
    assert "since step 0" in header
    assert "since step 50" in header
    row = next(line for line in table if "full marks" in line)
    # Eight combinations won of eight: 2 / 2**8; four of eight: 2 / 2**4.
    assert " ".join(row.split()) == "held_out 2 full marks 1.00 (0.63–1.00) +1.00 (p 0.008)* +0.50 (p 0.125) 8/8/0"
    assert max(map(len, printed)) <= 100
    assert "…" not in "".join(printed)


def test_the_first_evaluation_has_no_change(board):
    printed = board.show(evaluation(0, "11 111")).printed()
    assert not any("since" in line for line in printed)
    assert any("1 texts in 12 s; 1 grades" in line for line in printed)


def test_the_dollars_of_the_evaluation_and_of_the_fit_stand_below_the_table_and_in_tensorboard(board):
    board.show(evaluation(0, "11 111", usd=0.0123, fit_usd=0.0123), evaluation(9, "11 111", usd=2.5, fit_usd=2.5123))
    said = [line.strip() for line in board.printed() if "grading:" in line]
    assert said == [
        "grading: $0.0123, in the fit so far $0.0123",
        "grading: $2.50, in the fit so far $2.51",
    ]
    logged = board.events().Scalars("skillmix/grading_usd")
    assert [(e.step, e.value) for e in logged] == [(0, pytest.approx(0.0123)), (9, 2.5)]


def test_why_grades_are_missing_stands_below_each_table(board):
    trouble = "2 grades are missing or have no points (the budget of $0.01 is reached)"
    printed = board.show(evaluation(0, "", "", trouble=trouble), evaluation(4, "11 111")).printed()
    assert " ".join(printed).count(trouble) == 1


def test_a_resumed_fit_that_knows_no_earlier_combinations_shows_no_change(board):
    board.history[0] = evaluation(0, "11 111").scores
    assert not any("since" in line for line in board.show(evaluation(7, "11 111")).printed())


def test_other_combinations_are_not_compared_with(board):
    first = evaluation(0, "11 111")
    others = [replace(c, combination=replace(c.combination, id="other")) for c in first.compositions]
    grades = [replace(g, combination_id="other") for g in first.grades]
    board.show(replace(first, compositions=others, grades=grades), evaluation(7, "11 111"))
    assert not any("since" in line for line in board.printed())


def test_figures_are_left_out_with_one_line_where_there_is_no_matplotlib(board):
    events = board.show(evaluation(0, "11 111"), evaluation(5, "11 111")).events()
    assert events.Tags()["images"] == []
    assert sum("matplotlib is not installed" in line for line in board.printed()) == 1


def test_figures_of_curves_and_skills_are_logged_at_each_step(tmp_path):
    pytest.importorskip("matplotlib")
    events = Board(tmp_path).show(evaluation(0, "00 111"), evaluation(5, "11 111")).events()
    assert sorted(events.Tags()["images"]) == ["skillmix/held_out/skills", "skillmix/learning_curves"]
    assert [event.step for event in events.Images("skillmix/learning_curves")] == [0, 5]


def test_an_evaluation_without_any_score_is_shown_without_figures_of_skills(tmp_path):
    pytest.importorskip("matplotlib")
    board = Board(tmp_path).show(evaluation(0, "", ""))
    assert board.events().Tags()["images"] == ["skillmix/learning_curves"]
    assert any("2 of them without points" in line for line in board.printed())


def test_other_loggers_get_the_numbers(tmp_path):
    board = Board(tmp_path)
    logger = CSVLogger(tmp_path, name="", version="")
    board.trainer.loggers = [logger]
    board.show(evaluation(3, "11 111"))
    logger.save()
    header, row = (tmp_path / "metrics.csv").read_text().splitlines()
    values = dict(zip(header.split(","), row.split(","), strict=True))
    assert (values["step"], values[f"{CELL}/full_marks"]) == ("3", "1.0")
