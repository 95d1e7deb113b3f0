import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from records import composition, grade

from skillmix_lightning.errors import InputError
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.jsonl import WriteError
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
        "reason": "",
        "opinion": {},
    }


def test_a_grade_s_line_may_lack_what_few_graders_say(run: Run) -> None:
    given = replace(grade(composition(), "", status="refused"), reason="an apology", opinion={"total": 5})
    run.add_grades([given])
    assert run.grades() == [given]
    row = {name: value for name, value in vars(given).items() if name not in ("reason", "opinion")}
    (run.folder / "grades.jsonl").write_text(json.dumps(row) + "\n")
    assert run.grades() == [replace(given, reason="", opinion={})]
    (run.folder / "grades.jsonl").write_text(json.dumps({**row, "opinion": "good"}) + "\n")
    with pytest.raises(InputError, match=r'line 1: the field "opinion" is a str, not a dict$'):
        run.grades()


@pytest.mark.parametrize("points", ["1", None, 2, -0.5])
def test_points_are_numbers_from_0_to_1(run: Run, points: object) -> None:
    row = {**vars(grade(composition(), "11 111")), "points": {"topic": 0.5, "sense": points}}
    (run.folder / "grades.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError) as refused:
        run.grades()
    said = f'the points of "sense" are {json.dumps(points)}, and must be a number from 0 to 1'
    assert str(refused.value).endswith(f"grades.jsonl, line 1: {said}")


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


def test_a_run_with_another_manifest_is_refused_and_every_difference_shown(run: Run) -> None:
    other = {"plan": {"ks": (1, 2), "seed": 1}, "catalogue_id": "abc", "grader": {"class": "checker"}}
    with pytest.raises(InputError) as refused:
        Run.start(run.folder, other)
    assert str(refused.value) == (
        f"{run.folder}: holds a run that was asked for something else "
        '(plan.seed: 0 → 1; grader: (none) → {"class": "checker"}); ask for the same, or give a folder of its own'
    )


def test_a_run_that_was_asked_for_more_is_another(run: Run) -> None:
    with pytest.raises(InputError, match=r'something else \(catalogue_id: "abc" → \(none\)\); ask'):
        Run.start(run.folder, {"plan": MANIFEST["plan"]})
    with pytest.raises(InputError, match=r"something else \(step: \(none\) → null\); ask"):
        Run.start(run.folder, {**MANIFEST, "step": None})


def test_a_run_that_is_there_is_refused_by_never_and_one_that_is_not_by_always(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        Run.start(run.folder, MANIFEST, "never")
    assert str(refused.value) == (
        f"{run.folder}: holds a run already, and --resume is never; give --out a folder of its own, or --resume always"
    )
    Run.start(run.folder, MANIFEST, "always")
    with pytest.raises(InputError) as refused:
        Run.start(tmp_path / "none", MANIFEST, "always")
    said = f"{tmp_path / 'none'}: holds no run to go on with, and --resume is always; check --out"
    assert str(refused.value) == said
    assert not (tmp_path / "none").exists()
    Run.start(tmp_path / "new", MANIFEST, "never")


def test_records_without_a_manifest_are_not_gone_on_with(run: Run) -> None:
    run.add_compositions([composition()])
    run.manifest_file.unlink()
    with pytest.raises(InputError, match=r"holds compositions\.jsonl without a manifest; give a folder of its own$"):
        Run.start(run.folder, MANIFEST)


def test_notes_stand_in_the_manifest_and_hold_nobody_to_them(run: Run) -> None:
    run.note(models={"student": "m"}, spent={"usd": 1.0})
    run.note(spent={"usd": 2.0})
    manifest = Run.start(run.folder, MANIFEST).manifest()
    assert (manifest["models"], manifest["spent"]) == ({"student": "m"}, {"usd": 2.0})
    assert manifest["plan"] == {"ks": [1, 2], "seed": 0}


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


def test_a_document_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    write_json(path, {"a": 1})
    (tmp_path / f".scores.json.{os.getpid()}").mkdir()
    with pytest.raises(WriteError) as failed:
        write_json(path, {"b": 1})
    assert failed.value.filename == str(path)
    assert json.loads(path.read_text()) == {"a": 1}
