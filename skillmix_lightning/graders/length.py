"""The length criterion: no more sentences than the combination allows, and at least one."""

from skillmix_lightning.graders.text import Text


def length_problems(text: Text, limit: int) -> list[str]:
    """Why a text earns no length point; empty if it earns it.

    Args:
        text: its sentences are those of a sentence segmenter, so initials, abbreviations and decimals end none.
        limit: the most sentences it may have.
    """
    count = len(text.sentences)
    if count == 0:
        return ["no sentence"]
    return [f"{count} sentences, at most {limit} allowed"] if count > limit else []
