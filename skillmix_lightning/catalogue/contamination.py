"""How much of what is evaluated a model has seen in training: whole combinations, their pairs, triples, … of skills.

SKILL-MIX asks whether a model can combine what it has not seen combined (arXiv 2409.19808, section 3.3), so every
evaluation says how far that holds.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations as subsets
from math import comb

from skillmix_lightning.catalogue.types import Combination, Split


@dataclass(frozen=True)
class ContaminationRow:
    """What training texts have in common with the evaluated combinations of one split and k.

    Attributes:
        split: of the evaluated combinations.
        k: their skills.
        combinations: how many there are.
        exact: how many of them have the skills and the topic of a training text.
        same_skills: how many have exactly the skills of a training text, on whatever topic.
        seen_together: for each size from 1 to k, the share of the combinations' sets of so many skills (pairs, triples,
            …, counted once in each combination that holds them) whose skills stand together in a training text.
        topics_seen: share of the combinations whose topic is that of a training text.
    """

    split: Split
    k: int
    combinations: int
    exact: int
    same_skills: int
    seen_together: tuple[float, ...]
    topics_seen: float


def contamination(
    evaluated: Sequence[Combination], trained: Iterable[tuple[Collection[str], str]]
) -> list[ContaminationRow]:
    """What of the evaluated combinations occurs in training texts.

    Args:
        evaluated: of any splits and ks.
        trained: the skills and the topic of each training text.

    Returns:
        A row for each split and k, in the order in which they first occur.
    """
    contents = {(frozenset(skills), topic) for skills, topic in trained}
    skill_sets = {skills for skills, _ in contents}
    topics = {topic for _, topic in contents}
    largest = max((combination.k for combination in evaluated), default=0)
    together = {part for skills in skill_sets for size in range(1, largest + 1) for part in _parts(skills, size)}
    cells: dict[tuple[Split, int], list[Combination]] = {}
    for combination in evaluated:
        cells.setdefault((combination.split, combination.k), []).append(combination)
    rows = []
    for (split, k), cell in cells.items():
        seen = Counter(
            size for c in cell for size in range(1, k + 1) for part in _parts(c.skills, size) if part in together
        )
        rows.append(
            ContaminationRow(
                split=split,
                k=k,
                combinations=len(cell),
                exact=sum((frozenset(c.skills), c.topic) in contents for c in cell),
                same_skills=sum(frozenset(c.skills) in skill_sets for c in cell),
                seen_together=tuple(seen[size] / (len(cell) * comb(k, size)) for size in range(1, k + 1)),
                topics_seen=sum(c.topic in topics for c in cell) / len(cell),
            )
        )
    return rows


def _parts(skills: Collection[str], size: int) -> Iterator[tuple[str, ...]]:
    """The sets of `size` of these skills, each in alphabetical order."""
    return subsets(sorted(skills), size)
