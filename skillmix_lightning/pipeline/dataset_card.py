"""The data set's card: README.md with the front matter that the Hugging Face hub reads."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from skillmix_lightning.pipeline.dataset_yield import Yield

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_INTRODUCTION = """
Short texts that each show k language skills on one topic, in at most max(1, k - 1) sentences, with the conversation in
which they were written. Made by the procedure of "Can Models Learn Skill Composition from Examples?" (arXiv 2409.19808,
section 3.1): a student writes, a grader gives a point for each of k + 3 criteria, and texts with every point are kept.
For k = 1 all skills on training topics, for k >= 2 training skills on training topics.
"""
_VERIFIABLE = """
These texts are of the verifiable catalogue: skills with definitions so formal that a program writes and grades them.
They are no substitute for SKILL-MIX texts graded by a model or by people, and scores on the two are not comparable.
"""


def card(manifest: Mapping[str, Any], yields: Sequence[Yield]) -> str:
    """The card of a run's data set.

    Args:
        manifest: the run's.
        yields: of each k.
    """
    kept = sum(row.kept for row in yields)
    ks = ", ".join(str(row.k) for row in yields)
    plan = manifest.get("plan", {})
    student, grader = _name(manifest.get("student")), _name(manifest.get("grader"))
    front = {
        "pretty_name": f"D_SKILL-MIX({ks})",
        "language": ["en"],
        "task_categories": ["text-generation"],
        "tags": ["skill-mix", "synthetic", "compositional-generalization"],
        "size_categories": [next((name for most, name in _SIZES if kept < most), "n>1M")],
        # The folder holds the run's records too; without this line the hub would load them as data.
        "configs": [{"config_name": "default", "data_files": "dataset.jsonl"}],
    }
    target = "attempts" if plan.get("attempts") else "accepted"
    facts = {
        "catalogue": f"{plan.get('catalogue', 'unknown')} (id {manifest['catalogue_id']})",
        "prompts": _prompts(manifest["prompts"]),
        "student": student,
        "grader": grader,
        "grader's prompts": _prompts(manifest["grader_prompts"]) if "grader_prompts" in manifest else None,
        "grading rounds": plan.get("gradings"),
        "a text that names a skill": "loses its point" if plan.get("name_rule") else "keeps its point",
        "near duplicates": f"from a similarity of {plan['near_duplicates']}" if plan.get("near_duplicates") else "kept",
        "seed": plan.get("seed"),
        f"texts asked for ({target})": ", ".join(f"k={k}: {n:,}" for k, n in (plan.get(target) or {}).items()),
        "made with": f"skillmix-lightning {manifest.get('made_with', {}).get('skillmix-lightning', 'unknown')}",
    }
    return "\n".join(
        [
            "---",
            yaml.safe_dump(front, sort_keys=False, allow_unicode=True).rstrip(),
            "---",
            "",
            f"# D_SKILL-MIX({ks}): {kept:,} texts",
            _INTRODUCTION.rstrip(),
            *([_VERIFIABLE.rstrip()] if plan.get("catalogue") == "verifiable" else []),
            "",
            "## Where it is from",
            "",
            *(f"- {name}: {value}" for name, value in facts.items() if value is not None),
            "",
            "What the student and the grader are allowed to be used for applies to these texts too.",
            "",
            "## Yield",
            "",
            "| k | written | kept | failed | unscored | cut | duplicate | near duplicate | surplus |",
            "|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
            *(
                f"| {row.k} | {row.written:,} | {row.kept:,} | {row.failed:,} | {row.unscored:,} | {row.cut:,} "
                f"| {row.duplicates:,} | {row.near_duplicates:,} | {row.surplus:,} |"
                for row in yields
            ),
            "",
            "`rejects.jsonl` holds every text that is not in the data set, with the reason.",
            "",
            "## Fields",
            "",
            "- `messages`: the conversation, in the chat format that trainers take as it is",
            "- `id`, `k`, `split`, `skills`, `topic`: what was asked for",
            "- `text`: the last answer, without its explanation",
            "- `grades`: each grading round's points, by criterion",
            "- `provenance`: catalogue, prompts and student",
            "",
        ]
    )


def _name(part: Any) -> str | None:
    if not isinstance(part, Mapping):
        return None
    model = part.get("settings", {}).get("model")
    return f"{part['class']} {model}" if model else str(part["class"])


def _prompts(prompts: Mapping[str, Any]) -> str:
    return f"{prompts['id']} (sha256 {str(prompts['sha256'])[:16]})"
