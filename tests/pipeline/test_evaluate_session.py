from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from records import composition, grade

from skillmix_lightning.endpoint.prices import load_prices
from skillmix_lightning.errors import InputError, Stopped
from skillmix_lightning.pipeline.session import costs, left_to_do, note_ends, share_services, spent, stopping_in_order
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.jsonl import WriteError
from skillmix_lightning.students.base import Request

TEXTS = [composition("c0"), composition("c0", generation=1), composition("c1")]
REQUESTS = [Request(text.combination, text.generation, ("Write.",)) for text in TEXTS]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Two texts of three, one of them graded, for $0.25 and 133 tokens in all."""
    run = Run.start(tmp_path, {"student": {"class": "S", "settings": {"model": "gpt-4"}}})
    usage = {"prompt_tokens": 90, "completion_tokens": 10, "cost_usd": 0.05, "model": "gpt-4-0613"}
    run.add_compositions([replace(TEXTS[0], usage=usage), TEXTS[1]])
    run.add_grades([replace(grade(TEXTS[0], "11 111"), usage={"prompt_tokens": 30}, cost_usd=0.2)])
    return run


def served(**settings) -> SimpleNamespace:
    return SimpleNamespace(**{"services": None, "model": "gpt-4", "max_tokens": 100, **settings})


def test_what_a_run_has_cost_is_the_sum_of_its_records_or_more_if_more_was_noted(run: Run) -> None:
    assert costs(run) == {"student": {"usd": 0.05, "tokens": 103}, "grader": {"usd": 0.2, "tokens": 30}}
    assert spent(run) == (0.25, 133)
    run.note(spent={"usd": 0.2, "tokens": 140})
    assert spent(run) == (0.25, 140)


def test_what_calls_under_way_at_a_kill_may_have_cost_counts_and_is_said(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grader = served(grade=None)
    budget = share_services((grader,), run, "off", load_prices(), 5.0)
    assert budget is not None
    budget.reserve("gpt-4", 1000, 500)  # 6 cents, and a 64th of the budget is noted ahead
    assert spent(run) == (pytest.approx(0.25 + 0.06 + 5 / 64), 133 + 33 * 1500)
    assert caplog.messages == []
    again = share_services((grader,), run, "off", load_prices(), 5.0)
    assert again is not None
    assert again.spent_usd == pytest.approx(0.25 + 0.06 + 5 / 64)
    assert caplog.messages == [
        f"{run.folder}: the last command did not end in order; up to $0.1381 and 49,500 tokens of calls that are in no "
        "record may have been billed, and count as spent"
    ]
    note_ends(run, again)
    assert not (run.folder / "in_flight.json").exists()
    assert spent(run) == (pytest.approx(0.25 + 0.06 + 5 / 64), 133 + 33 * 1500)


def test_a_command_that_drops_calls_under_way_leaves_their_note(run: Run) -> None:
    budget = share_services((served(grade=None),), run, "off", load_prices(), 5.0)
    assert budget is not None
    call = budget.reserve("gpt-4", 1000, 500)
    note_ends(run, budget)
    assert (run.folder / "in_flight.json").exists()
    call.release()
    note_ends(run, budget)
    assert not (run.folder / "in_flight.json").exists()


def test_batches_of_a_killed_command_count_once_as_their_grades_come_on_record(run: Run) -> None:
    student, grader = served(write=None), served(grade=None, batch=True)
    budget = share_services((student, grader), run, "off", load_prices(), 5.0)
    assert budget is not None
    budget.reserve("gpt-4", 1000, 500)
    budget.reserve("gpt-4", 1000, 500, batch=True)
    killed = 0.25 + 0.06 + 5 / 64
    assert spent(run)[0] == pytest.approx(killed)
    run.add_grades([replace(grade(TEXTS[1], "11 111"), cost_usd=0.03)])
    assert spent(run)[0] == pytest.approx(killed + 0.03)


def test_those_behind_servers_share_a_cache_and_a_budget_that_knows_what_was_spent(run: Run, tmp_path: Path) -> None:
    student, grader, other = served(), served(model="gpt-4o"), SimpleNamespace()
    budget = share_services((student, grader, other, None), run, str(tmp_path / "c.sqlite"), load_prices(), 1.0, 1000)
    assert budget is not None
    assert (budget.usd, budget.spent_usd, budget.spent_tokens) == (1.0, 0.25, 133)
    assert student.services is grader.services
    assert student.services.budget is budget
    assert student.services.cache.path == tmp_path / "c.sqlite"
    assert not hasattr(other, "services")
    share_services((student,), run, "off", load_prices())
    assert student.services.cache is None
    assert share_services((other,), run, "off", load_prices(), 1.0) is None


def test_a_budget_that_cannot_be_kept_is_refused_before_the_first_call(run: Run) -> None:
    with pytest.raises(InputError, match="no price is known for the model nobody-knows"):
        share_services((served(model="nobody-knows"),), run, "off", load_prices(), 1.0)


@pytest.mark.parametrize(
    ("ends", "line"),
    [
        (Stopped("the budget is reached"), "the budget is reached; {left}"),
        (KeyboardInterrupt(), "interrupted: {left}; run the same command again to go on"),
        (
            WriteError(28, "No space left on device", "/d/grades.jsonl"),
            "/d/grades.jsonl cannot be written (No space left on device); nothing on record is lost, {left}; "
            "make room or give the permission back, then run the same command again to go on",
        ),
    ],
)
def test_what_ends_work_early_becomes_one_line_with_what_is_left(run: Run, ends: BaseException, line: str) -> None:
    left = "left to do: 1 of 3 texts, 5 of 6 grades"
    assert left_to_do(run, REQUESTS, "judge", 2) == left
    with pytest.raises(Stopped) as stopped, stopping_in_order(run, REQUESTS, "judge", 2):
        raise ends
    assert str(stopped.value) == line.format(left=left)
