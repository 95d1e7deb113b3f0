"""Skills, topics, catalogues and combinations: the nouns at the start of the loop."""

import difflib
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from skillmix_lightning.errors import InputError

Split = Literal["train", "held_out", "all"]
Category = Literal[
    "literary",
    "rhetorical",
    "reasoning",
    "logic",
    "theory of mind",
    "pragmatics",
    "common sense",
    "physical knowledge",
]

#: The paper trains on these categories and holds the others out (arXiv 2409.19808, section 3.1).
TRAINING_CATEGORIES: frozenset[str] = frozenset({"literary", "rhetorical"})


_SHORTEST_SENTENCE = 10


def _sentence(text: str) -> str:
    """The text as it is: blanks at its ends belong to a wording that a catalogue may have to reproduce exactly."""
    length = len(text.strip())
    if length < _SHORTEST_SENTENCE:
        raise ValueError("is empty" if length == 0 else f'is too short ("{text.strip()}")')
    return text


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Sentence = Annotated[str, AfterValidator(_sentence)]
Words = tuple[Annotated[str, StringConstraints(strip_whitespace=True, min_length=2)], ...]


_Named = TypeVar("_Named")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Skill(_Strict):
    """A language skill.

    Attributes:
        name: unique within its catalogue.
        category: one of the paper's eight; it decides the split.
        definition: one sentence that a strict grader, human, model or program, can apply.
        form: the definition as a pattern of a few words ("if P, Q; P; so Q"), for prompts that must be short; optional.
        example: a text that illustrates the skill and does not name it.
        repeats: how many extra copies of a run of words the skill itself explains (a modus ponens says its premises
            twice); the checker grader's sense criterion forgives that many.
        common: everyday text is full of the skill, so a model may have met most of its combinations; draws of the
            "uncommon" variant leave it out (the paper: 17 of 101, each in at least 5% of RedPajama documents).
    """

    name: Name
    category: Category
    definition: Sentence
    form: str = ""
    example: Sentence
    repeats: Annotated[int, Field(ge=0)] = 0
    common: bool = False

    @property
    def split(self) -> Literal["train", "held_out"]:
        """`train` for literary and rhetorical skills, `held_out` for the others, as in the paper."""
        return "train" if self.category in TRAINING_CATEGORIES else "held_out"


class TopicWords(_Strict):
    """The words that make a text pertain to a topic, by their part in a sentence.

    All nouns are given in the singular; graders accept their plurals.

    Attributes:
        people: who does it: count nouns for one person ("beekeeper").
        things: what it is done with: count nouns, concrete ("hive").
        stuff: mass nouns, concrete ("honey").
        places: where it is done: count nouns that follow "the" ("apiary").
        other: further words of the topic that a grader accepts and the template student does not use.
    """

    people: Words = Field(min_length=3)
    things: Words = Field(min_length=6)
    stuff: Words = Field(min_length=2)
    places: Words = Field(min_length=2)
    other: Words = ()

    @property
    def all(self) -> frozenset[str]:
        """Every word, as written."""
        return frozenset(self.people + self.things + self.stuff + self.places + self.other)


class Topic(_Strict):
    """What a text is about; `words` is there in catalogues that a program grades."""

    name: Name
    split: Literal["train", "held_out"]
    words: TopicWords | None = None


class IncompatiblePair(_Strict):
    """Two skills that cannot stand in one text, and why."""

    skills: tuple[Name, Name]
    reason: Sentence


@dataclass(frozen=True)
class Catalogue:
    """Skills, topics and the pairs of skills that no text can show together."""

    skills: tuple[Skill, ...]
    topics: tuple[Topic, ...]
    incompatible: tuple[IncompatiblePair, ...] = ()

    @cached_property
    def id(self) -> str:
        """The first 16 hex digits of the sha256 of the content; it goes into every run and combination id."""
        content = {
            "skills": sorted((skill.model_dump(mode="json") for skill in self.skills), key=lambda row: row["name"]),
            "topics": sorted((topic.model_dump(mode="json") for topic in self.topics), key=lambda row: row["name"]),
            "incompatible": sorted(sorted(pair.skills) for pair in self.incompatible),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @cached_property
    def _skills_by_name(self) -> dict[str, Skill]:
        return {skill.name: skill for skill in self.skills}

    @cached_property
    def _topics_by_name(self) -> dict[str, Topic]:
        return {topic.name: topic for topic in self.topics}

    @cached_property
    def incompatible_pairs(self) -> frozenset[frozenset[str]]:
        """The names of each incompatible pair."""
        return frozenset(frozenset(pair.skills) for pair in self.incompatible)

    def skill(self, name: str) -> Skill:
        """The skill of that name.

        Raises:
            InputError: the catalogue has no such skill.
        """
        return _find(self._skills_by_name, name, "skill")

    def topic(self, name: str) -> Topic:
        """The topic of that name.

        Raises:
            InputError: the catalogue has no such topic.
        """
        return _find(self._topics_by_name, name, "topic")

    def split_skills(self, split: Split) -> tuple[Skill, ...]:
        """The skills of a split, in the catalogue's order."""
        return tuple(skill for skill in self.skills if split in ("all", skill.split))

    def split_topics(self, split: Split) -> tuple[Topic, ...]:
        """The topics of a split, in the catalogue's order."""
        return tuple(topic for topic in self.topics if split in ("all", topic.split))


@dataclass(frozen=True)
class Combination:
    """k skills and one topic that a student is asked to bring into one text.

    Attributes:
        id: sha256 of (catalogue id, sorted skills, topic, draw index), first 16 hex digits.
        split: where skills and topic were drawn from.
        skills: names, in the order the student reads them.
        topic: name.
    """

    id: str
    split: Split
    skills: tuple[str, ...]
    topic: str

    @property
    def k(self) -> int:
        """How many skills the text has to show."""
        return len(self.skills)

    @property
    def sentence_limit(self) -> int:
        """max(1, k - 1), the paper's limit (arXiv 2409.19808, section 3.3)."""
        return sentence_limit(self.k)


def sentence_limit(k: int) -> int:
    """How many sentences a text for k skills may have: max(1, k - 1)."""
    return max(1, k - 1)


def _find(by_name: dict[str, _Named], name: str, kind: str) -> _Named:
    try:
        return by_name[name]
    except KeyError:
        near = difflib.get_close_matches(name, by_name, n=1)
        mend = f'did you mean "{near[0]}"?' if near else f"the catalogue has {len(by_name)} {kind}s"
        raise InputError(f'no {kind} is called "{name}" in the catalogue; {mend}') from None
