"""`count-frequencies` as a user meets it, up to the bound beside full marks."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from chat_server import Answer, ChatServer, says

from skillmix_lightning.cli import main
from skillmix_lightning.runs import Run
from skillmix_lightning.scoring.frequencies import load_frequencies

Verb = Callable[..., tuple[int, str, str]]
TEXTS = ["Never, never, never open a hive.", "The door is green.", "A knot holds.", "It rains."]
_LABEL = re.compile(r"^- ((?:Correctly illustrates|Pertains to|Text makes|At most) .+)$", re.MULTILINE)


@pytest.fixture
def verb(capfd: pytest.CaptureFixture[str]) -> Verb:
    """Runs a verb; returns (exit status, standard output, standard error)."""

    def run(*args: object) -> tuple[int, str, str]:
        status = main([str(arg) for arg in args])
        return (status, *capfd.readouterr())

    return run


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps({"body": text}) + "\n" for text in TEXTS))
    return path


def test_the_file_that_is_written_gives_the_bound_beside_full_marks(verb, corpus, tmp_path):
    out = tmp_path / "f.yaml"
    count = ["count-frequencies", corpus, "--text_field=body", "--out", out, "--documents=1e9"]
    status, said, err = verb(*count, "--json=true")
    assert (status, err) == (0, "")
    document = json.loads(said)
    shown = {row["name"]: row["shown"] for row in document["counted"] if row["shown"]}
    assert shown == {"epizeuxis": 1, "Knots": 1}
    assert (document["documents"], document["not_counted"]) == (4, [])
    frequencies = load_frequencies(str(out))
    assert (frequencies.documents, frequencies.skills["epizeuxis"]) == (1e9, 0.25)
    assert frequencies.skills["simile"] == pytest.approx(1 - 0.025 ** (1 / 4), rel=1e-5)
    plan = ["--ks=[2]", "--combinations=3", "--gradings=2", "--generations=1"]
    assert verb("evaluate", "--student=TemplateStudent", *plan, "--out", tmp_path / "run")[0] == 0
    status, said, _ = verb("compare", tmp_path / "run", "--frequencies", out, "--json=true")
    assert status == 0
    assert [row["bound"] for row in json.loads(said)["parrot_bounds"]] == [1.0, 1.0]


def test_what_is_counted_is_shown_with_its_intervals(verb, corpus, tmp_path):
    status, said, _ = verb("count-frequencies", corpus, "--text_field=body", "--limit=2", "--out", tmp_path / "f.csv")
    assert status == 0
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.split()}
    assert rows["epizeuxis"] == ["2", "1", "0.5", "0.013–0.99"]
    assert rows["simile"] == ["2", "0", "0.84", "0–0.84"]
    assert "the share is the upper end of the interval" in " ".join(said.split())
    assert load_frequencies(str(tmp_path / "f.csv")).documents == 2


def test_what_code_cannot_decide_a_grader_does_on_a_sample(verb, corpus, tmp_path, server: ChatServer):
    def respond(call: dict) -> Answer:
        asked = call["messages"][-1]["content"]
        points = {label: int("metaphor" in label and '"It rains."' in asked) for label in _LABEL.findall(asked)}
        rows = [f"| {label} | {point} |" for label, point in points.items()]
        return says("\n".join(["| Criteria | Points Earned |", "|---|---|", *rows]))

    server.respond = respond
    count = ["count-frequencies", corpus, "--text_field=body", "--catalogue=language"]
    run = tmp_path / "sample"
    status, said, _ = verb(*count, "--sample=4", "--sample_out", run)
    assert status == 0
    assert "4 documents, 84 texts to grade (0 of them cut" in said  # 101 skills, five at a time
    assert len(Run(run).compositions()) == 84
    status, said, _ = verb(*count, "--out", tmp_path / "f.yaml")
    assert "not counted, since code cannot decide them: " in said
    assert " and 98 more" in said
    grader = ["--grader=EndpointGrader", "--grader.model=m", f"--grader.base_url={server.base_url}"]
    key, graded = "--grader.api_key_env=TEST_KEY", tmp_path / "graded"
    assert verb("grade", run, *grader, key, "--cache=off", "--out", graded)[0] == 0
    status, said, err = verb(*count, "--graded", graded, "--out", tmp_path / "f.yaml", "--json=true")
    assert (status, err) == (0, "")
    document = json.loads(said)
    skills = {row["name"]: row for row in document["counted"] if row["kind"] == "skill"}
    assert (len(skills), document["not_counted"]) == (101, [])
    assert {name for name, row in skills.items() if row["shown"]} == {"metaphor"}
    assert (skills["metaphor"]["shown"], skills["metaphor"]["documents"]) == (1, 4)
    status, _, err = verb("count-frequencies", corpus, "--graded", graded, "--out", tmp_path / "g.yaml")
    assert (status, "is of another catalogue" in err) == (2, True)
    status, _, err = verb(*count, "--sample=4", "--sample_out", run)
    assert (status, "holds a run already" in err) == (2, True)


@pytest.mark.parametrize(
    ("args", "what"),
    [
        (["--out=f.yaml", "--sentences=0"], "--sentences 0: must be at least 1"),
        (["--out=f.yaml"], "no text in the field \"text\", there are ['body']"),
        (["--sample=3"], "--sample and --sample_out go together"),
        ([], "give --out FILE to count"),
        (["--sample=3", "--sample_out=r", "--text_field=body"], "code decides each of its skills"),
    ],
)
def test_a_mistake_is_one_line(verb, corpus, monkeypatch, tmp_path, args, what):
    monkeypatch.chdir(tmp_path)
    status, _, err = verb("count-frequencies", corpus, *args)
    assert (status, len(err.splitlines())) == (2, 1)
    assert what in err


def test_torch_is_not_imported():
    code = "import sys; import skillmix_lightning.verbs.count_frequencies; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
