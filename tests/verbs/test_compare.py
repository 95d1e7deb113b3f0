"""`compare`: what may be compared, and what is then said, without torch."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from records import composition, grade
from results_folder import Text, write_round

from skillmix_lightning.errors import InputError
from skillmix_lightning.runs import Run
from skillmix_lightning.scoring import write_scores
from skillmix_lightning.verbs.compare import main
from skillmix_lightning.verbs.import_reference import import_results

MANIFEST = {"catalogue_id": "abc", "prompts": {"id": "paper-v1", "sha256": "0"}}


def make_run(
    folder: Path,
    earned: list[str],
    text: str = "A text",
    grader: str = "judge",
    answering: str = "",
    generations: int = 1,
    gradings: int = 1,
    first: int = 0,
    **manifest: object,
) -> str:
    """A run of a combination for each of `earned`, every one of its texts graded so in every round."""
    run = Run.start(folder, {**MANIFEST, **manifest})
    texts = [
        composition(f"c{number}", generation=generation, text=f"{text} {number}.")
        for number in range(first, first + len(earned))
        for generation in range(generations)
    ]
    run.add_compositions(texts)
    points = [each for each in earned for _ in range(generations)]
    graded = [
        replace(grade(each, of_text, grading), grader=grader, usage={"model": answering} if answering else {})
        for each, of_text in zip(texts, points, strict=True)
        for grading in range(gradings)
    ]
    run.add_grades(graded)
    return str(folder)


WEAK, STRONG = ["00 111"] * 20, ["11 111"] * 12 + ["00 111"] * 8
ONE_PROMPT, ANOTHER_PROMPT = ({"id": name, "sha256": name[-1] * 64} for name in ("strict-1", "strict-2"))


@pytest.fixture
def pair(tmp_path):
    return [make_run(tmp_path / "base", WEAK), make_run(tmp_path / "tuned", STRONG, text="Another")]


def compared(capsys, *args):
    main("compare", [*args, "--json", "true"])
    return json.loads(capsys.readouterr().out)


def refusal(*args: str) -> str:
    with pytest.raises(InputError) as error:
        main("compare", list(args))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_two_runs_are_tested_against_each_other(capsys, pair):
    document = compared(capsys, *pair)
    assert document["runs"] == pair
    rules = [document[name] for name in ("protocol", "over_generations", "name_rule")]
    assert rules == ["paper", "max", True]
    row = document["comparisons"][0]
    assert (row["split"], row["k"], row["metric"], row["combinations"]) == ("train", 2, "full_marks", 20)
    assert (row["before"], row["after"], row["difference"], row["verdict"]) == (0.0, 0.6, 0.6, "higher")
    assert row["p_value"] == pytest.approx(2 / 2**12)
    assert 0 < row["ci95"][0] < 0.6 < row["ci95"][1]
    assert document["agreement"] == document["full_marks"] == []


def test_the_tables_say_which_is_better(capsys, pair):
    main("compare", pair)
    lines = capsys.readouterr().out.splitlines()
    assert any(
        line.split()[:5] == ["train", "2", "20", "0.00", "0.60"] and line.split()[-1] == "higher" for line in lines
    )
    assert "protocol paper, name rule on, max over generations" in " ".join(" ".join(lines).split())


@pytest.mark.parametrize(
    ("differing", "what"),
    [
        ({"catalogue_id": "xyz"}, "different catalogue: abc and xyz"),
        ({"first": 5}, "different combinations: 5 of 20 are in .*a only (train k=2) and 5 of 20 are in .*b only"),
        ({"prompts": {"id": "hardened-v1", "sha256": "1"}}, "different prompts: paper-v1 and hardened-v1"),
        ({"generations": 3}, "different generations: 1 and 3"),
        ({"gradings": 2}, "different gradings: 1 and 2"),
        ({"grader": "claude"}, "different grader: judge and claude"),
    ],
)
def test_runs_that_differ_in_more_than_their_student_are_refused(tmp_path, differing, what):
    runs = [make_run(tmp_path / "a", WEAK), make_run(tmp_path / "b", WEAK, text="Another", **differing)]
    message = refusal(*runs)
    assert "cannot be compared" in message
    for part in what.split(".*"):
        assert part in message


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        ({"answering": "m-0613"}, {"answering": "m-1106"}, "judge, answering as m-0613 and judge, answering as m-1106"),
        (
            {"grader_prompts": ONE_PROMPT},
            {"grader_prompts": ANOTHER_PROMPT},
            "judge, prompts strict-1 (11111111) and judge, prompts strict-2 (22222222)",
        ),
    ],
)
def test_graders_of_one_name_that_are_not_the_same_are_refused(tmp_path, one, other, what):
    runs = [make_run(tmp_path / "a", WEAK, **one), make_run(tmp_path / "b", WEAK, text="Another", **other)]
    assert f"different grader: {what} (where that is meant: --allow [grader])" in refusal(*runs)


def test_a_run_that_does_not_say_who_answered_may_be_compared(capsys, tmp_path):
    runs = [make_run(tmp_path / "a", WEAK, answering="m-0613"), make_run(tmp_path / "b", STRONG, text="Another")]
    assert compared(capsys, *runs)["comparisons"]


def test_imported_prose_is_compared_as_it_is_scored(capsys, tmp_path):
    skills = ("metaphor", "simile")
    for student, points in (("weak", "01111"), ("strong", "11111")):
        reply = "\n".join(f"Criterion: earned: {point}" for point in points)
        texts = [Text(skills, topic, f"By {student}.", [reply]) for topic in ("Sewing", "Knots", "Tea")]
        write_round(tmp_path / "results", 1, texts, student=student, grading_prompt="llama")
        import_results(str(tmp_path / "results"), student, "judge", str(tmp_path / student))
    capsys.readouterr()
    document = compared(capsys, str(tmp_path / "weak"), str(tmp_path / "strong"), "--protocol", "reference")
    rows = {row["metric"]: (row["before"], row["after"]) for row in document["comparisons"]}
    assert rows == {"full_marks": (0, 1), "all_skills": (0, 1), "skill_fraction": (0.5, 1)}


def test_all_that_differs_is_said_at_once(tmp_path):
    runs = [make_run(tmp_path / "a", WEAK), make_run(tmp_path / "b", WEAK, "Another", "claude", catalogue_id="xyz")]
    assert all(part in refusal(*runs) for part in ("catalogue: abc and xyz", "grader: judge and claude"))


def test_a_difference_that_is_meant_is_allowed(capsys, tmp_path):
    runs = [make_run(tmp_path / "a", WEAK), make_run(tmp_path / "b", STRONG, "Another", "claude", generations=2)]
    assert "--allow [grader, generations]" in refusal(*runs, "--allow", "[grader]")
    assert compared(capsys, *runs, "--allow", "[grader,generations]")["comparisons"]


def test_runs_scored_by_different_rules_need_to_be_told_which(capsys, pair):
    for folder, over_generations in zip(pair, ("max", "mean"), strict=True):
        write_scores(Run(Path(folder)), over_generations)
    message = refusal(*pair)
    assert f"over_generations is max ({pair[0]}), mean ({pair[1]}); give --over_generations" in message
    assert compared(capsys, *pair, "--over_generations", "mean")["over_generations"] == "mean"


def test_the_rules_are_those_of_the_runs_scores(capsys, pair):
    for folder in pair:
        write_scores(Run(Path(folder)), "mean", name_rule=False)
    document = compared(capsys, *pair)
    assert (document["over_generations"], document["name_rule"]) == ("mean", False)
    assert compared(capsys, *pair, "--name_rule", "true")["name_rule"] is True


def test_graders_of_the_same_texts_are_set_side_by_side(capsys, tmp_path):
    runs = [
        make_run(tmp_path / "strict", WEAK, gradings=3),
        make_run(tmp_path / "kind", STRONG, grader="claude"),
        make_run(tmp_path / "middling", STRONG[4:] + WEAK[:4], grader="llama"),
    ]
    document = compared(capsys, *runs[:2], "--least_agreement", "0.9")
    agreement = {row["criterion"]: row["raw"] for row in document["agreement"]}
    assert agreement == {"skills": 0.4, "topic": 1.0, "sense": 1.0, "length": 1.0, "all": pytest.approx(0.76)}
    assert document["below_least_agreement"] == ["skills", "all"]
    assert document["comparisons"][0]["verdict"] == "higher"
    (row,) = document["full_marks"]
    assert row["by"] == {runs[0]: 0.0, runs[1]: 0.6}
    assert [each["raw"] for each in document["agreement_of_rounds"][runs[0]]] == [1.0] * 5

    document = compared(capsys, *runs)
    assert (document["comparisons"], document["agreement"][0]["raters"]) == ([], 3)
    assert document["full_marks"][0]["by_majority"] == 0.4

    main("compare", [*runs[:2], "--least_agreement", "0.9"])
    assert "least agreement 0.9: below it on: skills, all" in capsys.readouterr().out


def test_one_runs_rounds_are_compared_with_one_another(capsys, tmp_path):
    run = make_run(tmp_path / "a", STRONG, gradings=3)
    document = compared(capsys, run)
    assert [row["raters"] for row in document["agreement_of_rounds"][run]] == [3] * 5
    main("compare", [run])
    assert "agreement of the grading rounds of" in " ".join(capsys.readouterr().out.split())


def test_the_parrot_bound_stands_beside_full_marks(capsys, pair, tmp_path):
    (tmp_path / "f.yaml").write_text("documents: 1.0e+9\nskills: 0.01\ntopics: 1.0e-6\n")
    document = compared(capsys, *pair, "--frequencies", str(tmp_path / "f.yaml"))
    (row,) = document["parrot_bounds"]
    assert (row["split"], row["k"], row["combinations"], row["bound"]) == ("train", 2, 20, pytest.approx(0.1))
    main("compare", [*pair, "--frequencies", str(tmp_path / "f.yaml")])
    assert any(
        line.split() == ["train", "2", "0.1", "0.1", "0.00", "0.60"] for line in capsys.readouterr().out.splitlines()
    )


def test_what_cannot_be_compared_is_one_line(pair, tmp_path):
    assert "holds no run" in refusal(pair[0], "no/such/run")
    assert "given twice" in refusal(pair[0], pair[0])
    assert "leaves nothing to compare" in refusal(pair[0])
    assert "above 0 and at most 1" in refusal(*pair, "--least_agreement", "90")
    assert "of different ones" in refusal(*pair, "--least_agreement", "0.9")
    third = make_run(tmp_path / "third", WEAK, text="A third")
    assert "only where they hold the same texts" in refusal(*pair, third)
    Run.start(tmp_path / "empty", MANIFEST)
    assert "holds no text to compare" in refusal(pair[0], str(tmp_path / "empty"))


def test_torch_is_not_imported(pair):
    program = (
        "import sys; from skillmix_lightning.verbs.compare import main; main('compare', sys.argv[1:]); "
        "sys.exit(3 * bool({'torch', 'transformers', 'lightning', 'scipy.stats'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program, *pair], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
