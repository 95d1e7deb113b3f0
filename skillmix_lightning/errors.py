"""The exceptions that end a command with one line instead of a traceback.

Whatever a user can get wrong (a path, a config, a line of a data file) raises `InputError`: exit status 2. Work that
ends before it is done, with nothing lost, raises `Stopped`: exit status 1. A check that is done and found what it looks
for raises `Found`: exit status 1 too. Broken invariants of ours stay `AssertionError`s.
"""

from collections.abc import Sequence


class InputError(Exception):
    """A user's mistake: what is wrong, where, and how to mend it, in one line."""


class Stopped(Exception):
    """Work is left and nothing is lost: the same command goes on where this one stopped."""


class Found(Exception):
    """A check found what it looks for, in one line, so that a script that runs it notices."""


def raise_all(where: str, problems: Sequence[str]) -> None:
    """Raises one `InputError` that lists every problem, or returns if there is none.

    Args:
        where: the file, setting or object the problems were found in.
        problems: one short clause per problem.

    Raises:
        InputError: there is at least one problem.
    """
    if problems:
        raise InputError(f"{where}: " + "; ".join(problems))
