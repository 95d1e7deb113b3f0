import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from skillmix_lightning.catalogue import load_catalogue
from skillmix_lightning.errors import InputError, Stopped
from skillmix_lightning.graders import CheckerGrader
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.pipeline.synthesis_plan import Candidates, SynthesisPlan, draw_training
from skillmix_lightning.pipeline.synthesize import Synthesis, derive, synthesize
from skillmix_lightning.runs import Run
from skillmix_lightning.scoring import score_combinations
from skillmix_lightning.students.base import Composition, Request
from skillmix_lightning.students.template import TemplateStudent

CATALOGUE = load_catalogue("verifiable")


class StudentOf(TemplateStudent):
    """Writes the given texts instead of its own where there is one; None keeps its own."""

    def __init__(self, texts: Sequence[str | None], finish_reason: str = "stop") -> None:
        super().__init__(CATALOGUE)
        self.texts = iter(texts)
        self.finish_reason = finish_reason

    def write(self, requests: Sequence[Request]) -> Iterator[Composition]:
        for composition in super().write(requests):
            text = next(self.texts)
            composition = replace(composition, finish_reason=self.finish_reason)
            yield composition if text is None else replace(composition, text=text)


class NameGrader(CheckerGrader):
    """Gives full marks to every text but "bad" ones, cannot grade "unreadable" ones, and is away for "later" ones."""

    away = True

    def grade(self, compositions: Sequence[Composition], gradings: int = 1) -> Iterator[Grade]:
        for composition in compositions:
            for grade in super().grade([composition], gradings):
                if composition.text == "unreadable":
                    yield replace(grade, status="unparsed", points={}, reason="no table")
                elif composition.text == "later" and self.away:
                    yield replace(grade, status="error", points={}, reason="it is down")
                else:
                    yield replace(grade, points=dict.fromkeys(grade.points, int(composition.text != "bad")))


def plan_of(attempts: dict[int, int] | None = None, **settings) -> SynthesisPlan:
    return SynthesisPlan(**{"catalogue": "verifiable", "attempts": attempts, "prompts": "brief-v1", **settings})


def make(folder: Path, plan: SynthesisPlan, student=None, grader=None, **settings) -> tuple[Synthesis, list[dict], Run]:
    run = Run.start(folder / "run", plan.manifest())
    student, grader = student or TemplateStudent(CATALOGUE), grader or CheckerGrader(CATALOGUE)
    made = synthesize(run, plan, student, grader, **settings)
    return made, rows_of(run), run


def rows_of(run: Run, name: str = "dataset.jsonl") -> list[dict]:
    return [json.loads(line) for line in (run.folder / name).read_text(encoding="utf-8").splitlines()]


def test_singles_show_all_skills_and_compositions_training_skills_on_training_topics() -> None:
    drawn = draw_training(CATALOGUE, {1: 600, 2: 50, 3: 50})
    assert {CATALOGUE.topic(combination.topic).split for combination in drawn} == {"train"}
    assert {c.skills[0] for c in drawn if c.k == 1} == {skill.name for skill in CATALOGUE.skills}
    assert {CATALOGUE.skill(name).split for c in drawn if c.k > 1 for name in c.skills} == {"train"}
    assert [sum(c.k == k for c in drawn) for k in (1, 2, 3)] == [600, 50, 50]
    assert {(c.k == 1, c.split) for c in drawn} == {(True, "all"), (False, "train")}


def test_exactly_the_texts_with_full_marks_are_kept(tmp_path: Path) -> None:
    spoilt = StudentOf(["A text about nothing.", None, None, ""] * 5)
    made, rows, run = make(tmp_path, plan_of({1: 8, 3: 12}), spoilt)
    scored = zip(run.compositions(), score_combinations(run.compositions(), run.grades()), strict=True)
    full = [composition for composition, row in scored if row.score is not None and row.score.full_marks == 1]
    assert 0 < len(full) <= 10
    assert [(row["id"], row["text"]) for row in rows] == [(f"{c.combination.id}-0", c.text) for c in full]
    assert [(row.k, row.written, row.kept) for row in made.yields] == [
        (k, count, sum(c.combination.k == k for c in full)) for k, count in ((1, 8), (3, 12))
    ]
    rejected = [(row["id"], row["outcome"]) for row in rows_of(run, "rejects.jsonl")]
    assert rejected == [(f"{c.combination.id}-0", "failed") for c in run.compositions() if c not in full]


