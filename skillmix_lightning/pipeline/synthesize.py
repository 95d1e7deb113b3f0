"""Makes D_SKILL-MIX(k): texts are written and graded, as in an evaluation, and those with full marks become a data set.

The run's records are all there is to lose: which candidates come next, and every file of the data set, follow from the
plan and the records alone, so a synthesis that was killed ends with the same bytes as one that was not.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skillmix_lightning.endpoint.budget import Budget
from skillmix_lightning.errors import InputError, Stopped
from skillmix_lightning.graders.base import Grader
from skillmix_lightning.pipeline.dataset_files import write_dataset
from skillmix_lightning.pipeline.dataset_select import Judged, by_text, select, text_id
from skillmix_lightning.pipeline.dataset_yield import SkillYield, Yield, skill_yields_of, yields_of
from skillmix_lightning.pipeline.evaluate import Progress, write_and_grade, write_missing
from skillmix_lightning.pipeline.session import note_ends, stopping_in_order
from skillmix_lightning.pipeline.synthesis_plan import Candidates, SynthesisPlan
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.jsonl import WriteError
from skillmix_lightning.runs.resume import Regrade, missing_rounds
from skillmix_lightning.students.base import Composition, Request, Student

_CAP = 10  # texts written per text wanted, at most, where no cap is given
_MARGIN = 1.05  # how many more texts are asked for than the yield so far says are needed
_LEAST = 8  # texts asked for at once: a server with nothing beside the last one to do would idle
_LOWEST_SHARE = 0.02  # the lowest yield that is reckoned with: none at all must not ask for everything at once


@dataclass(frozen=True)
class Synthesis:
    """What came of a synthesis: its data set is in the run's folder.

    Attributes:
        yields: of each k, ascending.
        skills: of each skill in the texts of each k.
    """

    yields: list[Yield]
    skills: list[SkillYield]

    @property
    def kept(self) -> int:
        """Texts in the data set."""
        return sum(row.kept for row in self.yields)


def synthesize(
    run: Run,
    plan: SynthesisPlan,
    student: Student,
    grader: Grader,
    max_attempts: int | None = None,
    budget: Budget | None = None,
    progress: Progress = lambda n: None,
    regrade: Regrade = "errors",
) -> Synthesis:
    """Writes and grades what is missing in a run, then writes its data set.

    Where accepted texts are asked for, they are written in waves: as many as are wanted, then as many as the yield so
    far says that the rest takes. A wave is graded before the next one is begun.

    Args:
        run: locked by the caller, with the plan in its manifest.
        plan: what is asked.
        student: who writes.
        grader: who grades.
        max_attempts: the most texts written of each k where accepted texts are asked for; ten for each by default.
        budget: what the student and the grader spend from.
        progress: called as texts are written and grades given.
        regrade: which rounds on record are asked for again.

    Raises:
        Stopped: work is left; the data set is made of what is there, and the same command goes on.
        InputError: the catalogue has too few combinations, a server refuses a setting, or a record is malformed.
    """
    candidates = Candidates(plan)
    targets, share = plan.targets(), candidates.shard.share
    caps = {k: _CAP * n if max_attempts is None else share(max_attempts) for k, n in (targets or {}).items()}
    counts = {k: min(n, caps[k]) for k, n in (targets or {}).items()}
    if targets is None:
        assert plan.attempts is not None, "a plan has either"
        counts = {k: share(count) for k, count in plan.attempts.items()}
    reported = _Reported(progress)
    while True:
        requests = candidates.requests(counts)
        with stopping_in_order(run, requests, grader.name, plan.gradings):
            try:
                if getattr(grader, "batch", False):  # one batch grades all texts, so it waits until they are written
                    write_missing(run, requests, student, reported.wave())
                write_and_grade(run, requests, student, grader, plan.gradings, reported.wave(), regrade)
            except WriteError:
                raise  # a data set could not be written either
            except BaseException as ending:
                note_ends(run, budget)
                if isinstance(ending, (Stopped, KeyboardInterrupt)):
                    derive(run, plan)
                raise
            note_ends(run, budget)
            compositions, grades = _of(requests, run.compositions()), run.grades()
            judged = select(compositions, by_text(grades), targets, plan.name_rule, plan.near_duplicates)
            yields = yields_of(judged, plan.ks, targets)
            unreached = missing_rounds(compositions, grades, grader.name, plan.gradings)
            more = {} if targets is None or unreached else _more(yields, targets, caps)
            if not more:
                made = _written(run, judged, yields)
        if unreached:
            reason = next((g.reason for g in reversed(grades) if g.status == "error"), "the grader gave none")
            raise Stopped(
                f"{len(unreached):,} of {len(requests) * plan.gradings:,} grades are missing, the data set is made "
                f"without their texts ({reason}); run the same command again to go on"
            )
        if not more:
            return made
        counts = {k: count + more.get(k, 0) for k, count in counts.items()}


def derive(run: Run, plan: SynthesisPlan) -> Synthesis:
    """Makes the data set of the texts on record, whether or not they are all that the plan asks for.

    Raises:
        InputError: a record is malformed, or none of the plan's.
        WriteError: a file cannot be written.
    """
    compositions = _in_order(run.compositions(), plan)
    targets = plan.targets()
    judged = select(compositions, by_text(run.grades()), targets, plan.name_rule, plan.near_duplicates)
    return _written(run, judged, yields_of(judged, plan.ks, targets))


def _written(run: Run, judged: Sequence[Judged], yields: list[Yield]) -> Synthesis:
    made = Synthesis(yields, skill_yields_of(judged))
    write_dataset(run, judged, made.yields, made.skills)
    return made


def _more(yields: Sequence[Yield], targets: Mapping[int, int], caps: Mapping[int, int]) -> dict[int, int]:
    """How many more texts of each k are needed, and allowed."""
    more = {}
    for row in yields:
        lacking = targets[row.k] - row.kept
        needed = max(_LEAST, math.ceil(_MARGIN * lacking / max(row.share, _LOWEST_SHARE)))
        if lacking > 0 and caps[row.k] > row.written:
            more[row.k] = min(needed, caps[row.k] - row.written)
    return more


def _of(requests: Sequence[Request], compositions: Sequence[Composition]) -> list[Composition]:
    """The texts on record that answer the requests, in the requests' order."""
    by_key = {(c.combination.id, c.generation): c for c in compositions}
    keys = [(r.combination.id, r.generation) for r in requests]
    return [by_key[key] for key in keys if key in by_key]


def _in_order(compositions: Sequence[Composition], plan: SynthesisPlan) -> list[Composition]:
    """Texts by k and draw index, wherever in the plan's draw they stand: runs of shards hold every nth."""
    candidates = Candidates(plan)
    ordered = []
    for k in plan.ks:
        unplaced = {text_id(c): c for c in compositions if c.combination.k == k}
        drawn, looked_at = 0, len(unplaced)
        while unplaced:
            if looked_at > 100 * len(compositions) + 1000:
                raise InputError(f"text {next(iter(unplaced))} is none of those that the plan draws")
            for combination, generation in candidates.drawn(k, looked_at)[drawn:]:
                if (found := unplaced.pop(f"{combination.id}-{generation}", None)) is not None:
                    ordered.append(found)
            drawn, looked_at = looked_at, 2 * looked_at
    return ordered


class _Reported:
    """Progress over several waves: each begins by telling all that is on record, which is passed on once."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done = 0

    def wave(self) -> Progress:
        """The progress of one wave."""
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if done > self._done:
                self._progress(done - self._done)
                self._done = done

        return advance
