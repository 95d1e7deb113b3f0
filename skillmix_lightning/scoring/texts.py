"""From grades to the metrics of texts and combinations, by one of the two protocols."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from skillmix_lightning.catalogue import Combination
from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.graders.checks import check_text
from skillmix_lightning.graders.rubric import skill_criterion
from skillmix_lightning.scoring import reference
from skillmix_lightning.scoring.metrics import OTHERS, OverGenerations, TextScore, aggregate, score_text, vote
from skillmix_lightning.students.base import Composition

#: The rules from grades to scores. `paper`: the paper's, on points as recorded. `reference`: `scoring.reference`.
Protocol = Literal["paper", "reference"]

_SHOWN_PROBLEMS = 5


@dataclass(frozen=True)
class ScoredText:
    """What became of one text.

    Attributes:
        combination: what was asked for.
        generation: the generation round.
        gradings: grading rounds on record.
        graded: those of them that voted.
        score: the metrics, None without a round that voted.
    """

    combination: Combination
    generation: int
    gradings: tuple[int, ...]
    graded: int
    score: TextScore | None


@dataclass(frozen=True)
class CombinationScore:
    """The metrics of one combination over its generations; `score` is None where nothing could be scored."""

    combination_id: str
    split: str
    k: int
    score: TextScore | None


def score_texts(
    compositions: Iterable[Composition],
    grades: Iterable[Grade],
    protocol: Protocol = "paper",
    name_rule: bool = True,
    prose: bool = False,
) -> list[ScoredText]:
    """Scores every text by the grading rounds on record, in the compositions' order; a missing round does not vote.

    A round recorded twice, as when a text without points was asked about again, counts as it was recorded last.

    Args:
        compositions: the texts.
        grades: of one grader; those of other texts are left aside.
        protocol: "paper" or "reference".
        name_rule: a skill that the text names earns nothing.
        prose: the grader was asked for prose by the reference implementation's own prompt; `reference` then reads it
            as that does.

    Raises:
        InputError: there are several graders, a grade lacks a criterion, or `reference` is asked of replies that are
            no tables.
    """
    if protocol not in get_args(Protocol):
        raise InputError(f'protocol "{protocol}": there are {" and ".join(get_args(Protocol))}')
    texts = list({(c.combination.split, c.combination.id, c.generation): c for c in compositions}.values())
    rounds = _rounds(grades)
    voters = [(text, rounds.get((text.combination.id, text.generation), {})) for text in texts]
    if protocol == "reference":
        _check_tables(voters)
        read = reference.points_in_prose if prose else reference.points_in_order
        return [_by_reference(text, by_number, name_rule, read) for text, by_number in voters]
    _check_points(voters)
    return [_by_paper(text, by_number, name_rule) for text, by_number in voters]


def combine(texts: Iterable[ScoredText], over_generations: OverGenerations = "max") -> list[CombinationScore]:
    """The metrics of every combination, in order of first appearance.

    A text without a score does not count; a combination none of whose texts has one has none. Nothing unscored becomes
    a zero.

    Raises:
        InputError: `over_generations` is neither "max" nor "mean".
    """
    if over_generations not in get_args(OverGenerations):
        raise InputError(f'over_generations "{over_generations}": there are {" and ".join(get_args(OverGenerations))}')
    generations: dict[tuple[str, str, int], list[TextScore]] = {}
    for text in texts:
        combination = text.combination
        scores = generations.setdefault((combination.id, combination.split, combination.k), [])
        if text.score is not None:
            scores.append(text.score)
    return [
        CombinationScore(*combination, aggregate(scores, over_generations) if scores else None)
        for combination, scores in generations.items()
    ]


def score_combinations(
    compositions: Iterable[Composition],
    grades: Iterable[Grade],
    over_generations: OverGenerations = "max",
    protocol: Protocol = "paper",
    name_rule: bool = True,
) -> list[CombinationScore]:
    """The metrics of every combination; arguments and errors as in `score_texts` and `combine`."""
    return combine(score_texts(compositions, grades, protocol, name_rule), over_generations)


def _rounds(grades: Iterable[Grade]) -> Mapping[tuple[str, int], dict[int, Grade]]:
    rounds: dict[tuple[str, int], dict[int, Grade]] = defaultdict(dict)
    graders = set()
    for grade in grades:
        graders.add(grade.grader)
        rounds[grade.combination_id, grade.generation][grade.grading] = grade
    if len(graders) > 1:
        raise InputError(f"grades by several graders ({', '.join(sorted(graders))}); give each grader a run of its own")
    return rounds


def _by_paper(text: Composition, rounds: Mapping[int, Grade], name_rule: bool) -> ScoredText:
    grades = list(rounds.values())
    graded = sum(grade.status == "ok" for grade in grades)
    named = check_text(text.text, text.combination).named if name_rule and graded else ()
    verdict = vote(grades, named)
    score = None if verdict is None else score_text(text.combination.skills, verdict)
    return ScoredText(text.combination, text.generation, tuple(rounds), graded, score)


def _by_reference(
    text: Composition, rounds: Mapping[int, Grade], name_rule: bool, read: Callable[[str], list[float]]
) -> ScoredText:
    points = [found for grade in rounds.values() if (found := _points(grade, read)) is not None]
    score = reference.text_score(points, text.text, text.combination.skills, name_rule) if points else None
    return ScoredText(text.combination, text.generation, tuple(rounds), len(points), score)


def _points(grade: Grade, read: Callable[[str], list[float]]) -> list[float] | None:
    """The points that the reference implementation reads in a reply; None where it has none or stops."""
    if grade.status == "error":  # there is no reply; the reference implementation asks until there is one
        return None
    try:
        return read(grade.raw)
    except reference.UnreadableReply:
        return None


def _check_points(voters: Sequence[tuple[Composition, Mapping[int, Grade]]]) -> None:
    problems = []
    for text, rounds in voters:
        criteria = {*map(skill_criterion, text.combination.skills), *OTHERS}
        for grade in rounds.values():
            if grade.status == "ok" and grade.points.keys() != criteria:
                odd = ", ".join(sorted(grade.points.keys() ^ criteria))
                problems.append(f"{_place(grade)} lacks, or has too many: {odd}")
    if len(problems) > _SHOWN_PROBLEMS:
        problems[_SHOWN_PROBLEMS:] = [f"and {len(problems) - _SHOWN_PROBLEMS} more grades"]
    raise_all("points that are not those of the rubric", problems)


def _check_tables(voters: Sequence[tuple[Composition, Mapping[int, Grade]]]) -> None:
    """Refuses a run whose points were read from something else than tables; an empty text is put to no grader."""
    graded = [g for text, rounds in voters for g in rounds.values() if g.status == "ok" and text.text.strip()]
    if graded and not any("|" in grade.raw for grade in graded):
        raise InputError(
            f'protocol reference reads tables, and no reply of "{graded[0].grader}" is one ({_place(graded[0])}); '
            "score this run with protocol paper"
        )


def _place(grade: Grade) -> str:
    return f"combination {grade.combination_id}, generation {grade.generation}, grading {grade.grading}"
