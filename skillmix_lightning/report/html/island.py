"""The texts of a report as one JSON document inside the page, compact: names once, equal replies once.

Everything in it comes from models: it is only ever data. `<` is written as an escape, so that no text can end the
element it stands in.
"""

import json
from collections.abc import Sequence
from typing import Any

from skillmix_lightning.graders.attacks import looks_like_attack
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.graders.rubric import LENGTH, SENSE, TOPIC, skill_criterion
from skillmix_lightning.report.results import JudgedText, Results
from skillmix_lightning.scoring import METRICS


class _Once(dict[str, int]):
    """Strings by the order in which they are first asked for."""

    def __missing__(self, text: str) -> int:
        self[text] = len(self)
        return self[text]


def island(results: Sequence[Results]) -> str:
    """The JSON document that the page's script reads.

    "texts" holds one object per text: r(un), s(plit), k, i(d), n (skill numbers), t(opic number), g(eneration), x (the
    text), f(inish reason), m(etrics) or null, v(erdict) in the rubric's order or null, d(isputed criteria), named,
    sentences, a(ttack signs), q (its grading rounds: [round, status, points, reply number, reason number, opinion]).
    """
    skills, topics, strings = _Once(), _Once(), _Once()
    texts = [_text(number, text, skills, topics, strings) for number, each in enumerate(results) for text in each.texts]
    document = {
        "runs": [{"name": each.name, "student": each.student, "grader": each.grader} for each in results],
        "skills": list(skills),
        "topics": list(topics),
        "strings": list(strings),
        "texts": texts,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _text(run: int, text: JudgedText, skills: _Once, topics: _Once, strings: _Once) -> dict[str, Any]:
    composition = text.composition
    combination = composition.combination
    criteria = [*map(skill_criterion, combination.skills), TOPIC, SENSE, LENGTH]
    row: dict[str, Any] = {
        "r": run,
        "s": combination.split,
        "k": combination.k,
        "i": combination.id,
        "n": [skills[name] for name in combination.skills],
        "t": topics[combination.topic],
        "g": composition.generation,
        "x": composition.text,
        "f": composition.finish_reason,
        "m": None if text.score is None else [getattr(text.score, metric) for metric in METRICS],
        "v": None if text.verdict is None else [text.verdict[criterion] for criterion in criteria],
        "sentences": text.checks.sentences,
        "q": [_round(grade, criteria, strings) for grade in text.rounds],
    }
    rare = {
        "d": [criteria.index(criterion) for criterion in text.disputed],
        "named": [combination.skills.index(name) for name in text.checks.named],
        "a": looks_like_attack(composition.text),
    }
    return row | {name: found for name, found in rare.items() if found}


def _round(grade: Grade, criteria: Sequence[str], strings: _Once) -> list[Any]:
    points = [grade.points[criterion] for criterion in criteria] if grade.status == "ok" else None
    return [grade.grading, grade.status, points, strings[grade.raw], strings[grade.reason], grade.opinion]
