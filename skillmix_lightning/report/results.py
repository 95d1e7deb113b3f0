"""What a report is made of: runs read from disk, each text with its verdict, each run with its scores."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from skillmix_lightning.catalogue import load_catalogue
from skillmix_lightning.errors import InputError
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.graders.checks import TextChecks, check_text
from skillmix_lightning.runs import Run
from skillmix_lightning.scoring import OverGenerations, Protocol, Score, score
from skillmix_lightning.scoring.metrics import TextScore, score_text, vote
from skillmix_lightning.scoring.texts import score_texts
from skillmix_lightning.students.base import Composition

#: The category of a skill that no catalogue at hand knows.
UNKNOWN = "not in the catalogue"

#: Combination id and generation.
_Key = tuple[str, int]

_STEP = re.compile(r"step=(\d+)")
#: Where a run does not say which catalogue it is of, as imported ones do not, skills are looked up here by name.
_DEFAULT_CATALOGUE = "language"


@dataclass(frozen=True)
class JudgedText:
    """A text with all that was said of it.

    Attributes:
        composition: the text.
        rounds: its grading rounds in order; of a round recorded twice, the last.
        checks: what code found: its sentences, the skills it names.
        verdict: criterion id to 0 or 1 by the vote of protocol `paper`; None without a round that has points.
        score: the verdict's metrics, None likewise.
    """

    composition: Composition
    rounds: tuple[Grade, ...]
    checks: TextChecks
    verdict: dict[str, int] | None
    score: TextScore | None

    @property
    def cell(self) -> tuple[str, int]:
        """Its split and k."""
        return self.composition.combination.split, self.composition.combination.k

    @property
    def disputed(self) -> list[str]:
        """The criteria on which grading rounds differ."""
        voters = [grade.points for grade in self.rounds if grade.status == "ok"]
        return [criterion for criterion in (voters[0] if voters else ()) if len({p[criterion] for p in voters}) > 1]


@dataclass(frozen=True)
class Spent:
    """Dollars and tokens on record."""

    usd: float
    tokens: int


@dataclass(frozen=True)
class Results:
    """One run, read and scored.

    Attributes:
        label: the end of the folder's path, as much of it as tells the runs of a report apart; for an evaluation during
            a fit, of the fit's log folder.
        step: the optimizer step of an evaluation during a fit, else None.
        manifest: the run's; empty for a folder of records without one.
        texts: in the order they were written.
        scores: a row per split and k, by the report's rules.
        spent: what the "student" and the "grader" cost by all records, those of rounds asked for again too; a reply out
            of the cache counts its tokens only.
    """

    label: str
    step: int | None
    manifest: Mapping[str, Any]
    texts: tuple[JudgedText, ...]
    scores: tuple[Score, ...]
    spent: Mapping[str, Spent]

    @property
    def name(self) -> str:
        """The label with the step."""
        return self.label if self.step is None else f"{self.label}, step {self.step}"

    @cached_property
    def student(self) -> str:
        """Who wrote."""
        return ", ".join(dict.fromkeys(text.composition.student for text in self.texts)) or "nobody"

    @cached_property
    def grader(self) -> str:
        """Who graded."""
        return ", ".join(dict.fromkeys(grade.grader for text in self.texts for grade in text.rounds)) or "nobody"

    @property
    def catalogue(self) -> str | None:
        """The name or path of the catalogue, where the run says it."""
        named = (self.manifest.get("plan") or {}).get("catalogue")
        return named if isinstance(named, str) else None

    def category(self, skill: str) -> str:
        """The category of a skill, found by its name without what is in brackets; else `UNKNOWN`."""
        return self._categories.get(_bare(skill), UNKNOWN)

    @cached_property
    def _categories(self) -> dict[str, str]:
        """Bare skill name to category. A catalogue that is not where it was leaves its skills without one."""
        name = self.catalogue or _DEFAULT_CATALOGUE
        if name not in ("language", "verifiable") and not Path(name).exists():
            return {}
        return {_bare(skill.name): skill.category for skill in load_catalogue(name).skills}


def read_results(
    folders: Sequence[str],
    over_generations: OverGenerations = "max",
    protocol: Protocol = "paper",
    name_rule: bool = True,
) -> list[Results]:
    """Reads and scores runs; a fit's log folder stands for the evaluations in it, by step.

    Args:
        folders: run folders, or folders with `skillmix/step=<step>/` somewhere below them.
        over_generations: as in `scoring.score`.
        protocol: as in `scoring.score`; verdicts on single texts are always those of `paper`.
        name_rule: a skill that the text names earns nothing.

    Raises:
        InputError: a folder holds no run, a record is malformed, or the grades cannot be scored.
    """
    found = [each for folder in folders for each in _runs_in(Path(folder))]
    labels = _labels(list(dict.fromkeys(folder for folder, _, _ in found)))
    results = []
    for folder, step, path in found:
        run = Run(path)
        compositions, grades = run.compositions(), run.grades()
        manifest = {} if compositions and not run.manifest_file.exists() else run.manifest()
        try:
            scores = score(compositions, grades, over_generations, protocol, name_rule, manifest)
            if protocol != "paper":  # verdicts are of `paper`, which refuses points that are not the rubric's
                score_texts(compositions, grades)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        judged = _judged(compositions, grades, name_rule)
        spent = _spent(compositions, grades)
        results.append(Results(labels[folder], step, manifest, judged, tuple(scores), spent))
    return results


def last_of_fits(results: Sequence[Results]) -> list[Results]:
    """Every run, and of a fit's evaluations the last."""
    last = {each.label: each for each in results if each.step is not None}
    return [each for each in results if each.step is None or last[each.label] is each]


