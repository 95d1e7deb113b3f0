"""The parrot bound: how many of the evaluated combinations a student can have met in its training corpus at all.

The argument is that of SKILL-MIX (arXiv 2310.17567): a student that only repeats what it read earns full marks for no
more combinations than its corpus holds. If skills and topics occur in documents independently of one another, each with
its own frequency, then of L documents

    expected(combination) = L * p(topic) * p(skill 1) * ... * p(skill k)

show the combination, and the chance that any does is at most min(1, expected) (Markov). Its mean over the evaluated
combinations bounds the full marks of a student that only repeats; full marks above it say that something was composed.
The frequencies of the paper's own skills are not published: a user gives a file of them, in YAML

    documents: 2.0e+10    # L, how many texts of the length that is asked for the corpus holds
    skills: {metaphor: 0.03, "*": 0.01}    # share of documents that show it; "*" stands for all that are not named
    topics: 1.0e-6        # one number stands for all

or in CSV, with the columns kind (documents, skill, topic), name and frequency.
"""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml

from skillmix_lightning.catalogue import Combination, Split
from skillmix_lightning.errors import InputError, raise_all

_OTHERS = "*"
_KEYS = ("documents", "skills", "topics")
_SHOWN = 5


@dataclass(frozen=True)
class Frequencies:
    """How often skills and topics occur in a corpus.

    Attributes:
        documents: how many it holds.
        skills: name in lower case, or "*" for all others, to the share of documents that show it.
        topics: likewise.
    """

    documents: float
    skills: Mapping[str, float]
    topics: Mapping[str, float]

    def expected(self, combination: Combination) -> float:
        """How many documents show the combination, if skills and topic occur independently of one another.

        Raises:
            InputError: a skill or the topic has no frequency.
        """
        return math.prod(
            [
                self.documents,
                _frequency(self.topics, combination.topic, "topic"),
                *(_frequency(self.skills, name, "skill") for name in combination.skills),
            ]
        )


@dataclass(frozen=True)
class ParrotBound:
    """What a student that only repeats its corpus can reach in one split and k.

    Attributes:
        split: "train", "held_out" or "all".
        k: skills per combination.
        combinations: how many were evaluated.
        expected: the mean number of documents that show a combination.
        bound: the mean over combinations of min(1, expected): at most so large can full marks be.
    """

    split: str
    k: int
    combinations: int
    expected: float
    bound: float


def parrot_bounds(combinations: Iterable[Combination], frequencies: Frequencies) -> list[ParrotBound]:
    """The bound of each split and k.

    Args:
        combinations: the evaluated ones; one that stands there several times counts once.
        frequencies: of their skills and topics.

    Raises:
        InputError: skills or topics have no frequency; they are listed.
    """
    cells: dict[tuple[str, int], dict[str, Combination]] = {}
    for combination in combinations:
        cells.setdefault((combination.split, combination.k), {})[combination.id] = combination
    _check_known([c for cell in cells.values() for c in cell.values()], frequencies)
    rows = []
    for split, k in sorted(cells, key=lambda cell: (get_args(Split).index(cell[0]), cell[1])):
        expected = [frequencies.expected(combination) for combination in cells[split, k].values()]
        n = len(expected)
        rows.append(ParrotBound(split, k, n, sum(expected) / n, sum(min(1.0, each) for each in expected) / n))
    return rows


def load_frequencies(path: str) -> Frequencies:
    """Reads a frequencies file, YAML or, by its ending, CSV.

    Raises:
        InputError: it cannot be read or has problems; all are listed.
    """
    file = Path(path).expanduser()
    try:
        text = file.read_text(encoding="utf-8-sig")
        content = _of_csv(text) if file.suffix.lower() == ".csv" else yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, yaml.YAMLError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no mapping; give it the keys {', '.join(_KEYS)}")
    problems = [f'the key "{key}" is unknown; there are {", ".join(_KEYS)}' for key in content if key not in _KEYS]
    problems += [f'the key "{key}" is missing' for key in _KEYS if key not in content]
    documents = _number(content.get("documents", 1), math.inf)
    if documents is None:
        problems.append(f"documents is {content['documents']}, and must be a number above 0")
    skills, topics = (_shares(content.get(kind, {}), kind, problems) for kind in ("skills", "topics"))
    raise_all(path, problems)
    assert documents is not None, "or else it is a problem"
    return Frequencies(documents, skills, topics)


def _of_csv(text: str) -> dict[str, Any]:
    content: dict[str, Any] = {"skills": {}, "topics": {}}
    for row in csv.DictReader(text.splitlines(), strict=True):
        if row.keys() != {"kind", "name", "frequency"}:
            raise csv.Error(f"the columns are {', '.join(map(str, row))}, and must be kind, name, frequency")
        if row["kind"] == "documents":
            content["documents"] = row["frequency"]
        elif f"{row['kind']}s" in content:
            content[f"{row['kind']}s"][row["name"].strip()] = row["frequency"]
        else:
            raise csv.Error(f'the kind "{row["kind"]}" is unknown; there are documents, skill, topic')
    return content


def _shares(given: Any, kind: str, problems: list[str]) -> dict[str, float]:
    named = given if isinstance(given, dict) else {_OTHERS: given}
    shares = {}
    for name, value in named.items():
        share = _number(value, 1.0)
        if share is None:
            problems.append(f'{kind}, "{name}" is {value}, and must be a share of documents, above 0 and at most 1')
        else:
            shares[str(name).lower()] = share
    return shares


def _number(value: Any, most: float) -> float | None:
    """YAML reads 1e-6, without a point, as a text."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 < number <= most and math.isfinite(number) else None


def _frequency(shares: Mapping[str, float], name: str, kind: str) -> float:
    share = shares.get(name.lower(), shares.get(_OTHERS))
    if share is None:
        raise InputError(f'the {kind} "{name}" has no frequency; add it, or "*" for all that are not named')
    return share


def _check_known(combinations: Sequence[Combination], frequencies: Frequencies) -> None:
    asked = {
        "skills": ({name for c in combinations for name in c.skills}, frequencies.skills),
        "topics": ({c.topic for c in combinations}, frequencies.topics),
    }
    problems = []
    for kind, (names, shares) in asked.items():
        lacking = sorted(name for name in names if name.lower() not in shares and _OTHERS not in shares)
        if lacking:
            more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
            problems.append(f'no frequency of the {kind} {", ".join(lacking[:_SHOWN])}{more}; add them, or "*" for all')
    raise_all("the frequencies", problems)
