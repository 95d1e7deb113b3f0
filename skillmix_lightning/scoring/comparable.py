"""May these runs be compared? Only where they differ in nothing but what is compared: the student, or the grader."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.jsonl import parse_row
from skillmix_lightning.scoring.metrics import OverGenerations
from skillmix_lightning.scoring.scores import asked_for_prose
from skillmix_lightning.scoring.texts import CombinationScore, Protocol, ScoredText, combine, score_texts
from skillmix_lightning.students.base import Composition

#: In what runs may differ if the user says so; combinations and catalogue have to be the same in any case.
Difference = Literal["prompts", "generations", "gradings", "grader"]

_SHOWN = 3


@dataclass(frozen=True)
class Rules:
    """The rules from grades to scores."""

    protocol: Protocol = "paper"
    over_generations: OverGenerations = "max"
    name_rule: bool = True


@dataclass(frozen=True)
class RunRecords:
    """What a run holds.

    Attributes:
        name: its folder, as the user gave it.
        manifest: what was asked for; empty for a folder of records without one.
        rules: by which `scores.json` was made; None without one.
    """

    name: str
    manifest: Mapping[str, Any]
    compositions: Sequence[Composition]
    grades: Sequence[Grade]
    rules: Mapping[str, Any] | None

    @classmethod
    def read(cls, folder: str) -> "RunRecords":
        """Reads a run.

        Raises:
            InputError: the folder holds no run or no grade, or a record is malformed.
        """
        run = Run(Path(folder))
        compositions, grades = run.compositions(), run.grades()
        manifest = {} if compositions and not run.manifest_file.exists() else run.manifest()
        if not compositions or not grades:
            raise InputError(f"{folder}: holds no {'grade' if compositions else 'text'} to compare")
        rules = None
        if run.scores_file.exists():
            rules = parse_row(run.scores_file.read_bytes(), str(run.scores_file))
        return cls(folder, manifest, compositions, grades, rules)

    @cached_property
    def texts(self) -> Mapping[tuple[str, int], str]:
        """Each combination's text in each generation."""
        return {(c.combination.id, c.generation): c.text for c in self.compositions}

    @cached_property
    def grader(self) -> str:
        """The grader's name; of several, all."""
        return ", ".join(sorted({grade.grader for grade in self.grades}))

    @property
    def grader_prompts(self) -> str | None:
        """The prompt set it graded by, with the start of its hash; None where the run does not say."""
        said = self.manifest.get("grader_prompts")
        return f"{said['id']} ({said['sha256'][:8]})" if said else None

    @property
    def answering(self) -> tuple[str, ...]:
        """The models that answered the grader's requests, as the server named them; none where nothing is known."""
        return tuple(sorted({name for grade in self.grades if (name := grade.usage.get("model"))}))

    @property
    def generations(self) -> int:
        """Different generation rounds."""
        return len({composition.generation for composition in self.compositions})

    @property
    def gradings(self) -> int:
        """Different grading rounds."""
        return len({grade.grading for grade in self.grades})

    def scored_texts(self, rules: Rules) -> list[ScoredText]:
        """The metrics of every text.

        Raises:
            InputError: the grades cannot be scored in this way.
        """
        try:
            prose = rules.protocol == "reference" and asked_for_prose(self.manifest)
            return score_texts(self.compositions, self.grades, rules.protocol, rules.name_rule, prose)
        except InputError as error:
            raise InputError(f"{self.name}: {error}") from None

    def combination_scores(self, rules: Rules) -> list[CombinationScore]:
        """The metrics of every combination; errors as in `scored_texts`."""
        return combine(self.scored_texts(rules), rules.over_generations)


def same_texts(runs: Sequence[RunRecords]) -> bool:
    """Whether the runs hold the very same texts, so that it is their graders, or gradings, that are compared."""
    return all(run.texts == runs[0].texts for run in runs)


