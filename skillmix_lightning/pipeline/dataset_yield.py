"""What became of the texts of a synthesis, counted per k and per skill."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from skillmix_lightning.graders.rubric import skill_criterion
from skillmix_lightning.pipeline.dataset_select import Judged
from skillmix_lightning.scoring.metrics import OTHERS


@dataclass(frozen=True)
class Yield:
    """What became of the texts of one k: every text written is counted under exactly one outcome.

    Attributes:
        k: skills per text.
        written: texts.
        kept: in the data set.
        duplicates: full marks, but the words of one that is kept.
        near_duplicates: full marks, but nearly the words of one that is kept.
        failed: a criterion was not met.
        unscored: no grading round gave points.
        cut: full marks, but the last answer did not come to its end.
        surplus: full marks, but the target was reached before.
        wanted: texts asked for; None where attempts were.
        cost_usd: of all of them.
        tokens: likewise.
        failure_rates: of the graded texts, the share without the point: "skill" (of all skill points), "topic",
            "sense", "length".
    """

    k: int
    written: int
    kept: int
    duplicates: int = 0
    near_duplicates: int = 0
    failed: int = 0
    unscored: int = 0
    cut: int = 0
    surplus: int = 0
    wanted: int | None = None
    cost_usd: float = 0.0
    tokens: int = 0
    failure_rates: dict[str, float | None] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Kept texts per text written."""
        return self.kept / self.written if self.written else 0.0


@dataclass(frozen=True)
class SkillYield:
    """How one skill fared in the texts of one k.

    Attributes:
        skill: its name.
        k: skills per text.
        written: texts that were to show it.
        graded: those with points.
        failed: those of the graded ones that did not earn the skill's point.
        kept: those in the data set.
    """

    skill: str
    k: int
    written: int
    graded: int
    failed: int
    kept: int

    @property
    def failure_rate(self) -> float | None:
        """Failed per graded text; None without one."""
        return self.failed / self.graded if self.graded else None


def yields_of(judged: Sequence[Judged], ks: Iterable[int], targets: dict[int, int] | None = None) -> list[Yield]:
    """The yield of each k, ascending; a k without a text has one too."""
    return [_yield(k, [j for j in judged if j.composition.combination.k == k], targets) for k in sorted(ks)]


def skill_yields_of(judged: Sequence[Judged]) -> list[SkillYield]:
    """The yield of each skill in the texts of each k, by k and name."""
    counts: dict[tuple[int, str], Counter[str]] = {}
    for each in judged:
        combination = each.composition.combination
        for skill in combination.skills:
            count = counts.setdefault((combination.k, skill), Counter())
            count["written"] += 1
            count["kept"] += each.outcome == "kept"
            if each.verdict is not None:
                count["graded"] += 1
                count["failed"] += not each.verdict[skill_criterion(skill)]
    names = ("written", "graded", "failed", "kept")
    return [SkillYield(skill, k, **{n: count[n] for n in names}) for (k, skill), count in sorted(counts.items())]


def yield_document(yields: Sequence[Yield], skills: Sequence[SkillYield]) -> dict[str, Any]:
    """What `yield.json` holds."""
    return {
        "ks": [asdict(row) for row in yields],
        "skills": [{**asdict(row), "failure_rate": row.failure_rate} for row in skills],
    }


def _yield(k: int, judged: Sequence[Judged], targets: dict[int, int] | None) -> Yield:
    outcomes = Counter(each.outcome for each in judged)
    return Yield(
        k=k,
        written=len(judged),
        kept=outcomes["kept"],
        duplicates=outcomes["duplicate"],
        near_duplicates=outcomes["near_duplicate"],
        failed=outcomes["failed"],
        unscored=outcomes["unscored"],
        cut=outcomes["cut"],
        surplus=outcomes["surplus"],
        wanted=None if targets is None else targets[k],
        cost_usd=sum(each.cost_usd for each in judged),
        tokens=sum(each.tokens for each in judged),
        failure_rates=_failure_rates(judged),
    )


def _failure_rates(judged: Sequence[Judged]) -> dict[str, float | None]:
    verdicts = [each.verdict for each in judged if each.verdict is not None]
    points = {name: [verdict[name] for verdict in verdicts] for name in OTHERS}
    skills = [point for verdict in verdicts for name, point in verdict.items() if name not in OTHERS]
    return {name: 1 - sum(p) / len(p) if p else None for name, p in {"skill": skills, **points}.items()}
