"""The reference implementation's prompts, loaded as they are: JSON lists of Python format strings.

Its folder holds `generation/*.json` (the user's turns) and `grade/*.json` (one turn). The fields are those below, and
in a grading turn also {student_answer} and {rubric_items}.
"""

import json
import string
from pathlib import Path

from skillmix_lightning.catalogue import Catalogue, Combination, Skill
from skillmix_lightning.prompts.wording import RubricWording, number_word, sentences

GENERATION_FIELDS = frozenset(
    {
        "skills_str",
        "skills_defs_and_examples_simple",
        "skills_defs_and_examples",
        "skills_defs",
        "num_skills",
        "num_skills_str",
        "topic",
        "num_sentences",
        "num_sentences_str",
    }
)
GRADING_FIELDS = GENERATION_FIELDS | {"student_answer", "rubric_items"}

#: Its grading prompts whose criteria it words in another way than "Correctly illustrates …".
WORDINGS = {"llama": RubricWording(skill="Contains {skill}")}


def reference_fields(catalogue: Catalogue, combination: Combination) -> dict[str, str | int]:
    """The values of the fields for a combination, to the byte."""
    skills = [catalogue.skill(name) for name in combination.skills]
    limit = combination.sentence_limit

    return {
        "skills_str": ", ".join(skill.name for skill in skills),
        "skills_defs_and_examples_simple": "\n".join(
            f"{_defined(skill)} For example, {skill.example}" for skill in skills
        ),
        "skills_defs_and_examples": "\n".join(
            f"Skill: {skill.name}\nDefinition: {skill.definition}\nExample: {skill.example}" for skill in skills
        ),
        "skills_defs": "\n".join(map(_defined, skills)),
        "num_skills": len(skills),
        "num_skills_str": number_word(len(skills)),
        "topic": combination.topic,
        "num_sentences": limit,
        "num_sentences_str": sentences(limit),
    }


def read_turns(content: bytes, fields: frozenset[str]) -> tuple[tuple[str, ...], list[str]]:
    """The turns of a file, or its problems.

    Args:
        content: of the file.
        fields: what the turns may hold.
    """
    try:
        turns = json.loads(content)
    except ValueError as error:
        return (), [f"cannot be read as JSON ({error})"]
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, str) and turn.strip() for turn in turns):
        return (), ["must be a list of at least one text"]
    problems = []
    for turn in turns:
        try:
            found = [(name, spec) for _, name, spec, _ in string.Formatter().parse(turn) if name is not None]
        except ValueError as error:
            problems.append(f"is no Python format string ({error})")
            continue
        problems += [
            f"unknown field {{{name}}}; known: {', '.join(sorted(fields))}" for name, _ in found if name not in fields
        ]
        problems += [f"the field {{{name}}} has a format of its own; leave it out" for name, spec in found if spec]
    return tuple(turns), problems


def grading_wording(grading: Path) -> RubricWording:
    """How the reference implementation words the criteria for a grading prompt."""
    return WORDINGS.get(grading.stem, RubricWording())


def _defined(skill: Skill) -> str:
    return f"**{skill.name}**: {skill.definition}"
