"""What is compared: the model before training, and fits that differ in nothing but their texts."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

BASE = "base"
D1, D12, D123, SUBSET = "d1", "d12", "d123", "subset"

#: The texts that each fit reads, as the data module's settings: 500, 1,500, 2,500 and 1,200 of them. The subset stands
#: to D(1,2) as the paper's does, 8 to 10, and a quarter of it has k = 3 as there (arXiv 2409.19808).
TEXTS: dict[str, list[str]] = {
    D1: ["--data.ks=[1]"],
    D12: ["--data.ks=[1,2]"],
    D123: ["--data.ks=[1,2,3]"],
    SUBSET: ["--data.ks=[1,2,3]", "--data.subset=1200", "--data.subset_mix={3: 300}"],
}

#: As tables call them.
TITLES = {BASE: "base", D1: "D(1)", D12: "D(1,2)", D123: "D(1,2,3)", SUBSET: "subset of D(1,2,3)"}

CONFIG = "configs/verifiable/findings.yaml"
BASE_MODEL = "embedded:smollm2-135m-instruct"

#: Files of an experiment: what all conditions share; in each one's folder, that it is done.
SETTINGS, DONE = "settings.json", "done.json"


@dataclass(frozen=True)
class Settings:
    """What all fits and all evaluations share; results of different settings are never mixed.

    Attributes:
        steps: optimizer steps of every fit.
        combinations: per split and k, of every evaluation.
        ks: how many skills their texts combine.
        max_new_tokens: of a text.
    """

    steps: int = 200
    combinations: int = 32
    ks: tuple[int, ...] = (1, 2, 3, 4, 5)
    max_new_tokens: int = 80

    def document(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**asdict(self), "ks": list(self.ks)}


@dataclass(frozen=True)
class Condition:
    """A model to be scored: the texts it was trained on, and the seed that drew and ordered them; the base has none."""

    texts: str
    seed: int | None

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.texts if self.seed is None else f"{self.texts}-seed{self.seed}"


def conditions(seeds: int) -> list[Condition]:
    """All of them, seed by seed: what is there at any time is whole comparisons of fewer seeds."""
    return [Condition(BASE, None), *(Condition(texts, seed) for seed in range(seeds) for texts in TEXTS)]


def fit_command(condition: Condition, settings: Settings, dataset: Path, folder: Path) -> list[str]:
    """The arguments of the verb that trains."""
    return [
        "fit",
        f"--config={CONFIG}",
        f"--seed_everything={condition.seed}",
        f"--data.seed={condition.seed}",
        f"--data.dataset={dataset}",
        *TEXTS[condition.texts],
        f"--trainer.max_steps={settings.steps}",
        f"--trainer.default_root_dir={folder}",
        f"--checkpoint.dirpath={folder / 'checkpoints'}",
    ]


def evaluate_command(model: str, settings: Settings, dataset: Path, out: Path) -> list[str]:
    """The arguments of the verb that scores: greedy, one text a combination, none of them in any fit's texts."""
    return [
        "evaluate",
        f"--out={out}",
        "--student=TransformersStudent",
        f"--student.model={model}",
        "--student.temperature=0",
        f"--student.max_new_tokens={settings.max_new_tokens}",
        "--student.batch_size=32",
        "--splits=[train,held_out]",
        f"--ks={_listed(settings.ks)}",
        f"--combinations={settings.combinations}",
        "--generations=1",
        "--gradings=1",
        f"--exclude_data={dataset}",
    ]


def _listed(ks: Sequence[int]) -> str:
    return f"[{','.join(map(str, ks))}]"
