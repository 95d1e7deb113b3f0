"""`drift` as a user meets it: a frozen set made by `evaluate`, then the same server and another one behind its name."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from chat_server import Answer, ChatServer, refuses, says
from records import composition, grade

from skillmix_lightning.cli import main
from skillmix_lightning.runs import Run

Verb = Callable[..., tuple[int, str, str]]
PLAN = ["--splits=[train]", "--ks=[2]", "--combinations=12", "--generations=1", "--gradings=2"]
_LABEL = re.compile(r"^- ((?:Correctly illustrates|Pertains to|Text makes|At most) .+)$", re.MULTILINE)


def grading(failing: Callable[[str, int], bool] = lambda label, text: False, model: str = "m-0613"):
    """Answers a grading call: full marks but for what fails by its label and a number, from 0 to 9, of the text."""

    def respond(call: dict) -> Answer:
        asked = call["messages"][-1]["content"]
        labels = _LABEL.findall(asked)
        text = re.sub(r"[0-9a-f]{16}", "", asked)  # the mark of the call is another every time
        number = int(hashlib.sha256(text.encode()).hexdigest(), 16) % 10
        rows = [f"| {label} | {int(not failing(label, number))} |" for label in labels]
        return says("\n".join(["| Criteria | Points Earned |", "|---|---|", *rows]), model=model)

    return respond


def stricter_on_topics(label: str, text: int) -> bool:
    return label.startswith("Pertains to") and text < 6


@pytest.fixture
def verb(capfd: pytest.CaptureFixture[str]) -> Verb:
    """Runs a verb; returns (exit status, standard output, standard error)."""

    def run(*args: object) -> tuple[int, str, str]:
        status = main([str(arg) for arg in args])
        return (status, *capfd.readouterr())

    return run


@pytest.fixture
def frozen(verb: Verb, tmp_path: Path, server: ChatServer) -> Run:
    server.respond = grading()
    grader = ["--grader=EndpointGrader", "--grader.model=m", f"--grader.base_url={server.base_url}"]
    folder = tmp_path / "frozen"
    key = "--grader.api_key_env=TEST_KEY"
    result = verb("evaluate", "--student=TemplateStudent", *grader, key, *PLAN, "--cache=off", "--out", folder)
    assert result[0] == 0, result[2]
    server.calls.clear()
    return Run(folder)


def test_the_same_grader_is_asked_everything_again_and_has_not_drifted(verb, frozen, server, tmp_path):
    before = {file.name: file.read_bytes() for file in frozen.folder.iterdir() if file.is_file()}
    status, out, err = verb("drift", frozen.folder, "--out", tmp_path / "again", "--json=true")
    assert (status, err) == (0, "")
    document = json.loads(out)
    assert (document["drift"], document["verdict"]) == (False, "no drift on 12 texts")
    assert document["models"] == {"frozen": ["m-0613"], "now": ["m-0613"]}
    assert {row["criterion"]: row["texts"] for row in document["criteria"]} == dict.fromkeys(
        ("skills", "topic", "sense", "length", "full_marks", "graded"), 12
    )
    assert len(server.calls) == len(Run(tmp_path / "again").grades()) == 24
    assert {file.name: file.read_bytes() for file in frozen.folder.iterdir() if file.is_file()} == before


def test_a_criterion_that_is_graded_otherwise_is_named_and_the_exit_status_tells(verb, frozen, server, tmp_path):
    server.respond = grading(stricter_on_topics)
    status, out, err = verb("drift", frozen.folder, "--out", tmp_path / "again")
    assert status == 1
    (line,) = err.splitlines()
    share = json.loads((tmp_path / "again" / "scores.json").read_text())["scores"][0]["full_marks"]
    assert 0.2 < share < 0.7
    assert line.startswith(f"found: m on {frozen.folder}: drift on topic (1.00 → {share:.2f}), full_marks")
    assert not any(name in line for name in ("skills", "sense", "length", "graded"))
    (topic,) = (row.split() for row in out.splitlines() if row.split()[:1] == ["topic"])
    assert topic[1:4] == ["12", "1.00", f"{share:.2f}"]
    calls = len(server.calls)
    assert verb("drift", frozen.folder, "--out", tmp_path / "again")[0] == 1
    assert len(server.calls) == calls, "a check that is done is not paid for twice"


def test_another_model_behind_the_name_is_said_though_it_grades_alike(verb, frozen, server, tmp_path):
    server.respond = grading(model="m-1106")
    status, out, err = verb("drift", frozen.folder, "--out", tmp_path / "again", "--json=true")
    assert status == 1
    assert "m-1106 answers, and m-0613 answered for the frozen set" in err
    assert "drift on" not in err
    assert json.loads(out)["models"] == {"frozen": ["m-0613"], "now": ["m-1106"]}


def test_a_check_is_named_by_its_day_and_one_that_was_stopped_goes_on(verb, frozen, server, tmp_path):
    answer = grading()
    server.respond = lambda call: answer(call) if len(server.calls) <= 8 else refuses(401, "the key has expired")
    assert verb("drift", frozen.folder)[0] == 2
    (folder,) = tmp_path.glob("frozen-drift-????-??-??")
    done = len(Run(folder).grades())
    assert 0 < done <= 8
    server.respond = answer
    server.calls.clear()
    assert verb("drift", frozen.folder)[0] == 0
    assert len(Run(folder).grades()) == 24
    assert len(server.calls) == 24 - done


def test_a_budget_that_one_grade_would_pass_stops_the_check(verb, frozen, server):
    status, _, err = verb("drift", frozen.folder, "--budget_tokens=100")
    assert (status, server.calls) == (1, [])
    assert err.startswith("stopped: ")
    assert "left to do: 0 of 12 texts, 24 of 24 grades" in err


def test_how_the_grader_is_reached_may_change_and_what_it_is_asked_may_not(verb, frozen, monkeypatch, tmp_path):
    monkeypatch.setenv("OTHER_KEY", "sk-another")
    grader = ["drift", frozen.folder, "--out", tmp_path / "again", "--grader=EndpointGrader"]
    same = ["--grader.model=m", "--grader.api_key_env=OTHER_KEY", "--grader.concurrency=2"]
    assert verb(*grader, *same)[0] == 0
    status, _, err = verb(*grader, "--grader.model=m-2", "--grader.temperature=0.5")
    assert status == 2
    assert "model is m, not m-2; temperature is 0.0, not 0.5" in err
    status, _, err = verb("drift", frozen.folder, "--grader=CheckerGrader")
    assert (status, "it is a EndpointGrader, not a CheckerGrader" in err) == (2, True)


def test_prompts_that_have_changed_are_no_drift_of_the_grader(verb, frozen):
    manifest = frozen.manifest()
    manifest["grader_prompts"]["sha256"] = "0" * 64
    manifest["catalogue_id"] = "f" * 16
    frozen.manifest_file.write_text(json.dumps(manifest))
    status, _, err = verb("drift", frozen.folder)
    assert status == 2
    assert "its prompts paper-v1 are not what they were (00000000 → " in err
    assert "its catalogue verifiable is not what it was (ffffffffffffffff → " in err


def test_a_run_that_does_not_say_how_it_was_graded_is_refused(verb, tmp_path):
    run = Run.start(tmp_path / "run", {"grader": "judge"})
    run.add_compositions([text := composition()])
    run.add_grades([grade(text, "11 111")])
    status, _, err = verb("drift", run.folder)
    assert (status, len(err.splitlines())) == (2, 1)
    assert "does not say with which settings it was graded" in err
    assert verb("drift", run.folder, "--level=0")[0] == 2
