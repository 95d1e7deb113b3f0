"""Draws combinations: k distinct skills and one topic of a split, the same on every machine for one seed.

Draws are made from sha256 counters, not from `random`, whose streams a Python release may change.
"""

import hashlib
import math
from collections.abc import Collection, Iterator, Sequence
from itertools import combinations as subsets

from skillmix_lightning.catalogue.types import Catalogue, Combination, Split
from skillmix_lightning.errors import InputError

MAX_K = 8
_ATTEMPTS_PER_COMBINATION = 2000
_ATTEMPTS_PER_EXCLUDED = 50

#: What a combination asks for, whatever the order of its skills: their names, and the topic's.
Content = tuple[frozenset[str], str]


def combination_of(
    catalogue: Catalogue, split: Split, skills: Sequence[str], topic: str, index: int = 0
) -> Combination:
    """Names one combination; its id is as in `Combination`."""
    key = "\x1f".join([catalogue.id, *sorted(skills), topic, str(index)])
    return Combination(hashlib.sha256(key.encode()).hexdigest()[:16], split, tuple(skills), topic)


def incompatible_in(catalogue: Catalogue, skills: Sequence[str]) -> list[frozenset[str]]:
    """The incompatible pairs among these skills."""
    return [pair for pair in map(frozenset, subsets(skills, 2)) if pair in catalogue.incompatible_pairs]


def draw_combinations(
    catalogue: Catalogue,
    split: Split,
    k: int,
    count: int,
    seed: int = 0,
    allow_incompatible: bool = False,
    topics: Split | None = None,
    index: int = 0,
    common_skills: bool = True,
    exclude: Collection[Content] = frozenset(),
) -> list[Combination]:
    """Draws `count` different combinations.

    The first n of a longer draw are the draw of n. No two have the same set of skills and the same topic, whatever
    the order. Excluded combinations are passed over: what is drawn is the draw without the exclusion, less those, and
    as many more. So two models that were trained on different data share all but what either was trained on.

    Args:
        catalogue: where skills and topics come from.
        split: which skills.
        k: skills per combination, 1 to 8.
        count: how many.
        seed: the draw's number.
        allow_incompatible: also draw pairs of skills recorded as impossible in one text.
        topics: which topics, if not those of `split` (D(1) draws all skills on training topics).
        index: the draw index of their ids; draws that one run holds side by side and that can meet need different ones.
        common_skills: also draw the skills marked as common; False gives the "uncommon" variant of SKILL-MIX.
        exclude: sets of skills and topics that are not to be drawn together: what a model was trained on.

    Raises:
        InputError: k is out of range for the split, or the split has fewer combinations than asked for.
    """
    skills = [skill.name for skill in catalogue.split_skills(split) if common_skills or not skill.common]
    places = [topic.name for topic in catalogue.split_topics(topics or split)]
    kind = "skills" if common_skills else "uncommon skills"
    if not 1 <= k <= min(MAX_K, len(skills)):
        raise InputError(
            f"k={k}: the catalogue's {split} split has {len(skills)} {kind}, so k can be 1 to {min(MAX_K, len(skills))}"
        )
    known_skills, known_topics = set(skills), set(places)
    excluded = {
        (names, topic)
        for names, topic in exclude
        if len(names) == k and names <= known_skills and topic in known_topics
    }
    possible = math.comb(len(skills), k) * len(places) - len(excluded)
    if count > possible:
        less = f" that are not among the {len(excluded)} excluded (trained on)" if excluded else ""
        raise InputError(f"{count} combinations of k={k} asked for; the {split} split has only {possible}{less}")

    numbers = _numbers(f"{seed}/{split}/{topics or split}/{k}")
    drawn: list[Combination] = []
    passed_over = set(excluded)
    for _ in range(_ATTEMPTS_PER_COMBINATION * count + _ATTEMPTS_PER_EXCLUDED * len(excluded)):
        if len(drawn) == count:
            break
        chosen = _sample(skills, k, numbers)
        topic = places[next(numbers) % len(places)]
        key = (frozenset(chosen), topic)
        if key in passed_over or (not allow_incompatible and incompatible_in(catalogue, chosen)):
            continue
        passed_over.add(key)
        drawn.append(combination_of(catalogue, split, chosen, topic, index))
    if len(drawn) < count:
        raise InputError(
            f"only {len(drawn)} of {count} combinations of k={k} found in the {split} split: too many of its skills "
            f"are incompatible{' or combinations excluded' if excluded else ''}; ask for fewer"
        )
    return drawn


def _numbers(key: str) -> Iterator[int]:
    """64-bit numbers, uniform and endless, decided by the key alone."""
    counter = 0
    while True:
        block = hashlib.sha256(f"{key}/{counter}".encode()).digest()
        yield from (int.from_bytes(block[i : i + 8]) for i in range(0, 32, 8))
        counter += 1


def _sample(items: Sequence[str], k: int, numbers: Iterator[int]) -> list[str]:
    """Draws k distinct items in random order (a partial Fisher-Yates shuffle)."""
    pool = list(items)
    for i in range(k):
        j = i + next(numbers) % (len(pool) - i)  # 64 bits over at most 101 skills: the bias is below 1e-17
        pool[i], pool[j] = pool[j], pool[i]
    return pool[:k]
