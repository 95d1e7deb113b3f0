"""What a student takes and gives: requests in, compositions out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypedDict

from skillmix_lightning.catalogue import Combination

FinishReason = Literal["stop", "length", "error"]


class Message(TypedDict):
    """One turn of a conversation, in the Hugging Face chat format."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Request:
    """One text to write.

    Attributes:
        combination: what the text has to show.
        generation: which generation round it is, from 0.
        turns: what the user says, turn by turn; the student answers each.
    """

    combination: Combination
    generation: int
    turns: tuple[str, ...]


@dataclass(frozen=True)
class Composition:
    """What a student wrote for a combination in one generation round.

    Attributes:
        combination: what was asked for.
        generation: the round, from 0.
        turns: the whole conversation.
        text: the answer extracted from the last turn; this is what graders read.
        finish_reason: why the last turn ended; "length" where a token limit cut it.
        student: the student's name.
        usage: tokens, as the student counts them ("prompt_tokens", "completion_tokens").
    """

    combination: Combination
    generation: int
    turns: tuple[Message, ...]
    text: str
    finish_reason: FinishReason
    student: str
    usage: dict[str, Any] = field(default_factory=dict)


class Student(Protocol):
    """Writes texts. Compositions may come in any order, one for each request."""

    name: str

    def write(self, requests: Sequence[Request]) -> Iterator[Composition]:
        """Answers every turn of every request."""
        ...
