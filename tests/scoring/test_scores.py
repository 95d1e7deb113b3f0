import json
import random
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from records import composition, grade

from skillmix_lightning.errors import InputError
from skillmix_lightning.runs import Run
from skillmix_lightning.scoring import score, write_scores
from skillmix_lightning.scoring.intervals import interval

TEXTS = [
    composition("h3", ["metaphor", "simile", "litotes"], split="held_out"),
    composition("t1", ["metaphor"]),
    composition("t2"),
    composition("u2"),
    composition("v2"),
    composition("all", ["metaphor"], split="all"),
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
    assert (row.planned, row.graded) == (3, 2)
    assert row.texts == {"planned": 3, "graded": 2, "unscored": 1}
    assert row.grades == {"planned": 4, "graded": 3, "unscored": 1}
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
    run.add_compositions([composition("t1", ["metaphor"]), composition("t1", ["metaphor"], generation=1)])
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
                "planned": 1,
                "texts": {"planned": 2, "graded": 1, "unscored": 1},
                "grades": {"planned": 1, "graded": 1, "unscored": 0},
            }
        ],
    }
    assert rows == score(run.compositions(), run.grades(), "mean")


def test_rounds_are_counted_and_need_not_start_at_0() -> None:
    texts = [composition("a", generation=1), composition("a", generation=4)]
    (row,) = score(texts, [grade(texts[0], "11 111", 2), grade(texts[1], "11 111", 5)])
    assert (row.generations, row.gradings) == (2, 2)


def test_a_run_s_plan_says_what_was_planned_and_unwritten_cells_have_a_row(tmp_path: Path) -> None:
    plan = {"splits": ["train"], "ks": [2, 3], "combinations": 4, "generations": 3, "gradings": 2}
    run = Run.start(tmp_path, {"plan": plan})
    run.add_compositions([composition("a"), composition("a", generation=1), composition("b", ["simile"])])
    run.add_grades([grade(composition("a"), "11 111")])
    unplanned, two, three = write_scores(run)
    assert (unplanned.k, unplanned.planned, unplanned.texts["planned"]) == (1, 1, 1)
    assert (two.k, two.planned, two.combinations, two.graded, two.unscored) == (2, 4, 1, 1, 0)
    assert two.texts == {"planned": 12, "graded": 1, "unscored": 1}
    assert two.grades == {"planned": 24, "graded": 1, "unscored": 0}
    assert (three.k, three.planned, three.combinations, three.full_marks) == (3, 4, 0, None)


def test_the_rules_chosen_are_on_record(tmp_path: Path) -> None:
    run = Run.start(tmp_path, {})
    run.add_compositions([composition()])
    run.add_grades([replace(grade(composition(), "00 000"), raw="| a | 1 |\n| b | 1 |\n| c | 1 |\n| d | 1 |")])
    (row,) = write_scores(run, "mean", "reference", name_rule=False)
    document = json.loads(run.scores_file.read_text())
    assert (document["protocol"], document["over_generations"], document["name_rule"]) == ("reference", "mean", False)
    assert row.full_marks == 1


def test_a_refusal_names_the_run(tmp_path: Path) -> None:
    run = Run.start(tmp_path, {})
    run.add_compositions([composition()])
    run.add_grades([grade(composition(), "11 111")])
    with pytest.raises(InputError, match=f"^{re.escape(str(tmp_path))}: protocol reference reads tables"):
        write_scores(run, protocol="reference")
    assert not run.scores_file.exists()


def test_imported_replies_to_the_prompt_for_prose_are_read_as_such() -> None:
    text, prose = composition(), "Point earned: 1\n" * 4
    grades = [replace(grade(text, "", status="unparsed"), raw=prose)]
    manifest = {"imported_from": {}, "prompts": {"grading": ["llama"]}}
    (row,) = score([text], grades, protocol="reference", manifest=manifest)
    assert row.full_marks == 1
    (row,) = score([text], grades, protocol="reference")
    assert row.full_marks == 0
    manifest["prompts"] = {"grading": ["gpt", "llama"]}
    with pytest.raises(InputError, match=r"^graded with prompts for prose and for tables \(gpt, llama\)"):
        score([text], grades, protocol="reference", manifest=manifest)


def test_scoring_a_large_run_is_quick(tmp_path: Path) -> None:
    skills = ["metaphor", "red herring", "modus ponens", "spatial reasoning", "self serving bias"]
    words = "The keeper in the tall wooden hive near the river counts every slow bee twice"
    texts = [
        composition(f"{k}/{n}", skills[:k], generation, text=f"{words} {n} {generation}. " * 4)
        for k in (2, 3, 4, 5)
        for n in range(100)
        for generation in range(3)
    ]
    run = Run.start(tmp_path, {})
    run.add_compositions(texts)
    chance = random.Random(0)
    run.add_grades(
        [
            grade(text, "".join(chance.choices("1110", k=text.combination.k + 3)), grading)
            for text in texts
            for grading in range(3)
        ]
    )
    start = time.process_time()
    rows = write_scores(run, "mean")
    spent = time.process_time() - start
    assert [row.graded for row in rows] == [100] * 4
    assert spent < 3, "0.8 s are expected on an idle machine"


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


def test_records_without_a_manifest_are_scored(tmp_path):
    text = composition()
    run = Run(tmp_path)
    run.add_compositions([text])
    run.add_grades([grade(text, "11 111")])
    (row,) = write_scores(run)
    assert (row.full_marks, row.planned) == (1.0, 1)


def test_a_folder_without_records_and_manifest_is_no_run(tmp_path):
    with pytest.raises(InputError, match="holds no run"):
        write_scores(Run(tmp_path))
