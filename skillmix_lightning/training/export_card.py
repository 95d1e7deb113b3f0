"""The model card of an exported model: what it was trained from, on what, how, and how it scored."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from skillmix_lightning.training.checkpoints import CONFIG, Mark

_METRICS = ("full_marks", "all_skills", "skill_fraction")


def model_card(checkpoint: Path, mark: Mark, trainer: dict[str, Any], dtype: str) -> str:
    """The card in Markdown, with the front matter that the hub reads.

    Args:
        checkpoint: the folder; scores are looked for in the log folder around it.
        mark: its mark.
        trainer: what its `trainer.pt` holds.
        dtype: of the exported weights.
    """
    module = trainer.get("hyper_parameters", {})
    data = trainer.get("datamodule_hyper_parameters", {})
    front = {"library_name": "transformers", "pipeline_tag": "text-generation", "tags": ["skill-mix"]}
    if "/" in mark.model_name and mark.model_name.count("/") == 1 and not mark.model_name.startswith((".", "/")):
        front["base_model"] = mark.model_name
    base = mark.model_name if ":" in mark.model_name else Path(mark.model_name).name or mark.model_name
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n",
        f"# {front.get('base_model', base)}, fine-tuned on combinations of skills\n",
        "Fine-tuned with skillmix_lightning on texts that each combine k skills on a topic, to write such texts for "
        "combinations never trained on: SKILL-MIX(k), arXiv 2310.17567 and 2409.19808.\n",
        f"- Base model: `{front.get('base_model', base)}`\n- Optimizer steps: {mark.step}\n- Weights: {dtype}"
        + (", LoRA adapters merged in" if module.get("lora") else "")
        + "\n",
        "## Data\n",
        _settings(data),
        "## Training\n",
        _settings({key: value for key, value in module.items() if key != "model"}),
    ]
    if scores := list(_score_tables(checkpoint, mark.step)):
        parts += ["## Scores\n", *scores]
    if (checkpoint / CONFIG).is_file():
        parts += ["## Config\n", f"```yaml\n{(checkpoint / CONFIG).read_text(encoding='utf-8').strip()}\n```\n"]
    return "\n".join(parts)


def _settings(settings: dict[str, Any]) -> str:
    # Folders of the machine it was trained on say nothing elsewhere.
    shown = {
        key: Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
        for key, value in settings.items()
        if not key.startswith("_")
    }
    rows = "\n".join(f"| {key} | {json.dumps(value, default=str)} |" for key, value in shown.items())
    return f"| setting | value |\n|---|---|\n{rows}\n" if rows else "Not recorded.\n"


def _score_tables(checkpoint: Path, step: int) -> Iterator[str]:
    """The evaluations before the first step and the last one up to this step, from the fit's log folder."""
    files = {
        int(file.parent.name.removeprefix("step=")): file
        for file in sorted(checkpoint.parent.parent.glob("skillmix/step=*/scores.json"))
        if file.parent.name.removeprefix("step=").isdigit()
    }
    done = sorted(number for number in files if number <= step)
    for number in sorted({*done[:1], *done[-1:]}):
        document = json.loads(files[number].read_text(encoding="utf-8"))
        yield (
            f"At step {number} (protocol {document['protocol']}, {document['over_generations']} over generations):\n\n"
            "| split | k | combinations | full marks | all skills | skill fraction |\n|---|---|---|---|---|---|"
        )
        for row in document["scores"]:
            cells = [row["split"], row["k"], row["combinations"], *(_share(row[metric]) for metric in _METRICS)]
            yield "| " + " | ".join(map(str, cells)) + " |"
        yield ""


def _share(value: float | None) -> str:
    return "not scored" if value is None else f"{value:.3f}"
