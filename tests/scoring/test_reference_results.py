"""Imported results folders, scored as the reference implementation would, against a plain recomputation."""

import csv
import random
import re
from pathlib import Path

import numpy as np
import pytest
from results_folder import PUBLISHED, Text, copy_published, table, write_round

from skillmix_lightning.runs import Run
from skillmix_lightning.runs.reference_results import import_reference
from skillmix_lightning.scoring import METRICS, Score, write_scores

SKILLS = (
    "metaphor",
    "red herring",
    "accident (fallacy)",
    "complex question (loaded question with implicit assumption )",
    "spatial reasoning",
    "modus ponens",
    "statistical syllogism",
)
TOPICS = ("Sewing", "The Ottoman Empire", "Totalitarianism")
SENTENCES = (
    "Mr. Smith sews.",
    'He said, "Stop." ',
    "Bees, metaphorical ones, hum!",
    "Is it an accident?",
    "J. R. has a red herring.",
    "Nothing else matters\n",
    "“Curly.” ",
    "they reason spatially.",
    "",
)
POINTS = (1, 1, 1, 1, 0, 0, 0.5, "1/1", "0/1", "**1**", "1 (see 2)", "-1", "✓", "one", 2)


def imported(root: Path, out: Path, student: str = "pupil", grader: str = "judge") -> Run:
    import_reference(root, student, grader, out)
    return Run(out)


def figures(row: Score) -> list[tuple[float | None, float | None]]:
    return [(getattr(row, metric), row.std_error[metric]) for metric in METRICS]


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published results are not here")
@pytest.mark.parametrize("name_rule", [True, False])
def test_the_published_results_of_gpt_4(tmp_path: Path, name_rule: bool) -> None:
    root = copy_published(tmp_path / "results", {2: 1, 3: 2})
    run = imported(root, tmp_path / "run", "gpt-4", "gpt-4")
    (best,) = write_scores(run, "max", "reference", name_rule)
    (mean,) = write_scores(run, "mean", "reference", name_rule)
    assert (best.split, best.k, best.combinations, best.generations, best.gradings) == ("all", 3, 5, 2, 3)
    assert best.texts == {"planned": 10, "graded": 10, "unscored": 0}
    assert best.grades == {"planned": 30, "graded": 30, "unscored": 0}
    full, fraction = [1, 1, 1, 0, 0], [1, 1, 1, 2 / 3, 2 / 3]
    assert figures(best) == [(m, pytest.approx(e, abs=1e-15)) for m, e in map(mean_and_error, [full, full, fraction])]
    assert [f"{m:.2f} {e:.3f}" for m, e in figures(best)] == ["0.60 0.245", "0.60 0.245", "0.87 0.082"]
    assert [f"{m:.2f} {e:.3f}" for m, e in figures(mean)] == ["0.30 0.122", "0.30 0.122", "0.77 0.041"]


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published results are not here")
@pytest.mark.parametrize("student", ["llama2-7b-chat", "mistral-7b-chat"])
def test_the_published_results_of_weak_students_are_zeros(tmp_path: Path, student: str) -> None:
    run = imported(PUBLISHED, tmp_path / "run", student, "gpt-4")
    (row,) = write_scores(run, "max", "reference")
    assert (row.full_marks, row.all_skills, row.skill_fraction) == (0, 0, 0)
    (row,) = write_scores(run)
    assert (row.full_marks, row.unscored) == (None, 5)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [2, 3, 4, 5, 6])
def test_any_results_folder_gives_what_the_formula_gives(tmp_path: Path, k: int, seed: int) -> None:
    chance = random.Random(100 * k + seed)
    root, generations, gradings = tmp_path / "results", chance.randint(1, 3), chance.randint(1, 4)
    asked = [(chance.sample(SKILLS, k), chance.choice(TOPICS)) for _ in range(7)]
    for generation in range(generations):
        texts = [Text(*combination, random_text(chance, k)) for combination in asked]
        graded = [Text(t.skills, t.topic, t.text, random_replies(chance, t, gradings)) for t in texts]
        roles = chance.choice([("user", "assistant"), ("[INST]", "[/INST]")])
        write_round(root, generation + 1, graded, k=k, seed=seed, roles=roles)
    run = imported(root, tmp_path / "run")
    for name_rule in (True, False):
        points = recomputed(root, k, seed, generations, gradings, name_rule)
        for over in ("max", "mean"):
            (row,) = write_scores(run, over, "reference", name_rule)
            assert (row.combinations, row.generations, row.gradings) == (7, generations, gradings)
            expected = metrics_of(points, over)
            assert figures(row) == [pytest.approx(figure, abs=1e-12) for figure in expected]
            assert expected[-1][0] > 0, "a folder without a point would show nothing"


