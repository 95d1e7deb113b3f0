"""The one exception a user's mistake becomes.

Whatever a user can get wrong (a path, a config, a line of a data file) raises `InputError`; the command line prints
its message as one line, `error: …`, and exits with status 2. Broken invariants of ours stay `AssertionError`s.
"""

from collections.abc import Sequence


class InputError(Exception):
    """A user's mistake: what is wrong, where, and how to mend it, in one line."""


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
