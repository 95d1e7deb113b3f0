"""The little words of English: what does not count where a figure is made of content words."""

from skillmix_lightning.catalogue import lexicon

ARTICLES: frozenset[str] = frozenset(lexicon("function_words")["articles"])
PREPOSITIONS: frozenset[str] = frozenset(lexicon("function_words")["prepositions"])
CONJUNCTIONS: frozenset[str] = frozenset(lexicon("function_words")["conjunctions"])

#: Those that join the items of a list or two clauses of equal rank.
COORDINATORS: frozenset[str] = frozenset(lexicon("function_words")["coordinators"])

FUNCTION_WORDS: frozenset[str] = frozenset(word for words in lexicon("function_words").values() for word in words)


def is_content(word: str) -> bool:
    """Whether a word carries meaning of its own."""
    return word not in FUNCTION_WORDS
