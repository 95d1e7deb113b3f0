"""Hand-made catalogues, compositions and grades, small enough to reckon with on paper."""

from collections.abc import Sequence

from skillmix_lightning.catalogue import Catalogue, Combination, IncompatiblePair, Skill, Split, Topic
from skillmix_lightning.graders.base import Grade, Status
from skillmix_lightning.students.base import Composition

CRITERIA = ("topic", "sense", "length")


def small_catalogue(
    training: Sequence[str] = ("metaphor", "simile", "anaphora", "litotes"),
    held_out: Sequence[str] = ("modus ponens", "deduction"),
    training_topics: Sequence[str] = ("Sewing", "Knots", "Dueling"),
    held_out_topics: Sequence[str] = ("Beekeeping",),
    incompatible: Sequence[tuple[str, str]] = (),
) -> Catalogue:
    skills = [(name, "literary") for name in training] + [(name, "logic") for name in held_out]
    topics = [(name, "train") for name in training_topics] + [(name, "held_out") for name in held_out_topics]
    return Catalogue(
        skills=tuple(
            Skill(name=name, category=category, definition=f"A text shows {name}.", example=f"An example of {name}.")
            for name, category in skills
        ),
        topics=tuple(Topic(name=name, split=split) for name, split in topics),
        incompatible=tuple(IncompatiblePair(skills=pair, reason="They cannot meet.") for pair in incompatible),
    )


def composition(
    combination_id: str = "c0",
    skills: Sequence[str] = ("metaphor", "simile"),
    generation: int = 0,
    text: str = "A text.",
    split: Split = "train",
) -> Composition:
    return Composition(
        combination=Combination(combination_id, split, tuple(skills), "Sewing"),
        generation=generation,
        turns=({"role": "user", "content": "Write."}, {"role": "assistant", "content": text}),
        text=text,
        finish_reason="stop",
        student="somebody",
        usage={"completion_tokens": 3},
    )


def grade(of: Composition, earned: str, grading: int = 0, status: Status = "ok") -> Grade:
    """Points as a string of digits in the rubric's order: the skills, then topic, sense and length ("11 111")."""
    criteria = [*(f"skill:{name}" for name in of.combination.skills), *CRITERIA]
    digits = [int(digit) for digit in earned.replace(" ", "")]
    points = dict(zip(criteria, digits, strict=True)) if status == "ok" else {}
    return Grade(of.combination.id, of.generation, grading, "judge", status, points)
