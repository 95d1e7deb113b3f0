"""Append-only JSON lines: fsynced in small groups when written, tolerant of a torn last line when read."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from skillmix_lightning.errors import InputError


def append_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Appends the rows and returns once they are on disk.

    A torn last line, left by a process that was killed, is cut off first: it was never counted as written.
    """
    if not rows:
        return
    with path.open("a+b") as file:
        _cut_torn_line(file)
        file.write(b"".join(map(_line, rows)))
        file.flush()
        os.fsync(file.fileno())


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (line number from 1, row). A missing file has no rows; a torn last line is left out.

    Raises:
        InputError: a whole line is not a JSON object (file, line).
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            yield number, parse_row(line, f"{path}, line {number}")


def parse_row(line: bytes, where: str) -> dict[str, Any]:
    """One JSON object.

    Raises:
        InputError: it is none; the message opens with `where`.
    """
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{where}: not valid JSON ({error})") from None
    if not isinstance(row, dict):
        raise InputError(f"{where}: not a JSON object but a {type(row).__name__}")
    return row


def _line(row: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(row, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair, which a server's reply may hold, has no UTF-8
        return json.dumps(row).encode() + b"\n"


def _cut_torn_line(file: Any) -> None:
    size = file.seek(0, os.SEEK_END)
    while size and file.seek(size - 1) is not None and file.read(1) != b"\n":
        size -= 1
    file.truncate(size)
    file.seek(0, os.SEEK_END)
