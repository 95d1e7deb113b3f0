"""Reads a D_SKILL-MIX(k) data set: JSONL, one text a line, `messages` in the Hugging Face chat format plus what it is.

A combination (a set of skills and a topic) is the unit of splitting: its texts are all for training or all for
validation, so that a validation loss never measures a combination that was trained on.
"""

import hashlib
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from skillmix_lightning.catalogue import Catalogue
from skillmix_lightning.errors import InputError
from skillmix_lightning.runs.jsonl import parse_row

_SHOWN_PROBLEMS = 10


class ChatMessage(BaseModel):
    """One turn."""

    model_config = ConfigDict(frozen=True)
    role: Literal["system", "user", "assistant"]
    content: Annotated[str, Field(min_length=1)]


class Row(BaseModel):
    """One line of a data set; further fields (grades, provenance) are allowed and not read."""

    model_config = ConfigDict(frozen=True)
    id: str
    k: Annotated[int, Field(ge=1)]
    split: Literal["train", "held_out", "all"]
    skills: tuple[str, ...]
    topic: str
    text: str
    messages: tuple[ChatMessage, ...]
    _path: Path | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _consistent(self) -> "Row":
        if self.k != len(self.skills):
            raise ValueError(f"k is {self.k}, but {len(self.skills)} skills are named")
        if not self.messages or self.messages[-1].role != "assistant":
            raise ValueError("messages must end with an assistant's turn")
        return self

    @property
    def where(self) -> str:
        """What to call the line in an error."""
        return f"{self.path}, id {self.id}"

    @property
    def path(self) -> Path:
        """The file it was read from."""
        assert self._path is not None, "rows are made by read_dataset"
        return self._path

    @property
    def combination(self) -> tuple[frozenset[str], str]:
        """The set of skills and the topic."""
        return frozenset(self.skills), self.topic

    def chat(self) -> list[dict[str, str]]:
        """The messages as chat templates take them."""
        return [message.model_dump() for message in self.messages]


def read_dataset(path: Path, catalogue: Catalogue | None = None) -> list[Row]:
    """Reads and checks a data set.

    Args:
        path: the JSONL file.
        catalogue: if given, every skill and topic must be in it.

    Raises:
        InputError: the file is missing or empty, or lines are malformed; the first ten problems are listed, each with
            its line number and field.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"{path}: the data set cannot be read ({error.strerror})") from None
    rows: list[Row] = []
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        try:
            row = Row.model_validate(parse_row(line, f"line {number}"))
            row._path = path
            if catalogue is not None:
                _check_names(row, catalogue, number)
            rows.append(row)
        except ValidationError as error:
            problems += [f"line {number}, {_problem(detail)}" for detail in error.errors()]
        except InputError as error:
            problems.append(str(error))
    if problems:
        more = f"; and {len(problems) - _SHOWN_PROBLEMS} more" if len(problems) > _SHOWN_PROBLEMS else ""
        raise InputError(f"{path}, " + "; ".join(islice(problems, _SHOWN_PROBLEMS)) + more)
    if not rows:
        raise InputError(f"{path}: the data set is empty")
    return rows


def split_by_combination(rows: Sequence[Row], validation_share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """(training rows, validation rows); about `validation_share` of the combinations, at least one, are held back.

    Raises:
        InputError: there is only one combination, so nothing could be held back.
    """
    if validation_share == 0:
        return list(rows), []
    combinations = {row.combination for row in rows}
    if len(combinations) < 2:
        raise InputError("the data set has one combination only, so none can be held back; set validation_share to 0")
    ordered = sorted(combinations, key=lambda c: _shuffle_key(c, seed))
    held_back = set(ordered[: min(len(ordered) - 1, max(1, round(validation_share * len(ordered))))])
    return (
        [row for row in rows if row.combination not in held_back],
        [row for row in rows if row.combination in held_back],
    )


def _shuffle_key(combination: tuple[frozenset[str], str], seed: int) -> bytes:
    skills, topic = combination
    return hashlib.sha256(repr((seed, sorted(skills), topic)).encode()).digest()


def _check_names(row: Row, catalogue: Catalogue, number: int) -> None:
    try:
        for name in row.skills:
            catalogue.skill(name)
        catalogue.topic(row.topic)
    except InputError as error:
        raise InputError(f"line {number}: {error}") from None


def _problem(detail: Any) -> str:
    field = ".".join(str(part) for part in detail["loc"]) or "row"
    return f"field {field}: {detail['msg'].removeprefix('Value error, ')}"