def random_text(chance: random.Random, k: int) -> str:
    return " ".join(chance.choices(SENTENCES, k=chance.randint(1, k))).strip()


def random_replies(chance: random.Random, text: Text, gradings: int) -> list[str]:
    """Mostly full marks, so that means differ from zero; rounds may be copies."""
    good = chance.random() < 0.7
    replies = [random_reply(chance, text, good) for _ in range(gradings)]
    return [replies[0]] * gradings if chance.random() < 0.3 else replies


def random_reply(chance: random.Random, text: Text, good: bool) -> str:
    k = len(text.skills)
    points = [1 if good and chance.random() < 0.8 else chance.choice(POINTS) for _ in range(k + 3)]
    reply = table(text.skills, text.topic, points)
    if chance.random() < 0.15:
        return chance.choice(["I cannot grade this.", "", "Grade: 5 of 6", "Here's the grading table:"])
    lines = reply.split("\n")
    odd = chance.random()
    if odd < 0.1:
        del lines[chance.randrange(4, 4 + k + 3)]  # a row too few
    elif odd < 0.2:
        lines.insert(chance.randrange(4, 4 + k + 3), "| Is written with care | 1 |")  # a row too many
    elif odd < 0.25:
        lines.append("| Behind the explanation | 1 |")
    elif odd < 0.3:
        lines = [*lines[: 4 + k + 3], "Here's the grading table:", *lines[4:]]
    if chance.random() < 0.5:
        lines.insert(next(n for n, line in enumerate(lines) if "Explanation" in line), "| **Total** Points | 6 |")
    return "\n".join(lines)


def recomputed(root: Path, k: int, seed: int, generations: int, gradings: int, name_rule: bool) -> np.ndarray:
    """Points of (generation, grading round, combination, criterion), straight from the files."""
    points = []
    for generation in range(1, generations + 1):
        folder = root / f"k{k}_s{seed}_vdefault_r{generation}" / "pupil"
        texts = [row["text_1"] for row in records(folder)]
        for grading in range(1, gradings + 1):
            rows = records(folder / "graded" / f"by_judge_on_text_1_{grading}_gpt")
            points.append([recomputed_row(row, text, k, name_rule) for row, text in zip(rows, texts, strict=True)])
    return np.array(points, dtype=np.float32).reshape(generations, gradings, -1, k + 3)


def records(folder: Path) -> list[dict[str, str]]:
    with (folder / "records.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def recomputed_row(row: dict[str, str], text: str, k: int, name_rule: bool) -> list[float]:
    found: dict[str, float] = {}
    for line in row["assistant_0"].rpartition("Here's the grading table:")[2].partition("Explanation:")[0].split("\n"):
        if "|" in line and "--" not in line and "criteria" not in line.lower():
            key, value = [cell.strip() for cell in line.split("|") if cell.strip()][:2]
            digits = "".join(c for c in value if c in "0123456789./")
            if digits:
                found[key.lower()] = float(digits.split("/")[0])
    points = [value for key, value in found.items() if "total" not in key][: k + 3]
    points += [0.0] * (k + 3 - len(points))
    counted = text
    for title in ["Mr", "Mrs", "Ms", "Dr", "Prof"]:
        counted = re.sub(title + r"[^\n] ", title + ".", counted)
    sentences = len(re.split(r"[.!?][\"']* [\"']*[A-Z]", counted))
    points[-1] = float(sentences <= max(1, k - 1))
    if name_rule:
        for place, skill in enumerate(row["skills"].replace("\n", "").split(",")):
            if skill.split("(")[0].strip().lower() in text.lower():
                points[place] = 0.0
    return points


def metrics_of(points: np.ndarray, over: str) -> list[tuple[float, float]]:
    verdicts = np.rint(points.mean(axis=1)).astype(float)
    k = verdicts.shape[-1] - 3
    skills, others = verdicts[..., :k].sum(axis=-1), verdicts[..., k:].sum(axis=-1)
    values = [
        (verdicts.sum(axis=-1) == k + 3).astype(float),
        ((skills == k) & (others >= 2)).astype(float),
        np.where(others == 3, skills / k, 0.0),
    ]
    return [mean_and_error(value.max(axis=0) if over == "max" else value.mean(axis=0)) for value in values]


def mean_and_error(values: "np.ndarray | list[float]") -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))
