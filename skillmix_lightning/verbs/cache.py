"""`cache ls | prune`: what the response cache holds, and making room."""

import json as jsonlib
import re
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from skillmix_lightning.endpoint.cache import ResponseCache, default_cache_path
from skillmix_lightning.errors import InputError
from skillmix_lightning.verbs.parser import PROGRAM, parse

_SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400}
_AGE = re.compile(r"(\d+(?:\.\d+)?)([hdw])")


def main(verb: str, args: Sequence[str]) -> None:
    """Runs the verb."""
    actions: dict[str, Callable[..., None]] = {"ls": ls, "prune": prune}
    action, *rest = args or [""]
    if action in ("-h", "--help"):
        print(f"usage: {PROGRAM} {verb} ls | prune [options]\n")
        for name, function in actions.items():
            print(f"  {name:5}  {(function.__doc__ or '').splitlines()[0]}")
        print(f"\n{PROGRAM} {verb} ls --help lists its options, and so for prune.")
        return
    if action not in actions:
        raise InputError(f'{verb} "{action}": give ls or prune')
    function = actions[action]
    function(**parse(f"{verb} {action}", function, rest, {}))


def ls(cache: str | None = None, json: bool = False) -> None:
    """Shows what the response cache holds, by model.

    Args:
        cache: its path; by default $SKILLMIX_CACHE, or the file in the user's cache folder.
        json: print one JSON document instead of a table.

    Raises:
        InputError: the file is no response cache.
    """
    path = _path(cache)
    models = ResponseCache(path).models() if path.exists() else []
    total = {"replies": sum(each.replies for each in models), "bytes": sum(each.size for each in models)}
    if json:
        rows = [
            {
                "model": each.model,
                "replies": each.replies,
                "bytes": each.size,
                "oldest": _date(each.oldest),
                "newest": _date(each.newest),
            }
            for each in models
        ]
        _print_json({"cache": str(path), **total, "models": rows})
        return
    table = Table(title=Text(f"responses in {path}"), box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("model", "replies", "size", "oldest", "newest"):
        table.add_column(heading, justify="right" if heading in ("replies", "size") else "left")
    for each in models:
        table.add_row(
            Text(each.model), f"{each.replies:,}", decimal(each.size), _date(each.oldest)[:10], _date(each.newest)[:10]
        )
    table.add_section()
    table.add_row("all", f"{total['replies']:,}", decimal(total["bytes"]))
    Console().print(table)


def prune(
    older_than: str | None = None, model: str | None = None, cache: str | None = None, json: bool = False
) -> None:
    """Deletes those replies from the response cache that every option given applies to.

    Args:
        older_than: only replies stored longer ago than this: hours, days or weeks, such as 12h, 30d or 6w.
        model: only this model's, by the name that was asked for.
        cache: its path; by default $SKILLMIX_CACHE, or the file in the user's cache folder.
        json: print one JSON document instead of a line.

    Raises:
        InputError: no option says which, the age cannot be read, or the file is no response cache.
    """
    if older_than is None and model is None:
        raise InputError("cache prune: give --older_than or --model; --older_than 0h deletes every reply")
    before = None if older_than is None else time.time() - _seconds(older_than)
    path = _path(cache)
    deleted = ResponseCache(path).prune(before, model) if path.exists() else 0
    if json:
        _print_json({"cache": str(path), "deleted": deleted})
    else:
        print(f"{path}: {deleted:,} {'reply' if deleted == 1 else 'replies'} deleted")


def _path(cache: str | None) -> Path:
    if cache == "off":
        raise InputError("--cache off: there is nothing to look into; give the path of a response cache")
    return default_cache_path() if cache is None else Path(cache).expanduser()


def _seconds(age: str) -> float:
    read = _AGE.fullmatch(age.strip())
    if read is None:
        raise InputError(f"--older_than {age}: give hours, days or weeks, such as 12h, 30d or 6w")
    return float(read.group(1)) * _SECONDS[read.group(2)]


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def _print_json(document: dict[str, Any]) -> None:
    jsonlib.dump(document, sys.stdout, indent=2)
    print()
