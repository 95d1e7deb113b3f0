"""`report`: the same tables in the terminal, as JSON and in one HTML file, without torch."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from records import composition, grade
from results_folder import PUBLISHED

from skillmix_lightning.errors import InputError
from skillmix_lightning.runs import Run
from skillmix_lightning.verbs.import_reference import import_results
from skillmix_lightning.verbs.report import main, report


@pytest.fixture
def run(tmp_path):
    """Two generations of one combination, one round each, and a third that nobody could grade."""
    folder = Run.start(tmp_path / "run", {"student": "somebody"})
    texts = [composition(generation=number, text=f"Yarn number {number}.") for number in range(3)]
    folder.add_compositions(texts)
    folder.add_grades([grade(texts[0], "11 011"), grade(texts[1], "01 110"), grade(texts[2], "", status="refused")])
    return folder


def document(capsys, *args):
    main("report", [*args, "--json", "true"])
    return json.loads(capsys.readouterr().out)


def test_one_run_gets_its_report_in_its_folder(run, capsys):
    main("report", [str(run.folder)])
    assert (run.folder / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    said = capsys.readouterr().out
    assert "full marks" in said
    assert "Which points are missed" in said
    assert said.splitlines()[-1] == f"report: {run.folder / 'report.html'}"


def test_several_runs_get_one_where_it_is_asked_for(run, tmp_path, capsys):
    report([str(run.folder)] * 2)
    assert not (run.folder / "report.html").exists()
    report([str(run.folder)] * 2, out=str(tmp_path / "made" / "both.html"))
    assert (tmp_path / "made" / "both.html").exists()


def test_the_json_document_holds_every_table(run, tmp_path, capsys):
    shown = document(capsys, str(run.folder), "--out", str(tmp_path / "r.html"))
    assert shown["report"] == str(tmp_path / "r.html")
    (scored,) = shown["runs"]
    assert (scored["run"], scored["step"], scored["protocol"]) == ("run", None, "paper")
    assert scored["scores"][0]["all_skills"] == 1
    (missed,) = shown["criteria"]
    assert missed == {
        "run": "run",
        "split": "train",
        "k": 2,
        "texts": 3,
        "skills": 0.5,
        "topic": 0.5,
        "sense": 0,
        "length": 0.5,
        "named": 0,
        "disputed": 0,
        "without_points": "1 refused",
    }
    assert shown["category_points"] == [{"run": "run", "split": "train", "category": "literary", "k=2": 0.75}]
    assert [(row["skill"], row["k=2"]) for row in shown["skill_points"]] == [("metaphor", 0.5), ("simile", 1)]


def test_the_contamination_is_in_the_terminal_and_in_the_json_document(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    row = {"split": "train", "k": 8, "combinations": 100, "exact": 7, "same_skills": 100, "topics_seen": 0.25}
    seen = Run.start(tmp_path / "seen", {"contamination": [{**row, "seen_together": [1.0] * 7 + [0.005]}]})
    seen.add_compositions(run.compositions())
    seen.add_grades(run.grades())
    (shown,) = document(capsys, str(seen.folder))["contamination"]
    assert shown == {"run": "seen", **row, **{f"seen_{size}": 1.0 for size in range(1, 8)}, "seen_8": 0.005}
    report([str(seen.folder)])
    said = capsys.readouterr().out.rpartition("report: ")[0]
    assert max(map(len, said.splitlines())) <= 80
    (line,) = (line for line in said.splitlines() if "<1%" in line)
    assert line.split() == ["seen", "train", "8", "100", "7", "100", *["100%"] * 7, "<1%", "25%"]


def test_the_rules_are_those_asked_for(run, capsys):
    shown = document(capsys, str(run.folder), "--over_generations", "mean", "--name_rule", "false")
    (scored,) = shown["runs"]
    assert (scored["over_generations"], scored["name_rule"]) == ("mean", False)
    assert scored["scores"][0]["all_skills"] == 0.5


def test_all_that_was_paid_is_in_the_cost_a_round_asked_for_again_too(tmp_path, capsys):
    run = Run.start(tmp_path / "paid", {})
    run.add_compositions([text := composition()])
    lost, found = grade(text, "", status="truncated"), grade(text, "11 111")
    usage = {"prompt_tokens": 90, "completion_tokens": 10}
    run.add_grades([replace(each, usage=usage, cost_usd=0.25) for each in (lost, found)])
    (cost,) = document(capsys, str(run.folder))["cost"]
    assert (cost["student_tokens"], cost["grader_tokens"], cost["grader_usd"]) == (3, 200, 0.5)


def test_the_tables_fit_a_terminal_of_80_columns(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    long = Run.start(tmp_path / "a-run-with-a-name-that-goes-on-and-on", {})
    long.add_compositions(run.compositions())
    long.add_grades(run.grades())
    report([str(run.folder), str(long.folder)])
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    assert "refused" in said  # words are not broken, whatever a run is called


def test_a_folder_without_a_run_is_one_line(tmp_path):
    with pytest.raises(InputError, match="holds neither a run"):
        report([str(tmp_path)])


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the reference implementation's results are not here")
def test_imported_results_stand_beside_the_leaderboards(tmp_path, capsys):
    shutil.copytree(PUBLISHED, tmp_path / "results")
    for student in ("gpt-4", "llama2-7b-chat"):
        import_results(str(tmp_path / "results"), student, "gpt-4", str(tmp_path / student))
    capsys.readouterr()
    shown = document(capsys, str(tmp_path / "gpt-4"), str(tmp_path / "llama2-7b-chat"))
    assert shown["runs"][0]["scores"][0]["full_marks"] == 0.6
    assert {(row["name"], row["full_marks"]) for row in shown["published"]} == {
        ("P2: GPT-4", 0.66),
        ("P2: LLaMA-2-7B-Chat", 0.0),
    }
    assert {row["category"] for row in shown["skill_points"]} <= {
        "literary",
        "rhetorical",
        "reasoning",
        "logic",
        "theory of mind",
        "physical knowledge",
    }


def test_a_report_imports_no_torch():
    code = "import sys; import skillmix_lightning.verbs.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
