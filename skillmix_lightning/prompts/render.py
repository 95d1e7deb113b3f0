"""Prompt sets: the wording of one protocol, filled in for a combination.

The fields of this project's own sets, in braces:

    {topic}            the topic's name
    {skills}           the skills' names, separated by commas
    {skills_and_forms} the same, each with its form in brackets, where it has one
    {skills_defined}   a line per skill: name, definition, example
    {sentence_limit}   "one sentence", "two sentences", …

and in a grading turn also

    {text}             the text to be graded
    {criteria}         a line per criterion
    {criteria_by_id}   the same, each after its identifier in quotes
    {nonce}            a random mark that the text does not contain

Those of the reference implementation's sets are in `prompts/reference.py`. Filling in is one pass: text that was filled
in is never searched for fields.
"""

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from skillmix_lightning.catalogue import Catalogue, Combination
from skillmix_lightning.errors import InputError
from skillmix_lightning.prompts.reference import reference_fields
from skillmix_lightning.prompts.wording import RubricWording, criterion_ids, sentences

GENERATION_FIELDS = frozenset({"topic", "skills", "skills_and_forms", "skills_defined", "sentence_limit"})
GRADING_FIELDS = GENERATION_FIELDS | {"text", "criteria", "criteria_by_id", "nonce"}
FIELD = re.compile(r"\{(\w+)\}")

Syntax = Literal["fields", "reference"]
GradingFormat = Literal["table", "json", "prose"]


@dataclass(frozen=True)
class Grading:
    """How a grader is asked.

    Attributes:
        turn: what the user says, with fields.
        format: what the reply looks like; "prose" ones, as some of the reference implementation's prompts ask for,
            cannot be read.
        wording: of the criteria.
    """

    turn: str
    format: GradingFormat
    wording: RubricWording = field(default_factory=RubricWording)


@dataclass(frozen=True)
class PromptSet:
    """The wording of one protocol.

    Attributes:
        id: the built-in name, or the folder's name; for a set of the reference implementation also its two files'.
        sha256: of the files' bytes; id and sha256 go into a run's manifest.
        generation: the user's turns, with fields.
        grading: how a grader is asked; None where the set is only for writing.
        syntax: "fields" as above, or "reference": Python format strings.
    """

    id: str
    sha256: str
    generation: tuple[str, ...]
    grading: Grading | None = None
    syntax: Syntax = "fields"

    @property
    def grading_format(self) -> GradingFormat:
        """What a grader's reply looks like.

        Raises:
            InputError: the set has no grading turn.
        """
        return self._grading().format

    @property
    def wording(self) -> RubricWording:
        """How the criteria read.

        Raises:
            InputError: the set has no grading turn.
        """
        return self._grading().wording

    def generation_turns(self, catalogue: Catalogue, combination: Combination) -> tuple[str, ...]:
        """What the user says to the student, turn by turn.

        Raises:
            InputError: the catalogue lacks a skill of the combination.
        """
        if self.syntax == "reference":
            return tuple(turn.format(**reference_fields(catalogue, combination)) for turn in self.generation)
        fields = _generation_fields(catalogue, combination)
        return tuple(_filled(turn, fields) for turn in self.generation)

    def grading_turn(
        self,
        catalogue: Catalogue,
        combination: Combination,
        text: str,
        labels: Sequence[str],
        nonce: str | None = None,
    ) -> str:
        """What the user says to the grader.

        Args:
            catalogue: where the skills are defined.
            combination: what the student was asked for.
            text: what it wrote.
            labels: the rubric's criteria as worded, in its order: the skills, topic, sense, length.
            nonce: the mark around the text; drawn if there is none, and again while the text contains it.

        Raises:
            InputError: the set has no grading turn, or the catalogue lacks a skill of the combination.
        """
        turn = self._grading().turn
        if self.syntax == "reference":
            given = reference_fields(catalogue, combination)
            return turn.format(**given, student_answer=text, rubric_items=", ".join(labels))
        ids = criterion_ids(combination)
        assert len(labels) == len(ids), "a rubric has a label for each of its criteria"
        while nonce is None or nonce in text:
            nonce = secrets.token_hex(8)
        return _filled(
            turn,
            {
                **_generation_fields(catalogue, combination),
                "text": text,
                "criteria": "\n".join(f"- {label}" for label in labels),
                "criteria_by_id": "\n".join(
                    f"- {json.dumps(criterion, ensure_ascii=False)}: {label}"
                    for criterion, label in zip(ids, labels, strict=True)
                ),
                "nonce": nonce,
            },
        )

    def _grading(self) -> Grading:
        if self.grading is None:
            raise InputError(f"the prompt set {self.id} is only for writing; give the grader paper-v1 or hardened-v1")
        return self.grading


def _generation_fields(catalogue: Catalogue, combination: Combination) -> dict[str, str]:
    skills = [catalogue.skill(name) for name in combination.skills]
    return {
        "topic": combination.topic,
        "skills": ", ".join(skill.name for skill in skills),
        "skills_and_forms": ", ".join(skill.name + (f" ({skill.form})" if skill.form else "") for skill in skills),
        "skills_defined": "\n".join(f"- {s.name}: {s.definition} Example: {s.example}" for s in skills),
        "sentence_limit": sentences(combination.sentence_limit),
    }


def _filled(turn: str, fields: Mapping[str, str]) -> str:
    return FIELD.sub(lambda match: fields[match.group(1)], turn)
