"""Joins fragments, one per skill, into a text of at most so many sentences."""

import random
from collections.abc import Sequence

#: How often a text uses all the sentences it may have: short sentences read better and are easier to learn from.
USES_THE_LIMIT = 0.75


def assemble(fragments: Sequence[str], limit: int, rng: random.Random) -> str:
    """A text that holds every fragment, in random order, in 1 to `limit` sentences.

    A fragment that ends with "?" or "!" comes last in its sentence.

    Args:
        fragments: parts of sentences, without closing full stops.
        limit: the most sentences.
        rng: decides the order and the division.

    Raises:
        ValueError: more fragments close their sentence than there may be sentences.
    """
    closing = [fragment for fragment in fragments if closes(fragment)]
    most = min(limit, len(fragments))
    if len(closing) > most:
        raise ValueError(f"{len(closing)} fragments must each close a sentence, but the limit is {limit}")
    count = most if rng.random() < USES_THE_LIMIT else rng.randint(max(1, len(closing)), most)

    # One fragment for each sentence first (the closing ones among them), the others anywhere before these.
    others = [fragment for fragment in fragments if not closes(fragment)]
    rng.shuffle(others)
    lasts = closing + others[: count - len(closing)]
    sentences = [[last] for last in lasts]
    for fragment in others[count - len(closing) :]:
        rng.choice(sentences).insert(0, fragment)
    rng.shuffle(sentences)
    return " ".join(sentence_of(parts) for parts in sentences)


def closes(fragment: str) -> bool:
    """Whether nothing can follow the fragment in its sentence."""
    return fragment.endswith(("?", "!"))


def sentence_of(fragments: Sequence[str]) -> str:
    """One sentence: fragments joined by semicolons, its first letter a capital, closed with a mark."""
    joined = "; ".join(fragments)
    first = next((place for place, character in enumerate(joined) if character.isalnum()), 0)
    return joined[:first] + joined[first : first + 1].upper() + joined[first + 1 :] + ("" if closes(joined) else ".")
