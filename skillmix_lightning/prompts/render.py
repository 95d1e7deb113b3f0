"""Prompt sets: versioned files with the wording, filled in for a combination.

A prompt set is a folder with `generation.yaml` (key `turns`: what the user says, turn by turn). Fields stand in braces:

    {topic}            the topic's name
    {skills}           the skills' names, separated by commas
    {skills_and_forms} the same, each with its form in brackets, where it has one
    {skills_defined}   a line per skill: name, definition, example
    {sentence_limit}   "one sentence", "two sentences", …
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import inflect
import yaml

from skillmix_lightning.catalogue import Catalogue, Combination
from skillmix_lightning.errors import InputError, raise_all

HERE = Path(__file__).parent
BUILT_IN = ("brief-v1", "paper-v1")
_FIELD = re.compile(r"\{(\w+)\}")
_FIELDS = frozenset({"topic", "skills", "skills_and_forms", "skills_defined", "sentence_limit"})


@dataclass(frozen=True)
class PromptSet:
    """The wording of one protocol.

    Attributes:
        id: the built-in name, or the folder's name.
        sha256: of the files' bytes; id and sha256 go into a run's manifest.
        generation: the user's turns, with fields.
    """

    id: str
    sha256: str
    generation: tuple[str, ...]

    def generation_turns(self, catalogue: Catalogue, combination: Combination) -> tuple[str, ...]:
        """What the user says for a combination, turn by turn."""
        skills = [catalogue.skill(name) for name in combination.skills]
        limit = combination.sentence_limit
        fields = {
            "topic": combination.topic,
            "skills": ", ".join(skill.name for skill in skills),
            "skills_and_forms": ", ".join(skill.name + (f" ({skill.form})" if skill.form else "") for skill in skills),
            "skills_defined": "\n".join(f"- {s.name}: {s.definition} Example: {s.example}" for s in skills),
            "sentence_limit": _count(limit, "sentence"),
        }
        # One pass: text that was filled in is never searched for fields again.
        return tuple(_FIELD.sub(lambda match: fields[match.group(1)], turn) for turn in self.generation)


@cache
def load_prompts(name_or_path: str) -> PromptSet:
    """Loads a built-in prompt set by name, or a folder by path.

    Raises:
        InputError: there is none, or its file has problems (all are listed).
    """
    folder = HERE / name_or_path if name_or_path in BUILT_IN else Path(name_or_path)
    file = folder / "generation.yaml"
    try:
        content = file.read_bytes()
        turns = yaml.safe_load(content)
    except OSError:
        built_in = ", ".join(BUILT_IN)
        raise InputError(f"--prompts {name_or_path}: no file {file}; give a folder with one, or {built_in}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{file}: cannot be read as YAML ({' '.join(str(error).split())})") from None
    turns = turns.get("turns") if isinstance(turns, dict) else None
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, str) and turn.strip() for turn in turns):
        raise InputError(f'{file}: the key "turns" must be a list of at least one text')
    unknown = {field for turn in turns for field in _FIELD.findall(turn)} - _FIELDS
    known = ", ".join(sorted(_FIELDS))
    raise_all(str(file), [f"unknown field {{{field}}}; known: {known}" for field in sorted(unknown)])
    return PromptSet(folder.name, hashlib.sha256(content).hexdigest(), tuple(turns))


def _count(number: int, noun: str) -> str:
    engine = inflect.engine()
    return f"{engine.number_to_words(number)} {engine.plural_noun(noun, number)}"  # type: ignore[arg-type]
