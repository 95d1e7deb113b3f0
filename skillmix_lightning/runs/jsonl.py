"""Append-only JSON lines: on disk when appending returns, whole again after a kill or a full disk."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from skillmix_lightning.errors import InputError


class WriteError(OSError):
    """Records could not be written (no room, no permission); all that was appended before is on disk and whole."""


def append_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Appends the rows and returns once they are on disk.

    A torn last line, left by a process that was killed or by a full disk, is cut off first: it was never counted as
    written.

    Raises:
        WriteError: the rows are not all on disk. Those that are can be read; appending again goes on behind them.
    """
    if not rows:
        return
    lines = memoryview(b"".join(map(_line, rows)))
    try:
        is_first = not path.exists()
        with path.open("a+b", buffering=0) as file:
            _cut_torn_line(file)
            while lines:  # a raw file may take a part
                lines = lines[file.write(lines) :]
            os.fsync(file.fileno())
        if is_first:
            sync_folder(path.parent)
    except OSError as error:
        raise WriteError(error.errno, error.strerror, str(path)) from error


def sync_folder(folder: Path) -> None:
    """Makes the names of the files in a folder last through a power cut, where the system can."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (line number from 1, row). A missing file has no rows; a torn last line is left out.

    Raises:
        InputError: the file cannot be read, or a whole line is not a JSON object (file, line).
    """
    if not path.exists():
        return
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return
                yield number, parse_row(line, f"{path}, line {number}")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


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


def _cut_torn_line(file: IO[bytes]) -> None:
    size = end = file.seek(0, os.SEEK_END)
    while size and file.seek(size - 1) is not None and file.read(1) != b"\n":
        size -= 1
    if size < end:
        file.truncate(size)
        file.seek(0, os.SEEK_END)
