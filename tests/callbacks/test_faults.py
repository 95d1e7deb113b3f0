"""Graders that fail, on a fit of two ranks: the fit ends as it should, and nothing that was graded is lost."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from chat_server import HANGS, KEY, ChatServer, refuses, routes, says, serving
from examples import dataset_rows, write_dataset
from fits import events, run_at
from tiny import save_tiny_model

SCRIPT = Path(__file__).parents[1] / "support" / "fits.py"
STEPS = (0, 2, 4)
TEXTS = 8


class Judge:
    """Answers as the model's name says."""

    def __init__(self):
        self.calls = {}
        self.graded = {}

    def __call__(self, call):
        name, content = call["model"], call["messages"][0]["content"]
        calls = self.calls.setdefault(name, [])
        calls.append(content)
        if name == "refusing":
            return refuses(401, "no such key")
        if content == "Reply with OK.":
            return says("OK")
        if name == "dead":
            return refuses(500, "oops")
        if name == "hanging" or (name == "ended" and calls.count("Reply with OK.") == 1 and len(calls) > 4):
            return HANGS
        if name == "babbling":
            return says("What a fine text.")
        if name == "waiting" and calls.count("Reply with OK.") == 1 and len(calls) > 1 + TEXTS + 3:
            return HANGS
        self.graded[name] = self.graded.get(name, 0) + 1
        # Of the three evaluations of "waiting" only the last one's texts earn anything.
        reply = says(table(content, int(name != "waiting" or self.graded[name] > 2 * TEXTS)))
        if name == "costly":
            reply.body["usage"] = {"prompt_tokens": 980, "completion_tokens": 20, "total_tokens": 1000}
        return reply


def table(content, point):
    labels = re.findall(r"^- ((?:Correctly|Pertains|Text|At most) .*)$", content, re.MULTILINE)
    rows = [f"| {label} | {point} |" for label in labels]
    return "\n".join(["Here is the grading table:", "", "| Criteria | Points Earned |", "|---|---|", *rows])


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    """The folder, the exit statuses by fit and rank, what was said, and the judge."""
    folder = tmp_path_factory.mktemp("faults")
    save_tiny_model(folder / "model")
    write_dataset(folder / "d.jsonl", dataset_rows(12))
    chat, judge = ChatServer(), Judge()
    chat.respond = judge
    with serving(routes(chat)) as address:
        environment = {**os.environ, "SERVER": address, "TEST_KEY": KEY}
        done = subprocess.run(
            [sys.executable, str(SCRIPT), "faults", str(folder)],
            capture_output=True,
            text=True,
            timeout=300,
            env=environment,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, json.loads((folder / "ended.json").read_text()), done.stdout + done.stderr, judge


@pytest.mark.parametrize("name", ["dead", "hanging", "babbling", "costly"])
def test_a_grader_that_fails_never_ends_the_fit(fits, name):
    folder, ended, _, _ = fits
    assert ended[name] == [[0, 0]]
    assert (folder / name / "weights.pt").exists()
    assert all(len(run_at(folder / name, step).compositions()) == TEXTS for step in STEPS)


@pytest.mark.parametrize("name", ["dead", "hanging", "babbling"])
def test_texts_without_a_grade_are_unscored_not_zero(fits, name):
    folder, _, _, _ = fits
    board = events(folder / name)
    assert "skillmix/train/k1/full_marks" not in board.Tags()["scalars"]
    assert [(e.step, e.value) for e in board.Scalars("skillmix/train/k1/unscored")] == [(step, 2.0) for step in STEPS]


def test_a_budget_that_ends_in_the_middle_keeps_what_was_graded(fits):
    folder, _, said, _ = fits
    graded = sum(grade.status == "ok" for step in STEPS for grade in run_at(folder / "costly", step).grades())
    assert 0 < graded < 3 * TEXTS
    assert graded * 1000 <= 9000
    assert "budget" in said


def test_sigterm_while_it_grades_ends_the_fit_and_the_next_start_grades_what_is_missing(fits):
    folder, ended, _, judge = fits
    assert ended["ended"] == [[143, 0], [0, 0]]
    for step in STEPS:
        keys = [(g.combination_id, g.generation) for g in run_at(folder / "ended", step).grades() if g.status == "ok"]
        assert len(keys) == len(set(keys)) == TEXTS
    asked = judge.calls["ended"]
    second = asked[len(asked) - asked[::-1].index("Reply with OK.") :]
    assert len(second) == 3 * TEXTS - 3
    assert [e.step for e in events(folder / "ended").Scalars("skillmix/train/k1/full_marks")] == list(STEPS)


def test_sigterm_while_the_end_of_the_fit_waits_ends_it_at_once_and_the_next_start_grades_what_is_missing(fits):
    folder, ended, _, judge = fits
    assert ended["waiting"] == [[143, 0], [0, 0]]
    assert float((folder / "waiting" / "took_s").read_text()) < 10  # it may wait for 60
    for step in STEPS:
        grades = run_at(folder / "waiting", step).grades()
        assert [grade.status for grade in grades] == ["ok"] * TEXTS
    asked = judge.calls["waiting"]
    second = len(asked) - 1 - asked[::-1].index("Reply with OK.")
    assert second == 1 + (TEXTS + 3) + 1  # the last one hung
    assert len(asked) - second == 1 + (TEXTS - 3) + TEXTS
    logged = events(folder / "waiting").Scalars("skillmix/train/k1/full_marks")
    assert {e.step: e.value for e in logged} == {0: 0.0, 2: 0.0, 4: 1.0}


def test_checkpoints_that_waited_for_those_grades_are_ranked_on_both_ranks(fits):
    folder, _, _, _ = fits
    where = folder / "waiting" / "checkpoints"
    assert sorted(path.name for path in where.glob("step=*")) == ["step=000004"]
    assert [(folder / "waiting" / f"best{rank}").read_text() for rank in (0, 1)] == ["step=000004"] * 2
    best = json.loads((where / "ranking.json").read_text())["best_first"]
    assert best == [{"checkpoint": "step=000004", "score": 1.0}]


def test_a_grader_that_refuses_is_said_before_any_weights_are_loaded(fits):
    _, ended, said, judge = fits
    assert ended["refusing"] == [[1, 1]]
    assert judge.calls["refusing"] == ["Reply with OK."]
    assert "answers 401: set the key in the variable named by api_key_env (TEST_KEY)" in said


def test_trouble_is_said_once(fits):
    _, _, said, _ = fits
    missing = ["dead", "hanging", "babbling", "costly", "waiting"]
    assert said.count("such texts are unscored and the fit goes on") == len(missing)
