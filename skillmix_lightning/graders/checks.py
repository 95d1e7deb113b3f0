"""What code decides about a text whoever grades it: its length, and which of its skills it names.

Models count sentences badly, and the paper's rule that a named skill earns nothing needs no judgement; so both are
reckoned here, from the text alone, and a grader's own opinion is only shown beside them.
"""

from dataclasses import dataclass

from skillmix_lightning.catalogue import Combination
from skillmix_lightning.graders.length import length_problems
from skillmix_lightning.graders.naming import named_skills
from skillmix_lightning.graders.text import parse


@dataclass(frozen=True)
class TextChecks:
    """What a text is found to be.

    Attributes:
        sentences: how many it has, by a sentence segmenter.
        length: the point of the criterion "length": 1 for one sentence at least and no more than allowed.
        named: the skills of the combination that it names.
    """

    sentences: int
    length: int
    named: tuple[str, ...]


def check_text(text: str, combination: Combination) -> TextChecks:
    """Counts a text's sentences and finds the names of the combination's skills in it."""
    parsed = parse(text)
    return TextChecks(
        sentences=len(parsed.sentences),
        length=int(not length_problems(parsed, combination.sentence_limit)),
        named=named_skills(parsed, combination.skills),
    )
