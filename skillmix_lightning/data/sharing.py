"""Shares examples out: to ranks by tokens, and a rank's examples to micro-batches within their limits."""

import heapq
from collections.abc import Sequence
from itertools import count, pairwise
from typing import Literal

from skillmix_lightning.data.encoding import Example

Layout = Literal["padded", "padding_free"]


def balanced(examples: Sequence[Example], bins: int, equal_counts: bool) -> list[list[Example]]:
    """Shares examples out so that the bins hold about equal numbers of tokens.

    Longest first, each into the emptiest bin. No two bins differ by more tokens than the longest example has, and, on
    64 examples of the paper's lengths over 4 ranks, by less than 1% of their mean (tests/data/test_sharing.py).

    Args:
        examples: to share out.
        bins: how many.
        equal_counts: deal in rounds in which every bin gets one, so that the bins hold equal numbers of examples too,
            give or take one.
    """
    longest_first = sorted(examples, key=len, reverse=True)
    filled: list[list[Example]] = [[] for _ in range(bins)]
    loads = [(0, index) for index in range(bins)]
    if equal_counts:
        for start in range(0, len(examples), bins):
            dealt = list(zip(longest_first[start : start + bins], sorted(loads), strict=False))
            for example, (load, index) in dealt:
                filled[index].append(example)
                loads[index] = (load + len(example), index)
        return filled
    for example in longest_first:
        load, index = loads[0]
        filled[index].append(example)
        heapq.heapreplace(loads, (load + len(example), index))
    return filled


def cut(
    by_rank: Sequence[Sequence[Example]], layout: Layout, size: int, tokens: int | None
) -> list[list[list[Example]]]:
    """Cuts every rank's examples into micro-batches, as many on every rank.

    Args:
        by_rank: the examples of every rank.
        layout: padded micro-batches hold examples of similar length, padding-free ones about equal numbers of tokens.
        size: examples per micro-batch at most, where `tokens` is None.
        tokens: tokens per micro-batch at most, padding counted; at least the longest example's.

    Returns:
        Micro-batches by rank; the last of a rank are empty if it has fewer examples than there are micro-batches.
    """
    longest = max(len(example) for examples in by_rank for example in examples)
    assert tokens is None or tokens >= longest, "the data module admits no smaller budget"
    if layout == "padded" and tokens is not None:
        by_width = [_by_width(examples, tokens) for examples in by_rank]
        groups = max(map(len, by_width))
        return [_halved_up_to(groups, rank) for rank in by_width]
    if tokens is None:
        groups = -(-max(map(len, by_rank)) // size)
        split = _contiguous if layout == "padded" else _by_rounds
        return [split(examples, groups) for examples in by_rank]
    for groups in count(max(-(-sum(map(len, examples)) // tokens) for examples in by_rank)):
        cuts = [balanced(examples, groups, equal_counts=False) for examples in by_rank]
        if all(sum(map(len, group)) <= tokens for rank in cuts for group in rank):
            return cuts
    raise AssertionError("with a micro-batch for every example, all fit")


def _by_rounds(examples: Sequence[Example], groups: int) -> list[list[Example]]:
    return balanced(examples, groups, equal_counts=True)


def _contiguous(examples: Sequence[Example], groups: int) -> list[list[Example]]:
    """Runs of the examples in order of length, of equal size, give or take one."""
    longest_first = sorted(examples, key=len, reverse=True)
    base, extra = divmod(len(examples), groups)
    starts = [index * base + min(index, extra) for index in range(groups + 1)]
    return [longest_first[start:end] for start, end in pairwise(starts)]


def _by_width(examples: Sequence[Example], tokens: int) -> list[list[Example]]:
    """As few runs in order of length as keep rows x width within `tokens`."""
    longest_first = sorted(examples, key=len, reverse=True)
    runs: list[list[Example]] = []
    for example in longest_first:
        if runs and (len(runs[-1]) + 1) * len(runs[-1][0]) <= tokens:
            runs[-1].append(example)
        else:
            runs.append([example])
    return runs


def _halved_up_to(groups: int, runs: list[list[Example]]) -> list[list[Example]]:
    """Halves the largest runs until there are so many, or each holds one example; fills up with empty ones."""
    runs = list(runs)
    while len(runs) < groups and max(map(len, runs), default=0) > 1:
        largest = max((run for run in runs if len(run) > 1), key=lambda run: len(run) * len(run[0]))
        at = next(index for index, run in enumerate(runs) if run is largest)
        runs[at : at + 1] = [largest[: len(largest) // 2], largest[len(largest) // 2 :]]
    return runs + [[] for _ in range(groups - len(runs))]