def test_a_row_says_what_it_is_and_where_it_is_from(tmp_path: Path) -> None:
    _, rows, run = make(tmp_path, plan_of({2: 1}))
    (composition,), (grade,) = run.compositions(), run.grades()
    points = [{"criterion": name, "points": 1.0} for name in grade.points]
    assert rows == [
        {
            "id": f"{composition.combination.id}-0",
            "k": 2,
            "split": "train",
            "skills": list(composition.combination.skills),
            "topic": composition.combination.topic,
            "text": composition.text,
            "messages": list(composition.turns),
            "grades": [{"grader": "checker", "grading": 0, "status": "ok", "points": points}],
            "provenance": {"catalogue_id": CATALOGUE.id, "prompts": "brief-v1", "student": "template"},
        }
    ]
    assert [turn["role"] for turn in rows[0]["messages"]] == ["user", "assistant"]


def test_a_text_is_kept_once_and_what_has_no_grade_is_not(tmp_path: Path) -> None:
    texts = ["good", "bad", "Good!", "unreadable", "fine", "bad"]
    made, rows, run = make(tmp_path, plan_of({1: 6}), StudentOf(texts), NameGrader(CATALOGUE))
    assert [row["text"] for row in rows] == ["good", "fine"]
    (row,) = made.yields
    assert (row.written, row.kept, row.duplicates, row.failed, row.unscored) == (6, 2, 1, 2, 1)
    assert row.share == pytest.approx(2 / 6)
    assert row.failure_rates == {name: pytest.approx(0.4) for name in ("skill", "topic", "sense", "length")}
    assert [(r["text"], r["outcome"]) for r in rows_of(run, "rejects.jsonl")] == [
        ("bad", "failed"),
        ("Good!", "duplicate"),
        ("unreadable", "unscored"),
        ("bad", "failed"),
    ]
    reasons = [r["reason"] for r in rows_of(run, "rejects.jsonl")]
    assert reasons[1:3] == [f"the words of {rows[0]['id']}", "unparsed: no table"]


def test_the_yield_counts_each_skill(tmp_path: Path) -> None:
    made, _, run = make(tmp_path, plan_of({1: 40}), StudentOf(["bad", None] * 20), NameGrader(CATALOGUE))
    by_skill = {row.skill: row for row in made.skills}
    asked = [c.combination.skills[0] for c in run.compositions()]
    for name in set(asked):
        failed = sum(skill == name and place % 2 == 0 for place, skill in enumerate(asked))
        row = by_skill[name]
        assert (row.written, row.failed, row.kept) == (asked.count(name), failed, asked.count(name) - failed)
    document = json.loads((run.folder / "yield.json").read_text())
    assert document["ks"][0]["kept"] == 20
    assert [row["skill"] for row in document["skills"]] == sorted(by_skill)


def test_a_text_whose_last_answer_was_cut_is_not_kept(tmp_path: Path) -> None:
    made, rows, run = make(tmp_path, plan_of({1: 2}), StudentOf([None] * 2, finish_reason="length"))
    assert rows == []
    assert made.yields[0].cut == 2
    assert {row["reason"] for row in rows_of(run, "rejects.jsonl")} == {"the last answer ended by length"}


def test_the_name_rule_is_a_setting(tmp_path: Path) -> None:
    names = [f"This {c.skills[0]}." for c in draw_training(CATALOGUE, {1: 3})]
    grader = NameGrader(CATALOGUE, name_rule=False)
    with_rule, _, run = make(tmp_path / "with", plan_of({1: 3}), StudentOf(names), grader)
    without, _, _ = make(tmp_path / "without", plan_of({1: 3}, name_rule=False), StudentOf(names), grader)
    assert (with_rule.kept, without.kept) == (0, 3)
    assert "the text names" in rows_of(run, "rejects.jsonl")[0]["reason"]


def test_no_text_with_full_marks_gives_an_empty_data_set(tmp_path: Path) -> None:
    made, rows, _ = make(tmp_path, plan_of({1: 3}), StudentOf(["bad"] * 3), NameGrader(CATALOGUE))
    assert rows == []
    assert [row.kept for row in made.yields] == [0]


def test_made_again_from_its_records_it_is_the_same_files(tmp_path: Path) -> None:
    plan = plan_of({1: 5, 2: 5})
    first, rows, run = make(tmp_path, plan)
    files = ("dataset.jsonl", "rejects.jsonl", "yield.json", "README.md")
    before = {name: (run.folder / name).read_bytes() for name in files}
    for name in files:
        (run.folder / name).unlink()
    for path in (run.compositions_file, run.grades_file):  # the order in which they came does not matter
        path.write_text("".join(reversed(path.read_text(encoding="utf-8").splitlines(keepends=True))))
    assert derive(run, SynthesisPlan.of_manifest(run.manifest()["plan"])) == first
    assert {name: (run.folder / name).read_bytes() for name in files} == before
    assert make(tmp_path, plan)[:2] == (first, rows)


