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
        reply = says(table(content))
        if name == "costly":
            reply.body["usage"] = {"prompt_tokens": 980, "completion_tokens": 20, "total_tokens": 1000}
        return reply


def table(content):
    labels = re.findall(r"^- ((?:Correctly|Pertains|Text|At most) .*)$", content, re.MULTILINE)
    rows = [f"| {label} | 1 |" for label in labels]
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


def test_a_grader_that_refuses_is_said_before_any_weights_are_loaded(fits):
    _, ended, said, judge = fits
    assert ended["refusing"] == [[1, 1]]
    assert judge.calls["refusing"] == ["Reply with OK."]
    assert "answers 401: set the key in the variable named by api_key_env (TEST_KEY)" in said


def test_trouble_is_said_once(fits):
    _, _, said, _ = fits
    assert said.count("such texts are unscored and the fit goes on") == len(["dead", "hanging", "babbling", "costly"])