def _runs_in(folder: Path) -> Iterator[tuple[Path, int | None, Path]]:
    run = Run(folder)
    if run.manifest_file.exists() or run.compositions_file.exists():
        yield folder, None, folder
        return
    steps = [
        (parent, int(match[1]), path)
        for path in folder.rglob("step=*")
        if (match := _STEP.fullmatch(path.name)) and Run(path).manifest_file.exists()
        for parent in [path.parent.parent if path.parent.name == "skillmix" else path.parent]
    ]
    if not steps:
        raise InputError(
            f"{folder}: holds neither a run (manifest.json, compositions.jsonl) nor evaluations of a fit "
            "(skillmix/step=<step>/); name a run's folder or a fit's log folder"
        )
    yield from sorted(steps)


def _labels(folders: Sequence[Path]) -> dict[Path, str]:
    paths = [folder.resolve().parts for folder in folders]
    length = 1
    while len({path[-length:] for path in paths}) < len(set(paths)):
        length += 1
    return {folder: "/".join(path[-length:]) for folder, path in zip(folders, paths, strict=True)}


def _judged(compositions: Sequence[Composition], grades: Sequence[Grade], name_rule: bool) -> tuple[JudgedText, ...]:
    rounds: dict[_Key, dict[int, Grade]] = defaultdict(dict)
    for grade in grades:
        rounds[grade.combination_id, grade.generation][grade.grading] = grade
    texts = {_key(composition): composition for composition in compositions}
    return tuple(_judge(text, rounds[key], name_rule) for key, text in texts.items())


def _judge(composition: Composition, rounds: Mapping[int, Grade], name_rule: bool) -> JudgedText:
    checks = check_text(composition.text, composition.combination)
    in_order = tuple(grade for _, grade in sorted(rounds.items()))
    verdict = vote(in_order, checks.named if name_rule else ())
    score = None if verdict is None else score_text(composition.combination.skills, verdict)
    return JudgedText(composition, in_order, checks, verdict, score)


def _key(composition: Composition) -> _Key:
    return composition.combination.id, composition.generation


def _spent(compositions: Sequence[Composition], grades: Sequence[Grade]) -> dict[str, Spent]:
    usages = [composition.usage for composition in compositions]
    return {
        "student": Spent(sum(usage.get("cost_usd", 0.0) for usage in usages), sum(map(_tokens, usages))),
        "grader": Spent(sum(grade.cost_usd for grade in grades), sum(_tokens(grade.usage) for grade in grades)),
    }


def _bare(skill: str) -> str:
    return skill.partition("(")[0].strip().lower()


def _tokens(usage: Mapping[str, Any]) -> int:
    return int(usage.get("prompt_tokens", 0)) + int(usage.get("completion_tokens", 0))