def test_as_many_are_written_as_the_accepted_ones_take(tmp_path: Path) -> None:
    student = StudentOf(["bad", "bad", "bad", None] * 100)
    made, rows, run = make(tmp_path, plan_of(accepted={1: 10, 2: 6}), student, NameGrader(CATALOGUE))
    assert [row["k"] for row in rows] == [1] * 10 + [2] * 6
    assert [(row.wanted, row.kept) for row in made.yields] == [(10, 10), (6, 6)]
    assert all(2 * row.wanted < row.written <= 10 * row.wanted for row in made.yields)
    assert sum(row.written for row in made.yields) == len(run.compositions())
    _, kept, _ = make(tmp_path / "fewer", plan_of(accepted={1: 4, 2: 6}), TemplateStudent(CATALOGUE))
    _, kept_of_more, _ = make(tmp_path / "more", plan_of(accepted={1: 5, 2: 6}), TemplateStudent(CATALOGUE))
    assert kept == [row for row in kept_of_more if row != kept_of_more[4]]


def test_no_more_are_written_than_the_cap(tmp_path: Path) -> None:
    plan, grader = plan_of(accepted={1: 5, 2: 1}), NameGrader(CATALOGUE)
    made, rows, _ = make(tmp_path, plan, StudentOf(["bad"] * 100), grader, max_attempts=12)
    assert rows == []
    assert [row.written for row in made.yields] == [12, 12]
    higher, _, _ = make(tmp_path, plan, StudentOf([None] * 100), grader, max_attempts=20)
    assert [(row.written, row.kept) for row in higher.yields] == [(20, 5), (20, 1)]
    assert higher.yields[0].surplus == 3


def test_more_texts_than_combinations_are_further_generations() -> None:
    asked = Candidates(plan_of({1: 3000})).requests({1: 3000})
    keys = [(request.combination.id, request.generation) for request in asked]
    different = len(CATALOGUE.skills) * len(CATALOGUE.split_topics("train"))
    assert len(set(keys)) == 3000
    assert [generation for _, generation in keys] == [place // different for place in range(3000)]
    assert keys[different][0] == keys[0][0]


def test_grades_that_could_not_be_given_stop_it_with_the_data_set_of_the_others(tmp_path: Path) -> None:
    student, grader = StudentOf([None, "later", None]), NameGrader(CATALOGUE)
    with pytest.raises(
        Stopped, match=r"^1 of 3 grades are missing, the data set is made without their texts \(it is down"
    ):
        make(tmp_path, plan_of({1: 3}), student, grader)
    assert len(rows_of(Run(tmp_path / "run"))) == 2
    grader.away = False
    _, rows, run = make(tmp_path, plan_of({1: 3}), student, grader)
    assert [row["text"] for row in rows] == [c.text for c in run.compositions()]
    assert len(run.grades()) == 4


def test_progress_is_told_once_over_all_waves(tmp_path: Path) -> None:
    told: list[int] = []
    student = StudentOf(["bad", None] * 100)
    _, _, run = make(tmp_path, plan_of(accepted={1: 10}), student, NameGrader(CATALOGUE), progress=told.append)
    assert sum(told) == len(run.compositions()) + len(run.grades()) > 20
    told.clear()
    make(tmp_path, plan_of(accepted={1: 10}), student, NameGrader(CATALOGUE), progress=told.append)
    assert sum(told) == len(run.compositions()) + len(run.grades())


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "give either attempts or accepted"),
        ({"attempts": {1: 1}, "accepted": {1: 1}}, "give either attempts or accepted"),
        ({"attempts": {0: 5, 2: 0}}, "attempts of k=0 is 5; both have to be at least 1; attempts of k=2 is 0"),
        ({"attempts": {1: 1}, "gradings": 0}, "gradings is 0"),
        ({"attempts": {1: 1}, "near_duplicates": 1.5}, "near_duplicates is 1.5"),
        ({"attempts": {1: 1}, "shard": "9/8"}, "--shard 9/8: "),
    ],
)
def test_a_plan_that_cannot_work_is_refused(settings: dict, problem: str) -> None:
    with pytest.raises(InputError) as refused:
        plan_of(**settings)
    assert problem in str(refused.value)


def test_records_of_another_plan_are_refused(tmp_path: Path) -> None:
    _, _, run = make(tmp_path, plan_of({2: 3}))
    with pytest.raises(InputError, match=r"^text [0-9a-f]{16}-0 is none of those that the plan draws$"):
        derive(run, plan_of({2: 3}, seed=1))
