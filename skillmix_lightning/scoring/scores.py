"""The scores of a run: one row per split and k, as `scores.json` holds them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

from skillmix_lightning.catalogue import Split
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.run import write_json
from skillmix_lightning.scoring.intervals import interval, std_error
from skillmix_lightning.scoring.metrics import METRICS, CombinationScore, OverGenerations, score_combinations
from skillmix_lightning.students.base import Composition


@dataclass(frozen=True)
class Score:
    """The figures of one split and k.

    Attributes:
        split: "train", "held_out" or "all".
        k: skills per combination.
        combinations: how many were written.
        generations: texts per combination.
        gradings: grading rounds per text.
        unscored: combinations without a score; the means leave them out.
        full_marks: mean over scored combinations; None if there is none. Likewise all_skills, skill_fraction.
        ci95: metric to its 95% interval.
        std_error: metric to its standard error.
    """

    split: str
    k: int
    combinations: int
    generations: int
    gradings: int
    unscored: int
    full_marks: float | None
    all_skills: float | None
    skill_fraction: float | None
    ci95: dict[str, tuple[float, float] | None]
    std_error: dict[str, float | None]


def score(
    compositions: Sequence[Composition], grades: Iterable[Grade], over_generations: OverGenerations = "max"
) -> list[Score]:
    """Scores compositions by their grades: a row for each (split, k), train, held_out, all, and by k."""
    grades = list(grades)
    cells: dict[tuple[str, int], list[CombinationScore]] = {}
    for row in score_combinations(compositions, grades, over_generations):
        cells.setdefault((row.split, row.k), []).append(row)
    generations = 1 + max((composition.generation for composition in compositions), default=-1)
    gradings = 1 + max((grade.grading for grade in grades), default=-1)
    return [
        _score_of(split, k, rows, generations, gradings) for (split, k), rows in sorted(cells.items(), key=_by_split)
    ]


def write_scores(run: Run, over_generations: OverGenerations = "max", name_rule: bool = True) -> list[Score]:
    """Computes a run's scores from its records and writes `scores.json`."""
    scores = score(run.compositions(), run.grades(), over_generations)
    write_json(run.scores_file, scores_document(scores, over_generations, name_rule))
    return scores


def scores_document(scores: Sequence[Score], over_generations: OverGenerations, name_rule: bool) -> dict[str, Any]:
    """What `scores.json` holds."""
    return {
        "protocol": "paper",
        "name_rule": name_rule,
        "over_generations": over_generations,
        "scores": [asdict(row) for row in scores],
    }


def _by_split(cell: tuple[tuple[str, int], object]) -> tuple[int, int]:
    (split, k), _ = cell
    return get_args(Split).index(split), k


def _score_of(split: str, k: int, rows: Sequence[CombinationScore], generations: int, gradings: int) -> Score:
    scored = [row.score for row in rows if row.score is not None]
    values = {metric: [float(getattr(text, metric)) for text in scored] for metric in METRICS}
    means = {metric: sum(v) / len(v) if v else None for metric, v in values.items()}
    return Score(
        split=split,
        k=k,
        combinations=len(rows),
        generations=generations,
        gradings=gradings,
        unscored=len(rows) - len(scored),
        **means,
        ci95={metric: interval(v) for metric, v in values.items()},
        std_error={metric: std_error(v) for metric, v in values.items()},
    )
