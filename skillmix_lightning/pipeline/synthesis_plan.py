"""What a synthesis asks for: which combinations, in which order, and how many texts of each k.

The paper's rule (arXiv 2409.19808, section 3.1): all skills on training topics for k = 1, so that held-out skills are
seen singly; training skills on training topics for k >= 2.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import combinations as subsets
from typing import Any

from skillmix_lightning.catalogue import Catalogue, Combination, Split, draw_combinations, load_catalogue
from skillmix_lightning.errors import raise_all
from skillmix_lightning.pipeline.shards import Shard
from skillmix_lightning.prompts import PromptSet, load_prompts
from skillmix_lightning.students.base import Request

#: Sets of skills that are counted one by one to know how many the incompatible pairs leave: a second at most.
_COUNTED = 500_000


def draw_training(
    catalogue: Catalogue, attempts: Mapping[int, int], seed: int = 0, common_skills: bool = True
) -> list[Combination]:
    """The combinations of a training set: `attempts[k]` of each k, by the paper's rule.

    Raises:
        InputError: the catalogue has too few.
    """
    return [
        combination
        for k, count in attempts.items()
        for combination in draw_combinations(
            catalogue, _split(k), k, count, seed, topics="train", common_skills=common_skills
        )
    ]


@dataclass(frozen=True)
class SynthesisPlan:
    """What a synthesis asks for, either as attempts or as accepted texts of each k.

    Attributes:
        catalogue: `language`, `verifiable`, or the path of a catalogue.
        attempts: k to the number of texts that are written, whatever becomes of them.
        accepted: k to the number of texts that are wanted in the data set; as many are written as that takes.
        gradings: grading rounds per text.
        name_rule: whether a text that names one of its skills loses that skill's point.
        seed: of the draw.
        prompts: a built-in prompt set, or a folder.
        common_skills: also draw skills marked as common.
        near_duplicates: a text is left out where its word triples agree with those of one that was kept at least this
            much (Jaccard similarity, 0 to 1); None leaves out only texts of the same words.
        shard: "2/8" for the second of eight parts, None for all of it.
    """

    catalogue: str = "language"
    attempts: Mapping[int, int] | None = None
    accepted: Mapping[int, int] | None = None
    gradings: int = 1
    name_rule: bool = True
    seed: int = 0
    prompts: str = "paper-v1"
    common_skills: bool = True
    near_duplicates: float | None = 0.8
    shard: str | None = None

    def __post_init__(self) -> None:
        problems = [] if self.gradings >= 1 else [f"gradings is {self.gradings}, and must be at least 1"]
        if bool(self.attempts) == bool(self.accepted):
            problems.append("give either attempts or accepted, as texts of each k: {1: 500, 2: 1000}")
        for name, counts in (("attempts", self.attempts), ("accepted", self.accepted)):
            wrong = [(k, n) for k, n in (counts or {}).items() if k < 1 or n < 1]
            problems += [f"{name} of k={k} is {n}; both have to be at least 1" for k, n in wrong]
        if self.near_duplicates is not None and not 0 < self.near_duplicates <= 1:
            problems.append(f"near_duplicates is {self.near_duplicates:g}, and must be above 0 and at most 1")
        raise_all("the plan", problems)
        Shard.parse(self.shard)

    @classmethod
    def of_manifest(cls, plan: Mapping[str, Any]) -> "SynthesisPlan":
        """The plan that a run's manifest holds: `manifest()["plan"]`, whose ks have become strings."""
        counts = {
            name: {int(k): n for k, n in plan[name].items()} if plan.get(name) else None
            for name in ("attempts", "accepted")
        }
        return cls(**{**plan, **counts})

    @property
    def ks(self) -> list[int]:
        """Which ks, ascending."""
        return sorted(self.attempts or self.accepted or {})

    def targets(self) -> dict[int, int] | None:
        """How many accepted texts of each k this shard is to have; None where attempts are counted."""
        if not self.accepted:
            return None
        return {k: Shard.parse(self.shard).share(count) for k, count in self.accepted.items()}

    def load_catalogue(self) -> Catalogue:
        """The catalogue."""
        return load_catalogue(self.catalogue)

    def load_prompts(self) -> PromptSet:
        """The prompt set."""
        return load_prompts(self.prompts)

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


class Candidates:
    """The texts that a plan can ask for, in an order that never changes: by k, then by the index of the draw.

    A draw of more than the catalogue's combinations begins again with the first, for another generation.

    Args:
        plan: what is asked.
    """

    def __init__(self, plan: SynthesisPlan) -> None:
        self.plan = plan
        self.shard = Shard.parse(plan.shard)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The catalogue, loaded once."""
        return self.plan.load_catalogue()

    @cached_property
    def prompts(self) -> PromptSet:
        """The prompt set, loaded once."""
        return self.plan.load_prompts()

    def drawn(self, k: int, count: int) -> Sequence[tuple[Combination, int]]:
        """The first `count` of the whole plan's candidates with k skills: combination and generation.

        Raises:
            InputError: the catalogue has too few skills.
        """
        possible = _possible(self.catalogue, k, self.plan.common_skills)
        different = min(count, max(possible, 1))  # none at all is refused by the draw, which says why
        drawn = draw_training(self.catalogue, {k: different}, self.plan.seed, self.plan.common_skills)
        return [(drawn[index % different], index // different) for index in range(count)]

    def requests(self, counts: Mapping[int, int]) -> list[Request]:
        """What the student is asked: of each k the first `counts[k]` candidates of this shard."""
        return [
            Request(combination, generation, self.prompts.generation_turns(self.catalogue, combination))
            for k in self.plan.ks
            for combination, generation in self.shard.part(self.drawn(k, self.shard.of * counts[k]))[: counts[k]]
        ]


def _split(k: int) -> Split:
    return "all" if k == 1 else "train"


def _possible(catalogue: Catalogue, k: int, common_skills: bool) -> int:
    """How many combinations there are; incompatible ones among them where there are too many to look at each."""
    names = [skill.name for skill in catalogue.split_skills(_split(k)) if common_skills or not skill.common]
    sets = math.comb(len(names), k)
    if catalogue.incompatible_pairs and sets <= _COUNTED:
        pairs = [pair for pair in catalogue.incompatible_pairs if pair <= set(names)]
        sets = sum(not any(pair <= chosen for pair in pairs) for chosen in map(frozenset, subsets(names, k)))
    return sets * len(catalogue.split_topics("train"))
