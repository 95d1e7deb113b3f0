"""`import-reference`: a results folder becomes a run that `score` reads."""

import json

import pytest
from results_folder import Text, write_round

from skillmix_lightning.cli import main
from skillmix_lightning.runs import Run

SKILLS = ("metaphor", "simile")


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    for number in (1, 2):
        write_round(folder, number, [Text(SKILLS, "Sewing", f"Text {number}.", ["No table.", "No table."])])
    return folder


def test_the_folder_becomes_a_run_and_is_described(results, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["import-reference", str(results), "--student", "pupil", "--grader", "judge", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "1 combinations, 2 texts, grades: 4 unparsed" in said
    assert "identical copies in 2 of 2 texts" in said
    assert [composition.text for composition in Run(out).compositions()] == ["Text 1.", "Text 2."]
    assert {grade.status for grade in Run(out).grades()} == {"unparsed"}
    assert main(["score", str(out), "--json", "true"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["scores"]
    assert (row["unscored"], row["full_marks"]) == (1, None)


def test_an_unknown_student_is_one_line_that_lists_those_there(results, tmp_path, capsys):
    args = ["--student", "nobody", "--grader", "judge", "--out", str(tmp_path / "run")]
    assert main(["import-reference", str(results), *args]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert 'no texts by student "nobody"; it has pupil' in line
