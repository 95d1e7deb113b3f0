"""Documents of a text corpus, in its own order: JSONL, Parquet or text files, a folder of them, or a hub data set."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from skillmix_lightning.errors import InputError
from skillmix_lightning.runs.jsonl import parse_row

_SUFFIXES = (".jsonl", ".parquet")
_TEXT = ".txt"  # one document; a folder that also holds files of documents may have them for its readers
_MEND = 'install the extra "text" (pip install "skillmix-lightning[text]")'


def documents(data: str, text_field: str, hub_config: str | None, hub_split: str) -> Iterator[str]:
    """Yields the documents that are not empty.

    Args:
        data: a file, a folder, or a hub data set's name.
        text_field: the field or column that holds a document.
        hub_config: of a hub data set that has several.
        hub_split: of a hub data set.

    Raises:
        InputError: something cannot be read, or has no such text.
    """
    if (files := _files(data)) is None:
        rows = _hub_rows(data, hub_config, hub_split)
    else:
        read = {".jsonl": _jsonl, ".parquet": _parquet, _TEXT: _text}
        rows = (row for file in files for row in read[file.suffix](file, text_field))
    for where, row in rows:
        text = row.get(text_field)
        if not isinstance(text, str):
            raise InputError(
                f'{where}: no text in the field "{text_field}", there are {sorted(row)}; '
                "name the one that holds it with text_field"
            )
        if text:
            yield text


def fingerprint(data: str, hub_config: str | None, hub_split: str) -> str:
    """What changes when the data do: the names, sizes and times of files, or the names of a hub data set.

    Raises:
        InputError: a file or folder is missing, or not of a kind that can be read.
    """
    if (files := _files(data)) is None:
        return json.dumps([data, hub_config, hub_split])
    stats = [(str(file.resolve()), file.stat()) for file in files]
    return json.dumps([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats])


def _files(data: str) -> list[Path] | None:
    """The files of a local corpus; None for a hub name."""
    path = Path(data).expanduser()
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix in (*_SUFFIXES, _TEXT))
        if not files:
            raise InputError(f"{data}: the folder holds no .jsonl, .parquet or .txt file")
        return [file for file in files if file.suffix in _SUFFIXES] or files
    if path.is_file():
        if path.suffix not in (*_SUFFIXES, _TEXT):
            raise InputError(f"{data}: documents are read from .jsonl, .parquet and .txt files")
        return [path]
    if path.suffix in (*_SUFFIXES, _TEXT) or data.count("/") > 1 or data.startswith((".", "/", "~")):
        raise InputError(f"{data}: no such file or folder; give one, or the name of a hub data set")
    return None


def _jsonl(file: Path, _: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                yield f"{file}, line {number}", parse_row(line, f"{file}, line {number}")
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None


def _text(file: Path, text_field: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        yield str(file), {text_field: file.read_text(encoding="utf-8-sig")}
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: is no text in UTF-8 ({error.reason})") from None


def _parquet(file: Path, text_field: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise InputError(f"{file}: Parquet files need pyarrow; {_MEND}") from None
    try:
        with parquet.ParquetFile(file) as table:
            columns = table.schema_arrow.names
            if text_field not in columns:
                yield str(file), dict.fromkeys(columns)
            row = 0
            for batch in table.iter_batches(columns=[text_field]):
                for text in batch.column(0).to_pylist():
                    row += 1
                    yield f"{file}, row {row}", {text_field: text}
    except (OSError, ArrowException) as error:
        raise InputError(f"{file}: cannot be read ({' '.join(str(error).split())})") from None


def _hub_rows(name: str, config: str | None, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        from datasets import load_dataset
    except ImportError:
        raise InputError(f"{name}: no such file, and a hub data set needs datasets; {_MEND}") from None
    try:
        for number, row in enumerate(load_dataset(name, config, split=split, streaming=True), start=1):
            yield f"{name}, row {number}", dict(row)
    except Exception as error:  # of a missing name, a broken file, no network: whatever the library happens to raise
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{name}: the data set cannot be read from the hub ({reason})") from error
