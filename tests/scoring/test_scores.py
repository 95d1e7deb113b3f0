import json
import subprocess
import sys
from pathlib import Path

import pytest
from records import composition, grade

from skillmix_lightning.runs import Run
from skillmix_lightning.scoring import score, write_scores
from skillmix_lightning.scoring.intervals import interval

TEXTS = [
    composition("h3", ["a", "b", "c"], split="held_out"),
    composition("t1", ["a"]),
    composition("t2"),
    composition("u2"),
    composition("v2"),
    composition("all", ["a"], split="all"),
]
GRADES = [
    grade(TEXTS[0], "110 111"),
    grade(TEXTS[1], "1 111"),
    grade(TEXTS[2], "11 111"),
    grade(TEXTS[2], "11 111", grading=1),
    grade(TEXTS[3], "11 101"),
    grade(TEXTS[4], "", status="unparsed"),
]


def test_there_is_a_row_for_each_split_and_k_in_order() -> None:
    rows = score(TEXTS, GRADES)
    assert [(row.split, row.k) for row in rows] == [("train", 1), ("train", 2), ("held_out", 3), ("all", 1)]


def test_a_row_is_the_mean_over_scored_combinations() -> None:
    row = score(TEXTS, iter(GRADES))[1]
    assert (row.combinations, row.generations, row.gradings, row.unscored) == (3, 1, 2, 1)
    assert (row.full_marks, row.all_skills, row.skill_fraction) == (0.5, 1.0, 0.5)
    assert row.ci95 == {
        "full_marks": interval([1.0, 0.0]),
        "all_skills": interval([1.0, 1.0]),
        "skill_fraction": interval([1.0, 0.0]),
    }
    assert row.std_error == pytest.approx({"full_marks": 0.5, "all_skills": 0.0, "skill_fraction": 0.5})


def test_a_row_without_a_scored_combination_has_no_figures_and_no_zeros() -> None:
    row = score(TEXTS, GRADES)[3]
    assert (row.combinations, row.unscored) == (1, 1)
    assert (row.full_marks, row.all_skills, row.skill_fraction) == (None, None, None)
    assert set(row.ci95.values()) == set(row.std_error.values()) == {None}


def test_nothing_has_no_rows() -> None:
    assert score([], []) == []


def test_scores_json_has_exactly_the_fields_of_the_format(tmp_path: Path) -> None:
    run = Run.start(tmp_path, {})
    run.add_compositions([composition("t1", ["a"]), composition("t1", ["a"], generation=1)])
    run.add_grades([grade(text, "1 111") for text in run.compositions()[:1]])
    rows = write_scores(run, "mean")
    low = interval([1.0])[0]
    means = {"full_marks": 1.0, "all_skills": 1.0, "skill_fraction": 1.0}
    document = json.loads(run.scores_file.read_text())
    assert document == {
        "protocol": "paper",
        "name_rule": True,
        "over_generations": "mean",
        "scores": [
            {
                "split": "train",
                "k": 1,
                "combinations": 1,
                "generations": 2,
                "gradings": 1,
                "unscored": 0,
                **means,
                "ci95": {metric: [low, 1.0] for metric in means},
                "std_error": dict.fromkeys(means, None),
            }
        ],
    }
    assert rows == score(run.compositions(), run.grades(), "mean")


def test_scores_can_be_rebuilt_at_any_time(tmp_path: Path) -> None:
    run = Run.start(tmp_path, {})
    run.add_compositions(TEXTS)
    run.add_grades(GRADES)
    write_scores(run)
    before = run.scores_file.read_bytes()
    run.scores_file.unlink()
    write_scores(run)
    assert run.scores_file.read_bytes() == before


def test_scoring_grading_and_evaluating_need_no_torch() -> None:
    rooms = ("scoring", "runs", "pipeline.evaluate", "graders.checker", "report.terminal")
    imports = ", ".join(f"skillmix_lightning.{room}" for room in rooms)
    code = f"import sys, {imports}; print([name for name in ('torch', 'transformers') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"