def common_rules(
    runs: Sequence[RunRecords],
    protocol: Protocol | None = None,
    over_generations: OverGenerations | None = None,
    name_rule: bool | None = None,
) -> Rules:
    """The rules to score all the runs by: those given, else those by which their `scores.json` were made.

    Raises:
        InputError: the runs were scored by different rules, and which to take is not given.
    """
    chosen: dict[str, Any] = {}
    problems = []
    for name, given in {"protocol": protocol, "over_generations": over_generations, "name_rule": name_rule}.items():
        made_with = {run.name: run.rules.get(name) for run in runs if run.rules is not None}
        if given is not None:
            chosen[name] = given
        elif len(set(made_with.values())) > 1:
            shown = ", ".join(f"{_shown(value)} ({folder})" for folder, value in made_with.items())
            problems.append(f"{name} is {shown}; give --{name} to score them alike")
        elif made_with:
            chosen[name] = next(iter(made_with.values()))
    raise_all("the runs were scored by different rules", problems)
    return Rules(**chosen)


def check_comparable(first: RunRecords, second: RunRecords, allow: Sequence[Difference] = ()) -> None:
    """Refuses two runs that differ in more than what is compared.

    Runs of the same texts may have different graders and numbers of grading rounds; others, different students.

    Args:
        first: a run.
        second: the other.
        allow: differences that are meant.

    Raises:
        InputError: they differ in their catalogue, combinations, prompts, rounds or grader; all that differs is said.
    """
    problems = [
        f"different {name}: {_shown(one)} and {_shown(other)}{_mend(name, allow)}"
        for name, one, other in _compared(first, second)
        if one != other and name not in allow
    ]
    if difference := _different_combinations(first, second):
        problems.append(f"different combinations: {difference}")
    raise_all(f"{first.name} and {second.name} cannot be compared", problems)


def _compared(first: RunRecords, second: RunRecords) -> list[tuple[str, Any, Any]]:
    both = [("catalogue", first.manifest.get("catalogue_id"), second.manifest.get("catalogue_id"))]
    if same_texts([first, second]):
        return both
    return [
        *both,
        ("prompts", first.manifest.get("prompts"), second.manifest.get("prompts")),
        ("generations", first.generations, second.generations),
        ("gradings", first.gradings, second.gradings),
        ("grader", *_graders(first, second)),
    ]


def _graders(first: RunRecords, second: RunRecords) -> tuple[str, str]:
    """Both graders, with what tells them apart though their names may not; what a run does not say is no difference."""
    shown = [first.grader, second.grader]
    for what, one, other in (
        ("prompts", first.grader_prompts, second.grader_prompts),
        ("answering as", ", ".join(first.answering), ", ".join(second.answering)),
    ):
        if one and other and one != other:
            shown = [f"{grader}, {what} {said}" for grader, said in zip(shown, (one, other), strict=True)]
    return shown[0], shown[1]


def _mend(name: str, allow: Sequence[Difference]) -> str:
    if name not in get_args(Difference):
        return ""
    return f" (where that is meant: --allow [{', '.join([*allow, name])}])"


def _different_combinations(first: RunRecords, second: RunRecords) -> str:
    one, other = ({c.combination.id: c.combination for c in run.compositions} for run in (first, second))
    parts = []
    for run, here, there in ((first, one, other), (second, other, one)):
        if alone := [combination for key, combination in here.items() if key not in there]:
            cells = sorted({f"{c.split} k={c.k}" for c in alone})
            shown = ", ".join(cells[:_SHOWN]) + (", …" if len(cells) > _SHOWN else "")
            parts.append(f"{len(alone)} of {len(here)} are in {run.name} only ({shown})")
    mend = "finish the run that stopped early, or evaluate both with one plan and seed"
    return f"{' and '.join(parts)}; {mend}" if parts else ""


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("id") or value)
    return "(none)" if value is None else str(value)
