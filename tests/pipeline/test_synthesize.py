import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from skillmix_lightning.catalogue import load_catalogue
from skillmix_lightning.errors import InputError
from skillmix_lightning.graders import CheckerGrader
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.pipeline.synthesize import Yield, distinct_ratio, draw_training, synthesize
from skillmix_lightning.prompts import load_prompts
from skillmix_lightning.runs import Run
from skillmix_lightning.scoring import score_combinations
from skillmix_lightning.students.base import Composition, Request
from skillmix_lightning.students.template import TemplateStudent

CATALOGUE = load_catalogue("verifiable")
PROMPTS = load_prompts("brief-v1")


class StudentOf(TemplateStudent):
    """Writes the given texts instead of its own where there is one; None keeps its own."""

    def __init__(self, texts: Sequence[str | None]) -> None:
        super().__init__(CATALOGUE)
        self.texts = texts

    def write(self, requests: Sequence[Request]) -> Iterator[Composition]:
        for composition, text in zip(super().write(requests), self.texts, strict=True):
            yield composition if text is None else replace(composition, text=text)


class NameGrader(CheckerGrader):
    """Gives full marks to every text but "bad" ones, and cannot grade "unreadable" ones."""

    def grade(self, compositions: Sequence[Composition], gradings: int = 1) -> Iterator[Grade]:
        for composition, grade in zip(compositions, super().grade(compositions), strict=True):
            if composition.text == "unreadable":
                yield replace(grade, status="unparsed", points={})
            else:
                yield replace(grade, points=dict.fromkeys(grade.points, int(composition.text != "bad")))


def make(folder: Path, attempts: dict[int, int], student=None, grader=None) -> tuple[list[Yield], list[dict], Run]:
    run = Run.start(folder / "run", {"catalogue_id": CATALOGUE.id, "prompts": {"id": PROMPTS.id, "sha256": ""}})
    student, grader = student or TemplateStudent(CATALOGUE), grader or CheckerGrader(CATALOGUE)
    drawn = draw_training(CATALOGUE, attempts)
    yields = synthesize(run, CATALOGUE, PROMPTS, drawn, student, grader, folder / "data.jsonl")
    rows = [json.loads(line) for line in (folder / "data.jsonl").read_text(encoding="utf-8").splitlines()]
    return yields, rows, run


def test_singles_show_all_skills_and_compositions_training_skills_on_training_topics() -> None:
    drawn = draw_training(CATALOGUE, {1: 600, 2: 50, 3: 50})
    assert {CATALOGUE.topic(combination.topic).split for combination in drawn} == {"train"}
    assert {c.skills[0] for c in drawn if c.k == 1} == {skill.name for skill in CATALOGUE.skills}
    assert {CATALOGUE.skill(name).split for c in drawn if c.k > 1 for name in c.skills} == {"train"}
    assert [sum(c.k == k for c in drawn) for k in (1, 2, 3)] == [600, 50, 50]
    assert {(c.k == 1, c.split) for c in drawn} == {(True, "all"), (False, "train")}


def test_exactly_the_texts_with_full_marks_are_kept(tmp_path: Path) -> None:
    spoilt = StudentOf(["A text about nothing.", None, None, ""] * 5)
    yields, rows, run = make(tmp_path, {1: 8, 3: 12}, spoilt)
    scored = zip(run.compositions(), score_combinations(run.compositions(), run.grades()), strict=True)
    full = [composition for composition, row in scored if row.score is not None and row.score.full_marks == 1]
    assert 0 < len(full) <= 10
    assert [(row["id"], row["text"]) for row in rows] == [(f"{c.combination.id}-0", c.text) for c in full]
    assert [(row.k, row.written, row.kept) for row in yields] == [
        (k, count, sum(c.combination.k == k for c in full)) for k, count in ((1, 8), (3, 12))
    ]


def test_a_row_says_what_it_is_and_where_it_is_from(tmp_path: Path) -> None:
    _, rows, run = make(tmp_path, {2: 1})
    (composition,), (grade,) = run.compositions(), run.grades()
    assert rows == [
        {
            "id": f"{composition.combination.id}-0",
            "k": 2,
            "split": "train",
            "skills": list(composition.combination.skills),
            "topic": composition.combination.topic,
            "text": composition.text,
            "messages": list(composition.turns),
            "grades": [{"grader": "checker", "grading": 0, "points": grade.points}],
            "provenance": {"catalogue_id": CATALOGUE.id, "prompts": "brief-v1", "student": "template"},
        }
    ]
    assert [turn["role"] for turn in rows[0]["messages"]] == ["user", "assistant"]


def test_a_text_is_kept_once_and_what_has_no_grade_is_not(tmp_path: Path) -> None:
    texts = ["good", "bad", "good", "unreadable", "fine", "bad"]
    yields, rows, _ = make(tmp_path, {1: 6}, StudentOf(texts), NameGrader(CATALOGUE))
    assert [row["text"] for row in rows] == ["good", "fine"]
    assert yields == [Yield(k=1, written=6, kept=2, duplicates=2)]
    assert yields[0].share == pytest.approx(2 / 6)
    assert yields[0].distinct == distinct_ratio(yields) == pytest.approx(4 / 6)


def test_no_text_with_full_marks_gives_an_empty_data_set(tmp_path: Path) -> None:
    yields, rows, _ = make(tmp_path, {1: 3}, StudentOf(["bad"] * 3), NameGrader(CATALOGUE))
    assert rows == []
    assert [row.kept for row in yields] == [0]


def test_made_again_from_its_records_it_is_the_same_file(tmp_path: Path) -> None:
    first = make(tmp_path, {1: 5, 2: 5})
    before = (tmp_path / "data.jsonl").read_bytes()
    (tmp_path / "data.jsonl").unlink()
    assert make(tmp_path, {1: 5, 2: 5}) == first
    assert (tmp_path / "data.jsonl").read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["data.jsonl", "run"]


def test_too_many_attempts_are_refused() -> None:
    with pytest.raises(InputError, match=r"^100000 combinations of k=1 asked for; the all split has only \d+$"):
        draw_training(CATALOGUE, {1: 100_000})
