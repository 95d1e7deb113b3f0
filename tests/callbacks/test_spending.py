"""What a fit's evaluations may spend, each and together, counted by the server that they spend it at."""

import re

import pytest
from chat_server import says
from records import composition, small_catalogue

from skillmix_lightning.callbacks.background import BackgroundGrading, Job
from skillmix_lightning.callbacks.grader_services import Money, Spending
from skillmix_lightning.endpoint.bounds import tokens_at_most
from skillmix_lightning.endpoint.prices import load_prices
from skillmix_lightning.errors import InputError
from skillmix_lightning.graders import EndpointGrader
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.in_flight import InFlight

TEXTS = 5
USAGE = {"prompt_tokens": 980, "completion_tokens": 20}
TOKENS, USD = 1000, 0.0306  # of a call; gpt-4: 30 and 60 dollars a million


@pytest.fixture
def judge(server):
    """The server, which gives full marks at the same price each time."""

    def respond(call):
        asked = call["messages"][0]["content"]
        labels = re.findall(r"^- ((?:Correctly|Pertains|Text|At most) .*)$", asked, re.MULTILINE)
        rows = "\n".join(f"| {label} | 1 |" for label in labels)
        reply = says(f"| Criteria | Points Earned |\n|---|---|\n{rows}", model="gpt-4-0613")
        reply.body["usage"] = {**USAGE, "total_tokens": TOKENS}
        return reply

    server.respond = respond
    return server


def runs(folder, *steps):
    found = []
    for step in steps:
        run = Run.start(folder / f"step={step:06d}", {"step": step})
        if not run.compositions():
            run.add_compositions([composition(f"{step}{number}") for number in range(TEXTS)])
        found.append(run)
    return found


def grade(server, folder, steps, **caps):
    """Grades these evaluations in one start of a fit; what came of each."""
    grader = EndpointGrader(
        "gpt-4", "paper-v1", small_catalogue(), server.base_url, "TEST_KEY", max_tokens=20, concurrency=1
    )
    spending = Spending(grader, Money(**caps, cache="off"))
    on_record = runs(folder, *steps)
    spending.open(on_record)
    grading = BackgroundGrading(grader, 1, spending)
    for step, run in zip(steps, on_record, strict=True):
        grading.submit(Job(step, run))
    graded = grading.finished(limit_s=60)
    grading.close()
    return [each.result for each in graded]


@pytest.fixture
def cap_for(judge, tmp_path):
    """The caps, in tokens and in dollars, that have room for exactly so many calls."""
    grade(judge, tmp_path / "first", [0])
    call = judge.calls[0]
    prompt, completion = tokens_at_most(call["messages"], {"max_tokens": call["max_tokens"]})
    usd = load_prices().of("gpt-4").cost_at_most(prompt, completion)
    judge.calls.clear()
    return lambda calls: (prompt + completion + (calls - 1) * TOKENS, usd + (calls - 1) * USD + 1e-9)


@pytest.mark.parametrize(("which", "name"), [(0, "budget_tokens"), (1, "budget_usd")])
def test_each_evaluation_has_a_budget_of_its_own(judge, cap_for, tmp_path, which, name):
    cap = {f"{name}_per_evaluation": cap_for(3)[which]}
    results = grade(judge, tmp_path, [10, 20], **cap)
    assert len(judge.calls) == 6
    for number, result in enumerate(results, start=1):
        assert [each.status for each in result.grades] == ["ok"] * 3
        assert (result.scores[0].unscored, result.scores[0].full_marks) == (2, 1.0)
        assert "2 grades are missing or have no points (the budget of" in result.trouble
        assert f"raise --evaluation.{name}_per_evaluation and run the same command again" in result.trouble
        assert (result.usd, result.fit_usd) == (pytest.approx(3 * USD), pytest.approx(number * 3 * USD))
    grade(judge, tmp_path, [10, 20], **cap)
    assert len(judge.calls) == 6  # what an earlier start spent counts
    again = grade(judge, tmp_path, [10, 20], **{f"{name}_per_evaluation": cap_for(5)[which]})
    assert len(judge.calls) == 10
    assert [result.trouble for result in again] == ["", ""]
    assert again[1].fit_usd == pytest.approx(10 * USD)


@pytest.mark.parametrize(("which", "name"), [(0, "budget_tokens"), (1, "budget_usd")])
def test_the_fits_budget_binds_where_it_is_met_first(judge, cap_for, tmp_path, which, name):
    caps = {name: cap_for(4)[which], f"{name}_per_evaluation": cap_for(3)[which]}
    first, second = grade(judge, tmp_path, [10, 20], **caps)
    assert (len(first.grades), len(second.grades), len(judge.calls)) == (3, 1, 4)
    assert f"raise --evaluation.{name}_per_evaluation and" in first.trouble
    assert f"raise --evaluation.{name} and" in second.trouble


def test_what_calls_under_way_at_a_kill_may_have_cost_counts_for_the_fit_and_the_evaluation(judge, cap_for, tmp_path):
    first, second = runs(tmp_path, 10, 20)
    for run in (first, second):
        InFlight(2 * USD, 2 * TOKENS, {}).write(run)
    caps = {"budget_usd": cap_for(7)[1], "budget_usd_per_evaluation": cap_for(4)[1]}
    results = grade(judge, tmp_path, [10, 20], **caps)
    assert [len(result.grades) for result in results] == [2, 1]
    assert len(judge.calls) == 3
    assert results[1].fit_usd == pytest.approx(7 * USD)
    assert not (first.folder / "in_flight.json").exists()


def test_what_was_spent_is_noted_in_the_run(judge, tmp_path):
    grade(judge, tmp_path, [10], budget_usd=1.0)
    manifest = Run(tmp_path / "step=000010").manifest()
    assert manifest["spent"] == {"usd": pytest.approx(5 * USD), "tokens": 5 * TOKENS}
    assert manifest["prices"]["gpt-4-0613"]["input"] == 30


@pytest.mark.parametrize(
    ("caps", "says_"),
    [
        ({"budget_usd_per_evaluation": -1}, "--evaluation.budget_usd_per_evaluation is -1, and must be a number"),
        ({"budget_tokens": -1}, "--evaluation.budget_tokens is -1, and must be a number from 0 up"),
    ],
)
def test_a_cap_that_is_none_is_refused_at_the_start(judge, tmp_path, caps, says_):
    with pytest.raises(InputError, match=says_):
        grade(judge, tmp_path, [10], **caps)
    assert judge.calls == []


def test_one_evaluation_alone_has_the_smaller_cap():
    assert Money(2.0, None, 1.0, 500).of_one() == (1.0, 500)
    assert Money().of_one() == (None, None)
