"""The scores of a run: one row per split and k, as `scores.json` holds them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

from skillmix_lightning.catalogue import Split
from skillmix_lightning.errors import InputError
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.run import write_json
from skillmix_lightning.scoring.intervals import interval, std_error
from skillmix_lightning.scoring.metrics import METRICS, OverGenerations
from skillmix_lightning.scoring.reference import PROSE_PROMPTS
from skillmix_lightning.scoring.texts import Protocol, ScoredText, combine, score_texts
from skillmix_lightning.students.base import Composition

#: planned, graded and unscored of something, in this order.
Counts = dict[str, int]
_Cell = tuple[str, int]


@dataclass(frozen=True)
class Score:
    """The figures of one split and k.

    Attributes:
        split: "train", "held_out" or "all".
        k: skills per combination.
        combinations: how many were written.
        generations: different generation rounds.
        gradings: different grading rounds.
        unscored: combinations without a score; the means leave them out.
        full_marks: mean over scored combinations; None if there is none. Likewise all_skills, skill_fraction.
        ci95: metric to its 95% interval.
        std_error: metric to its standard error.
        planned: combinations that the run's plan asks for, or else those on record.
        texts: "planned" (likewise), "graded" (with a score) and "unscored" (written, without one).
        grades: "planned" (likewise), "graded" (with points) and "unscored" (on record, without them).
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
    planned: int
    texts: Counts
    grades: Counts

    @property
    def graded(self) -> int:
        """Combinations with a score."""
        return self.combinations - self.unscored


def score(
    compositions: Iterable[Composition],
    grades: Iterable[Grade],
    over_generations: OverGenerations = "max",
    protocol: Protocol = "paper",
    name_rule: bool = True,
    manifest: Mapping[str, Any] | None = None,
) -> list[Score]:
    """Scores compositions by their grades: a row for each (split, k), train, held_out, all, and by k.

    Args:
        compositions: the texts.
        grades: of one grader.
        over_generations: a combination's metrics are the maximum or the mean over its generations.
        protocol: "paper" or "reference".
        name_rule: a skill that the text names earns nothing.
        manifest: the run's. It says what was planned ("plan": splits, ks, combinations, generations, gradings), and a
            planned cell has a row even where nothing was written; protocol `reference` looks there for the grading
            prompts of imported results.

    Raises:
        InputError: the grades cannot be scored in this way.
    """
    manifest = manifest or {}
    plan = manifest.get("plan")
    planned = _planned_cells(plan)
    cells: dict[_Cell, list[ScoredText]] = {cell: [] for cell in planned}
    prose = protocol == "reference" and asked_for_prose(manifest)
    for text in score_texts(compositions, grades, protocol, name_rule, prose):
        cells.setdefault((text.combination.split, text.combination.k), []).append(text)
    return [
        _row(cell, cells[cell], over_generations, plan if cell in planned else None)
        for cell in sorted(cells, key=lambda cell: (get_args(Split).index(cell[0]), cell[1]))
    ]


def write_scores(
    run: Run,
    over_generations: OverGenerations = "max",
    protocol: Protocol = "paper",
    name_rule: bool = True,
) -> list[Score]:
    """Computes a run's scores from its records and writes `scores.json`.

    A folder of records without a manifest is scored too; what was planned is then what is on record.

    Raises:
        InputError: a record is malformed, or the grades cannot be scored in this way.
    """
    compositions, grades = run.compositions(), run.grades()
    manifest = {} if compositions and not run.manifest_file.exists() else run.manifest()
    try:
        scores = score(compositions, grades, over_generations, protocol, name_rule, manifest)
    except InputError as error:
        raise InputError(f"{run.folder}: {error}") from None
    write_json(run.scores_file, scores_document(scores, over_generations, protocol, name_rule))
    return scores


def scores_document(
    scores: Sequence[Score], over_generations: OverGenerations, protocol: Protocol, name_rule: bool
) -> dict[str, Any]:
    """What `scores.json` holds."""
    return {
        "protocol": protocol,
        "name_rule": name_rule,
        "over_generations": over_generations,
        "scores": [asdict(row) for row in scores],
    }


def asked_for_prose(manifest: Mapping[str, Any]) -> bool:
    """Whether these are imported results whose grader was asked for prose, which protocol `reference` reads otherwise.

    Raises:
        InputError: it was asked for both.
    """
    prompts = set((manifest.get("prompts") or {}).get("grading") or ()) if "imported_from" in manifest else set()
    if prompts & PROSE_PROMPTS and prompts - PROSE_PROMPTS:
        raise InputError(
            f"graded with prompts for prose and for tables ({', '.join(sorted(prompts))}), which protocol reference "
            "reads differently; import one grading_prompt at a time"
        )
    return bool(prompts & PROSE_PROMPTS)


def _planned_cells(plan: Mapping[str, Any] | None) -> list[_Cell]:
    """The cells of a plan; none where it does not say all that is planned, as a synthesis's does not."""
    if not plan or not plan.keys() >= {"splits", "ks", "combinations", "generations", "gradings"}:
        return []
    return [(split, k) for split in plan["splits"] for k in plan["ks"]]


def _row(
    cell: _Cell, texts: Sequence[ScoredText], over_generations: OverGenerations, plan: Mapping[str, Any] | None
) -> Score:
    combinations = combine(texts, over_generations)
    scored = [row.score for row in combinations if row.score is not None]
    values = {metric: [float(getattr(text, metric)) for text in scored] for metric in METRICS}
    means = {metric: sum(v) / len(v) if v else None for metric, v in values.items()}
    rounds = sum(len(text.gradings) for text in texts)
    planned, planned_texts, planned_grades = len(combinations), len(texts), rounds
    if plan:
        planned = plan["combinations"]
        planned_texts = planned * plan["generations"]
        planned_grades = planned_texts * plan["gradings"]
    return Score(
        split=cell[0],
        k=cell[1],
        combinations=len(combinations),
        generations=len({text.generation for text in texts}),
        gradings=len({grading for text in texts for grading in text.gradings}),
        unscored=len(combinations) - len(scored),
        **means,
        ci95={metric: interval(v) for metric, v in values.items()},
        std_error={metric: std_error(v) for metric, v in values.items()},
        planned=planned,
        texts=_counts(planned_texts, sum(text.score is not None for text in texts), len(texts)),
        grades=_counts(planned_grades, sum(text.graded for text in texts), rounds),
    )


def _counts(planned: int, graded: int, on_record: int) -> Counts:
    return {"planned": planned, "graded": graded, "unscored": on_record - graded}
