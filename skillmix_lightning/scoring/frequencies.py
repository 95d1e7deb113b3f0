"""How often skills and topics occur in a corpus: the file that the parrot bound reads.

In YAML

    documents: 2.0e+10    # L, how many documents the corpus holds
    skills: {metaphor: 0.03, "*": 0.01}    # share of documents that show it; "*" stands for all that are not named
    topics: 1.0e-6        # one number stands for all

or in CSV, with the columns kind (documents, skill, topic), name and frequency; others are passed over.
"""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from skillmix_lightning.catalogue import Combination
from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.scoring.intervals import clopper_pearson

#: The name that stands for all that are not named.
OTHERS = "*"
_KEYS = ("documents", "skills", "topics")


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
        if None in row or not row.keys() >= {"kind", "name", "frequency"}:
            raise csv.Error(f"the columns are {', '.join(map(str, row))}, and must be kind, name, frequency")
        if row["kind"] == "documents":
            content["documents"] = row["frequency"]
        elif f"{row['kind']}s" in content:
            content[f"{row['kind']}s"][row["name"].strip()] = row["frequency"]
        else:
            raise csv.Error(f'the kind "{row["kind"]}" is unknown; there are documents, skill, topic')
    return content


def _shares(given: Any, kind: str, problems: list[str]) -> dict[str, float]:
    named = given if isinstance(given, dict) else {OTHERS: given}
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
    share = shares.get(name.lower(), shares.get(OTHERS))
    if share is None:
        raise InputError(f'the {kind} "{name}" has no frequency; add it, or "*" for all that are not named')
    return share


@dataclass(frozen=True)
class Counted:
    """How many of a corpus's documents show a skill or a topic.

    Attributes:
        kind: "skill" or "topic".
        name: its name.
        shown: documents that show it.
        documents: those looked at.
    """

    kind: str
    name: str
    shown: int
    documents: int

    @property
    def ci95(self) -> tuple[float, float]:
        """The exact 95% interval (Clopper and Pearson) of the share."""
        return clopper_pearson(self.shown, self.documents)

    @property
    def frequency(self) -> float:
        """The share that the bound reads; of what no document shows the upper end, so that the bound stays one."""
        return self.shown / self.documents if self.shown else self.ci95[1]


def write_frequencies(path: Path, documents: float, counted: Sequence[Counted], source: str) -> None:
    """Writes a frequencies file, YAML or, by its ending, CSV.

    Args:
        path: of the file; its folder is made.
        documents: L.
        counted: a line each, with its count and interval.
        source: what was counted, for the first line of YAML.

    Raises:
        InputError: it cannot be written.
    """
    text = _as_csv(documents, counted) if path.suffix.lower() == ".csv" else _as_yaml(documents, counted, source)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"--out {path}: cannot be written ({error.strerror})") from None


def _as_yaml(documents: float, counted: Sequence[Counted], source: str) -> str:
    lines = [f"# {source}", "# share  # count: 95% interval (Clopper and Pearson)", f"documents: {documents:.9g}"]
    for kind in ("skill", "topic"):
        rows = [row for row in counted if row.kind == kind]
        lines.append(f"{kind}s:" + ("" if rows else " {}"))
        for row in rows:
            low, high = row.ci95
            said = f"{row.shown} of {row.documents}: {low:.2g} to {high:.2g}"
            said += "" if row.shown else ", the upper end"
            lines.append(f"  {json.dumps(row.name, ensure_ascii=False)}: {row.frequency:.6g}  # {said}")
    return "\n".join(lines) + "\n"


def _as_csv(documents: float, counted: Sequence[Counted]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["kind", "name", "frequency", "shown", "documents", "low", "high"])
    writer.writerow(["documents", "", f"{documents:.9g}", "", "", "", ""])
    for row in counted:
        ends = (f"{end:.6g}" for end in row.ci95)
        writer.writerow([row.kind, row.name, f"{row.frequency:.6g}", row.shown, row.documents, *ends])
    return out.getvalue()
