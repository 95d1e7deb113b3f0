"""How criteria and counts are named and worded."""

from dataclasses import dataclass

from skillmix_lightning.catalogue import Combination

TOPIC, SENSE, LENGTH = "topic", "sense", "length"

_NUMBERS = dict(
    enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    )
)


@dataclass(frozen=True)
class RubricWording:
    """How a rubric's criteria read, with fields in braces; by default as in the papers (arXiv 2310.17567, 2409.19808).

    Attributes:
        skill: of each skill; {skill} is its name, in lower case.
        topic: {topic} is its name.
        sense: without a field.
        length: {sentence_limit} is "one sentence", "two sentences", …
    """

    skill: str = "Correctly illustrates {skill}"
    topic: str = "Pertains to {topic}"
    sense: str = "Text makes sense"
    length: str = "At most {sentence_limit}"


def skill_criterion(name: str) -> str:
    """The criterion id of a skill."""
    return f"skill:{name}"


def criterion_ids(combination: Combination) -> tuple[str, ...]:
    """The ids of a combination's k + 3 criteria, in the order graders read them: the skills, topic, sense, length."""
    return (*(skill_criterion(name) for name in combination.skills), TOPIC, SENSE, LENGTH)


def number_word(number: int) -> str:
    """The number in words, in digits beyond twelve."""
    return _NUMBERS.get(number, str(number))


def sentences(number: int) -> str:
    """A number of sentences in words: "one sentence", "two sentences"."""
    return f"{number_word(number)} {'sentence' if number == 1 else 'sentences'}"
