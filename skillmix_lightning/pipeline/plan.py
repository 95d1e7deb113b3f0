"""The plan that evaluation, synthesis and the training callback share: what is written, and how often."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from skillmix_lightning.catalogue import Catalogue, Combination, Content, Split, draw_combinations, load_catalogue
from skillmix_lightning.errors import raise_all
from skillmix_lightning.pipeline.shards import Shard
from skillmix_lightning.pipeline.trained import trained_combinations
from skillmix_lightning.prompts import PromptSet, load_prompts
from skillmix_lightning.students.base import Request


@dataclass(frozen=True)
class Plan:
    """What an evaluation asks for.

    Attributes:
        catalogue: `language`, `verifiable`, or the path of a catalogue.
        splits: which of train, held_out, all.
        ks: how many skills a text combines.
        combinations: per split and k.
        generations: texts per combination.
        gradings: grading rounds per text.
        seed: of the draw.
        prompts: a built-in prompt set, or a folder.
        allow_incompatible: also draw skills recorded as impossible in one text.
        common_skills: also draw skills marked as common; False gives the "uncommon" variant.
        exclude_data: a data set, JSONL, whose combinations are never drawn: what the student was trained on.
        shard: "2/8" for the second of eight parts, None for all of it.
    """

    catalogue: str = "verifiable"
    splits: Sequence[Split] = ("train", "held_out")
    ks: Sequence[int] = (1, 2, 3, 4)
    combinations: int = 100
    generations: int = 3
    gradings: int = 3
    seed: int = 0
    prompts: str = "brief-v1"
    allow_incompatible: bool = False
    common_skills: bool = True
    exclude_data: str | None = None
    shard: str | None = None

    def __post_init__(self) -> None:
        counts = {name: getattr(self, name) for name in ("combinations", "generations", "gradings")}
        problems = [f"{name} is {value}, and must be at least 1" for name, value in counts.items() if value < 1]
        problems += [f'"{name}" stands twice in splits' for name in set(self.splits) if self.splits.count(name) > 1]
        problems += [f"{k} stands twice in ks" for k in set(self.ks) if self.ks.count(k) > 1]
        raise_all("the plan", problems)
        Shard.parse(self.shard)

    def load_catalogue(self) -> Catalogue:
        """The catalogue."""
        return load_catalogue(self.catalogue)

    def load_prompts(self) -> PromptSet:
        """The prompt set."""
        return load_prompts(self.prompts)

    def draw(self, exclude: Collection[Content] = frozenset()) -> list[Combination]:
        """All combinations, by split and k; the same for every model and checkpoint.

        The `all` split can draw what `train` or `held_out` drew; its ids have an index of their own, so that the
        records of the two are not taken for one another.

        Args:
            exclude: skills and topics not to be drawn together, beside those of `exclude_data`.

        Raises:
            InputError: a split has too few skills or combinations, or `exclude_data` cannot be read.
        """
        excluded = {*exclude}
        if self.exclude_data is not None:
            excluded |= trained_combinations(Path(self.exclude_data))
        return [
            combination
            for split in self.splits
            for k in self.ks
            for combination in draw_combinations(
                self.load_catalogue(),
                split,
                k,
                self.combinations,
                self.seed,
                self.allow_incompatible,
                index=int(split == "all"),
                common_skills=self.common_skills,
                exclude=excluded,
            )
        ]

    def requests(self, exclude: Collection[Content] = frozenset()) -> list[Request]:
        """What the student is asked: every combination of `draw` in every generation round; of a shard, its part."""
        drawn = Shard.parse(self.shard).part(self.draw(exclude))
        return requests_for(self.load_catalogue(), self.load_prompts(), drawn, self.generations)

    def manifest(self) -> dict[str, Any]:
        """The plan as a run's manifest holds it, with the ids of catalogue and prompts."""
        prompts = self.load_prompts()
        plan = asdict(self)
        if self.shard is None:
            del plan["shard"]
        return {
            "plan": plan,
            "catalogue_id": self.load_catalogue().id,
            "prompts": {"id": prompts.id, "sha256": prompts.sha256},
        }


def requests_for(
    catalogue: Catalogue, prompts: PromptSet, combinations: Sequence[Combination], generations: int = 1
) -> list[Request]:
    """A request for each combination and generation round."""
    return [
        Request(combination, generation, prompts.generation_turns(catalogue, combination))
        for combination in combinations
        for generation in range(generations)
    ]
