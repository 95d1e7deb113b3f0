"""`evaluate`: a student writes SKILL-MIX(k), a grader grades it, and both are on record; then the scores."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from skillmix_lightning.catalogue import Split, contamination
from skillmix_lightning.errors import InputError
from skillmix_lightning.pipeline.plan import Plan
from skillmix_lightning.pipeline.trained import trained_combinations
from skillmix_lightning.runs.resume import Regrade, Resume
from skillmix_lightning.verbs.parser import parse
from skillmix_lightning.verbs.parts import Part, find_class
from skillmix_lightning.verbs.working import Money, work

#: What fits a catalogue, where the command line does not say: the splits, the ks and the prompts.
_FITTING: dict[str, tuple[list[Split], list[int], str]] = {
    "verifiable": (["train", "held_out"], [1, 2, 3, 4], "brief-v1"),
    "language": (["train", "held_out", "all"], [2, 3, 4, 5], "paper-v1"),
}


def main(verb: str, args: Sequence[str]) -> None:
    """Runs the verb."""
    parts = {"student": "TransformersStudent", "grader": None}
    evaluate(**parse(verb, evaluate, args, {}, parts))


def evaluate(
    out: str,
    student: Part,
    grader: Part | None = None,
    catalogue: str = "verifiable",
    splits: list[Split] | None = None,
    ks: list[int] | None = None,
    combinations: int = 100,
    generations: int = 3,
    gradings: int = 3,
    seed: int = 0,
    prompts: str | None = None,
    common_skills: bool = True,
    exclude_data: str | None = None,
    allow_incompatible: bool = False,
    shard: str | None = None,
    resume: Resume = "if-possible",
    regrade: Regrade = "errors",
    budget_usd: float | None = None,
    budget_tokens: int | None = None,
    prices: str | None = None,
    cache: str | None = None,
    allow_self_grading: bool = False,
    json: bool = False,
) -> None:
    """Has a student write SKILL-MIX(k), has a grader grade it, and prints the scores; goes on where it stopped.

    Args:
        out: the run's folder.
        student: who writes; the embedded model if none is named.
        grader: who grades; for the verifiable catalogue the checker grader if none is named.
        catalogue: verifiable, language, or a path.
        splits: which of train, held_out, all; by default train and held_out, for other catalogues than verifiable also
            all.
        ks: how many skills a text combines; by default 1 to 4, for other catalogues than verifiable 2 to 5.
        combinations: per split and k.
        generations: texts per combination.
        gradings: grading rounds per text.
        seed: of the draw, and of a student that has one unless it is given its own.
        prompts: brief-v1, paper-v1, hardened-v1, or a folder; by default brief-v1, for other catalogues than verifiable
            paper-v1. The grader's too if it has a grading turn and none is given with --grader.prompts.
        common_skills: also draw skills marked as common.
        exclude_data: a data set, JSONL, whose combinations are not drawn: what the student was trained on.
        allow_incompatible: also draw skills recorded as impossible in one text.
        shard: 2/8 for the second of eight parts, each in a folder of its own; `merge` joins them.
        resume: never (a run that is there is an error), always (it has to be there), if-possible.
        regrade: which grading rounds on record are asked for again: errors (the grader could not be reached) or
            unscored (also refusals and replies that were cut or unreadable, and none of them from the cache).
        budget_usd: dollars that are never passed, with what the run has spent before.
        budget_tokens: likewise, in tokens.
        prices: a YAML file with prices that the built-in ones lack.
        cache: the response cache's file; off for none.
        allow_self_grading: whether a model may grade its own texts.
        json: print one JSON document instead of tables.

    Raises:
        InputError: a setting cannot work, the run is another's, or a server refuses.
        Stopped: work is left, and the same command goes on.
    """
    all_splits, all_ks, wording = _FITTING["verifiable" if catalogue == "verifiable" else "language"]
    plan = Plan(
        catalogue=catalogue,
        splits=tuple(splits or all_splits),
        ks=tuple(ks or all_ks),
        combinations=combinations,
        generations=generations,
        gradings=gradings,
        seed=seed,
        prompts=prompts or wording,
        allow_incompatible=allow_incompatible,
        common_skills=common_skills,
        exclude_data=exclude_data,
        shard=shard,
    )
    requests = plan.requests()
    grader = grader_for(plan, grader)
    student = student.filled(catalogue=plan.catalogue)
    if student.settings.get("seed") is not None:  # a served student sends one only if it is told to
        student = student.filled(seed=plan.seed)
    contaminated = []
    manifest: dict[str, Any] = {**plan.manifest()}
    if exclude_data is not None:
        trained = trained_combinations(Path(exclude_data))
        contaminated = contamination(list(dict.fromkeys(r.combination for r in requests)), trained)
        manifest["exclude_data_sha256"] = hashlib.sha256(Path(exclude_data).read_bytes()).hexdigest()
        manifest["contamination"] = [asdict(row) for row in contaminated]
    money = Money(budget_usd, budget_tokens, prices, cache, allow_self_grading)
    work(Path(out), manifest, requests, student, grader, gradings, resume, regrade, money, contaminated, json)


def grader_for(plan: Plan, grader: Part | None) -> Part:
    """The grader with the plan's catalogue and prompts; for the verifiable catalogue the checker grader by default.

    Raises:
        InputError: none is given where one has to be, or it is to grade by another catalogue.
    """
    if grader is None:
        if plan.catalogue != "verifiable":
            raise InputError(
                f"--catalogue {plan.catalogue} has no grader of its own; give --grader EndpointGrader "
                "--grader.model NAME"
            )
        kind = find_class("grader", "CheckerGrader")
        grader = Part(kind, {"catalogue": "verifiable", "name_rule": True}, frozenset())
    grader = with_catalogue(grader, plan.catalogue)
    return grader.filled(prompts=plan.prompts) if plan.load_prompts().grading is not None else grader


def with_catalogue(grader: Part, catalogue: str) -> Part:
    """The grader with the catalogue of the texts.

    Raises:
        InputError: it was given another.
    """
    asked = grader.settings.get("catalogue")
    if "catalogue" in grader.given and asked != catalogue:
        raise InputError(f"--grader.catalogue {asked}: the texts are of the catalogue {catalogue}; leave it out")
    return grader.filled(catalogue=catalogue)
