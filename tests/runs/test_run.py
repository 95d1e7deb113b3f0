import json
from pathlib import Path

import pytest
from records import composition, grade

from skillmix_lightning.errors import InputError
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.run import composition_row, write_json

MANIFEST = {"plan": {"ks": (1, 2), "seed": 0}, "catalogue_id": "abc"}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.start(tmp_path / "deep" / "run", MANIFEST)


def test_compositions_and_grades_come_back_as_they_were(run: Run) -> None:
    compositions = [composition("c0"), composition("c1", generation=2, text='Say "o…"\n\u2028', split="held_out")]
    grades = [grade(compositions[0], "11 111"), grade(compositions[1], "", grading=1, status="refused")]
    run.add_compositions(compositions[:1])
    run.add_compositions(compositions[1:])
    run.add_grades(grades)
    assert run.compositions() == compositions
    assert run.grades() == grades


def test_a_composition_s_line_has_the_fields_of_the_format() -> None:
    assert composition_row(composition("c0", skills=["metaphor"])) == {
        "combination_id": "c0",
        "k": 1,
        "split": "train",
        "skills": ["metaphor"],
        "topic": "Sewing",
        "generation": 0,
        "turns": [{"role": "user", "content": "Write."}, {"role": "assistant", "content": "A text."}],
        "text": "A text.",
        "finish_reason": "stop",
        "student": "somebody",
        "usage": {"completion_tokens": 3},
    }


def test_a_grade_s_line_has_the_fields_of_the_format(run: Run) -> None:
    run.add_grades([grade(composition(), "10 111")])
    (line,) = (run.folder / "grades.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "combination_id": "c0",
        "generation": 0,
        "grading": 0,
        "grader": "judge",
        "status": "ok",
        "points": {"skill:metaphor": 1, "skill:simile": 0, "topic": 1, "sense": 1, "length": 1},
        "raw": "",
        "usage": {},
        "cost_usd": 0.0,
    }


def test_the_manifest_says_what_was_asked_and_with_what(run: Run) -> None:
    manifest = run.manifest()
    assert manifest["plan"] == {"ks": [1, 2], "seed": 0}
    assert set(manifest["made_with"]) == {
        *("python", "skillmix-lightning", "torch", "lightning", "transformers", "git_commit")
    }


def test_a_run_started_again_with_the_same_manifest_goes_on(run: Run) -> None:
    run.add_compositions([composition()])
    before = run.manifest_file.read_bytes()
    assert Run.start(run.folder, MANIFEST).compositions() == [composition()]
    assert run.manifest_file.read_bytes() == before


def test_a_run_with_another_manifest_is_refused_and_the_keys_named(run: Run) -> None:
    other = {"plan": {"ks": (1, 2), "seed": 1}, "catalogue_id": "abc", "grader": "checker"}
    with pytest.raises(InputError) as refused:
        Run.start(run.folder, other)
    assert str(refused.value) == f"{run.folder}: holds a run with another plan, grader; give a folder of its own"


@pytest.mark.parametrize("below", ["", "run"])
def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("in the way")
    folder = tmp_path / "file" / below
    with pytest.raises(InputError) as refused:
        Run.start(folder, MANIFEST)
    reason = "Not a directory" if below else "File exists"
    assert str(refused.value) == f"{folder}: the run's folder cannot be written ({reason})"


def test_a_folder_without_a_manifest_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        Run(tmp_path).manifest()
    assert str(refused.value) == f"{tmp_path}: holds no run, manifest.json: No such file or directory"


def test_a_malformed_manifest_is_one_line(run: Run) -> None:
    run.manifest_file.write_text("{")
    with pytest.raises(InputError) as refused:
        Run.start(run.folder, MANIFEST)
    assert str(refused.value).startswith(f"{run.manifest_file}: not valid JSON (")


def test_a_line_s_missing_and_mistaken_fields_are_all_named(run: Run) -> None:
    run.add_compositions([composition()])
    row = {**composition_row(composition()), "text": None, "skills": "metaphor"}
    del row["topic"]
    file = run.folder / "compositions.jsonl"
    file.write_text(file.read_text() + json.dumps(row) + "\n")
    with pytest.raises(InputError) as refused:
        run.compositions()
    assert str(refused.value) == (
        f'{file}, line 2: the field "topic" is missing; the field "skills" is a str, not a list; '
        'the field "text" is a NoneType, not a str'
    )


def test_a_grade_s_line_is_looked_at_too(run: Run) -> None:
    row = {**vars(grade(composition(), "11 111")), "cost_usd": 0, "points": [1]}
    (run.folder / "grades.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError, match=r'grades\.jsonl, line 1: the field "points" is a list, not a dict$'):
        run.grades()


def test_a_document_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    write_json(path, {"a": 1})
    write_json(path, {"b": "蜂"})
    assert path.read_text(encoding="utf-8") == '{\n  "b": "蜂"\n}\n'
    assert [file.name for file in tmp_path.iterdir()] == ["scores.json"]
