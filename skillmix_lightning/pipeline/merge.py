"""Runs of the shards of one plan, joined into the run that the whole plan would have made."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.pipeline.session import note_ends
from skillmix_lightning.pipeline.shards import Shard
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.lock import writing
from skillmix_lightning.runs.resume import differences
from skillmix_lightning.runs.run import NOTES

#: Which texts a shard graded, where another run wrote them: it differs from shard to shard.
_SOURCE = "graded_from"

_Round = tuple[str, int, str, int]


def merge_runs(shards: Sequence[Run], out: Path) -> Run:
    """Writes all texts and grades of the shards into one run, whose manifest is that of the plan without shards.

    The command that made the shards goes on with it if it is given without `--shard`. A merge that was killed is gone
    on with; the records come by the number of their shard, in whatever order the runs are given.

    Args:
        shards: every one of the plan, once.
        out: the folder of the run to make.

    Raises:
        InputError: the runs are not all the shards of one plan, or the folder holds another run.
        WriteError: the folder cannot be written.
    """
    manifests = [run.manifest() for run in shards]
    numbers = _numbers(shards, manifests)
    ordered = [run for _, run in sorted(zip(numbers, shards, strict=True), key=lambda pair: pair[0])]
    whole = _whole(manifests[0])
    for run, manifest in zip(shards, manifests, strict=True):
        if different := differences(whole, _whole(manifest)):
            raise InputError(
                f"{run.folder}: was asked for something else than {shards[0].folder} ({'; '.join(different)}); "
                "merge the shards of one plan"
            )
    if any(_SOURCE in manifest for manifest in manifests):
        whole[_SOURCE] = {"runs": [run.manifest().get(_SOURCE) for run in ordered]}
    with writing(out):
        merged = Run.start(out, whole)
        texts = {(c.combination.id, c.generation) for c in merged.compositions()}
        on_record = Counter(map(_round, merged.grades()))
        for run in ordered:
            merged.add_compositions([c for c in run.compositions() if (c.combination.id, c.generation) not in texts])
            merged.add_grades(list(_beyond(on_record, run.grades())))
        note_ends(merged, None)
        merged.note(**_spent(manifests))
    return merged


def _beyond(on_record: Counter[_Round], grades: Iterable[Grade]) -> Iterator[Grade]:
    """The grades that are not on record; a round that was asked for again is there several times, in order."""
    for grade in grades:
        if on_record[_round(grade)]:
            on_record[_round(grade)] -= 1
        else:
            yield grade


def _round(grade: Grade) -> _Round:
    return grade.combination_id, grade.generation, grade.grader, grade.grading


def _whole(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What the whole plan's run would have been asked for."""
    asked = {name: deepcopy(value) for name, value in manifest.items() if name not in (*NOTES, _SOURCE)}
    del asked["plan"]["shard"]
    return asked


def _numbers(shards: Sequence[Run], manifests: Sequence[Mapping[str, Any]]) -> list[int]:
    named = [(manifest.get("plan") or {}).get("shard") for manifest in manifests]
    raise_all("merge", [f"{run.folder} is no shard" for run, name in zip(shards, named, strict=True) if name is None])
    parsed = [Shard.parse(name) for name in named]
    numbers = [shard.number for shard in parsed]
    if len(of := {shard.of for shard in parsed}) > 1:
        raise InputError(f"merge: shards of plans in {' and in '.join(map(str, sorted(of)))} parts; give those of one")
    twice = sorted({n for n in numbers if numbers.count(n) > 1})
    missing = sorted({*range(1, parsed[0].of + 1)} - {*numbers})
    problems = [f"shard {n}/{parsed[0].of} is given {numbers.count(n)} times" for n in twice]
    raise_all("merge", problems + [f"shard {n}/{parsed[0].of} is missing" for n in missing])
    return numbers


def _spent(manifests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    notes: dict[str, Any] = {}
    if all_spent := [manifest["spent"] for manifest in manifests if "spent" in manifest]:
        notes["spent"] = {name: sum(spent[name] for spent in all_spent) for name in ("usd", "tokens")}
    if prices := [manifest["prices"] for manifest in manifests if "prices" in manifest]:
        notes["prices"] = {model: price for each in prices for model, price in each.items()}
    return notes
