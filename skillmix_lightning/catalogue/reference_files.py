"""The reference implementation's catalogue, as it is: `skills.csv` and, beside it, `topics.txt`.

Its rules (github.com/LeoYu/skill-mix): columns category, skill, definition, example, comments, status, added by; rows
whose status is remove, in review or maybe do not count. Definitions and examples are kept to the byte, blanks at their
ends included, so that a prompt made of them is the prompt that the published results were made with.
"""

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from skillmix_lightning.catalogue.rows import Row

TOPICS = "topics.txt"

_NEEDED = ("category", "skill", "definition", "example")
_DROPPED = frozenset({"remove", "in review", "maybe"})
_SPELLINGS = {
    "logical": "logic",
    "theory of the mind": "theory of mind",
    "pragmatic": "pragmatics",
    "commonsense": "common sense",
    "physical": "physical knowledge",
}


def rows_of_reference(skills_file: Path, problems: list[str]) -> list[Row]:
    """The skills of a CSV file and the topics of the `topics.txt` beside it; problems are added, with their lines."""
    topics_file = skills_file.with_name(TOPICS)
    return [*_skill_rows(skills_file, problems), *_topic_rows(topics_file, problems)]


def halved(names: Sequence[str]) -> dict[str, str]:
    """A split for each topic: half of them train, half held_out, decided by the names alone and not by their order.

    The paper halves its topics at random (arXiv 2409.19808, section 3.1); sha256 stands in for the draw. With an odd
    number the one over is a training topic.
    """
    ordered = sorted(set(names), key=lambda name: hashlib.sha256(name.encode()).digest())
    training = (len(ordered) + 1) // 2
    return {name: "train" if place < training else "held_out" for place, name in enumerate(ordered)}


def _skill_rows(file: Path, problems: list[str]) -> list[Row]:
    text = _text_of(file, problems)
    if text is None:
        return []
    lines = _csv_lines(text, file, problems)
    _, header = next(lines, (1, []))
    columns = [cell.strip().casefold() for cell in header]
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        problems.append(f"{file.name}, line 1: no column is called {' or '.join(missing)}")
        return []
    rows = []
    for number, cells in lines:
        where = f"{file.name}, line {number}"
        if len(cells) > len(columns):
            problems.append(f"{where}: has more cells than columns; put cells that hold commas in quotation marks")
            continue
        row = dict(zip(columns, cells + [""] * len(columns), strict=False))
        if not any(cell.strip() for cell in cells) or _plain(row.get("status", "")) in _DROPPED:
            continue
        category = _plain(row["category"])
        content = {
            "name": " ".join(row["skill"].split()),
            "category": _SPELLINGS.get(category, category),
            "definition": row["definition"],
            "example": row["example"],
        }
        rows.append(Row(where, "skills", content))
    return rows


def _topic_rows(file: Path, problems: list[str]) -> list[Row]:
    text = _text_of(file, problems)
    if text is None:
        return []
    named = [(number, " ".join(line.split())) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    splits = halved([name for _, name in named])
    return [
        Row(f"{file.name}, line {number}", "topics", {"name": name, "split": splits[name]}) for number, name in named
    ]


def _text_of(file: Path, problems: list[str]) -> str | None:
    try:
        return file.read_bytes().decode("utf-8-sig")  # spreadsheets put a mark at the start
    except OSError as error:
        problems.append(f"{file.name} cannot be read ({error.strerror})")
    except UnicodeDecodeError as error:
        problems.append(f"{file.name} is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8")
    return None


def _csv_lines(text: str, file: Path, problems: list[str]) -> Iterator[tuple[int, list[str]]]:
    """(number of its first line, cells) of each row."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    number = 1
    try:
        for cells in reader:
            if cells:
                yield number, cells
            number = reader.line_num + 1
    except csv.Error as error:
        problems.append(f"{file.name}, line {number}: {error}")


def _plain(text: str) -> str:
    return " ".join(text.casefold().replace("_", " ").replace("-", " ").split())
