"""Which texts of the data sets a fit reads: all of them, those of some k, or a subset of a stated mix."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from skillmix_lightning.catalogue import Catalogue
from skillmix_lightning.data.dataset import ChatMessage, Row, read_dataset
from skillmix_lightning.errors import InputError, raise_all


def read_mixture(paths: Sequence[Path], catalogue: Catalogue | None, ks: Sequence[int] | None) -> list[Row]:
    """The texts of several data sets, one behind the other: files of D(1), D(2) and D(3) are D(1,2,3).

    Args:
        paths: JSONL files.
        catalogue: if given, every skill and topic must be in it.
        ks: take texts of these k only; None takes all.

    Raises:
        InputError: a file cannot be read or has malformed lines; two files hold the same text; no text has one of the
            ks.
    """
    rows: list[Row] = []
    problems: list[str] = []
    read: dict[Path, set[tuple[ChatMessage, ...]]] = {}
    for path in paths:
        try:
            of_path = read_dataset(path, catalogue)
        except InputError as error:
            problems.append(str(error))
            continue
        contents = {row.messages for row in of_path}
        for other, before in read.items():
            if both := len(contents & before):
                problems.append(f"{path}: {both} of its texts are in {other} too, and would count twice; list one")
        read[path] = contents
        rows += of_path
    if problems:
        raise InputError("; ".join(problems))
    if ks is None:
        return rows
    found = sorted({row.k for row in rows})
    raise_all(
        "--data.ks", [f"no text has k = {k}; there are k = {_listed(found)}" for k in sorted(set(ks) - set(found))]
    )
    return [row for row in rows if row.k in set(ks)]


def draw_subset(rows: Sequence[Row], size: int, mix: Mapping[int, int], seed: int) -> list[Row]:
    """Draws some of the texts, in their order.

    A text's place in the draw depends on the seed and the text alone: the smaller of two subsets is part of the larger.

    Args:
        rows: to draw from.
        size: how many.
        mix: how many of them have this k; the ks it does not name share the rest as they come.
        seed: of the draw.

    Raises:
        InputError: there are too few texts, or the mix does not add up to the size.
    """
    there = Counter(row.k for row in rows)
    problems = [
        f"subset_mix asks for {count} texts with k = {k}, and there are {there[k]}"
        for k, count in mix.items()
        if there[k] < count
    ]
    rest = size - sum(mix.values())
    others = sum(count for k, count in there.items() if k not in mix)
    if rest < 0:
        problems.append(f"subset_mix adds up to {sum(mix.values())} texts, more than the {size} of subset")
    elif others < rest:
        what = "whose k subset_mix does not name" if mix else "to train on"
        problems.append(f"subset asks for {rest} texts {what}, and there are {others}")
    raise_all("--data", problems)
    drawn = sorted(range(len(rows)), key=lambda i: _draw_key(rows[i], seed))
    left = dict[int | None, int]([(None, rest), *mix.items()])
    kept = set()
    for index in drawn:
        share = rows[index].k if rows[index].k in mix else None
        if left[share]:
            left[share] -= 1
            kept.add(index)
    return [row for index, row in enumerate(rows) if index in kept]


def _draw_key(row: Row, seed: int) -> bytes:
    return hashlib.sha256(repr((seed, row.id, row.text)).encode(errors="backslashreplace")).digest()


def _listed(ks: Sequence[int]) -> str:
    return ", ".join(map(str, ks))
