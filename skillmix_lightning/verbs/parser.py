"""A verb's command line, made from the signature of the function that does its work."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

from skillmix_lightning.errors import InputError
from skillmix_lightning.verbs.parts import add_part, read_part

PROGRAM = "python -m skillmix_lightning"


class OneLineErrors(ArgumentParser):
    """Turns the parser's errors, which run over many lines, into an `InputError` of one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises instead of printing the usage."""
        raise InputError(re.sub(r"\s*\n\s*", " ", message.strip())) from ex


def parse(
    verb: str,
    function: Callable[..., Any],
    args: Sequence[str],
    positional: Mapping[str, str],
    parts: Mapping[str, str | None] | None = None,
) -> dict[str, Any]:
    """Reads a verb's arguments.

    Every parameter of the function is an option of its name, with its type and default; `--config FILE`, `--help` and
    `--print_config` are there as well.

    Args:
        verb: its name.
        function: what the verb does; its docstring is the help.
        args: the command line behind the verb.
        positional: parameters that come without their name: name to "one" or "several".
        parts: parameters that are a student or a grader ("student", "grader"), each with the short name of the class
            that it is where none is named, or None; their values are `Part`s.

    Returns:
        Parameter name to value.

    Raises:
        InputError: the command line is wrong.
    """
    parts = parts or {}
    parser = OneLineErrors(prog=f"{PROGRAM} {verb}", description=(function.__doc__ or "").split("\n\n")[0])
    parser.add_argument("--config", action="config", help="a YAML file with any of these settings")
    for name, number in positional.items():
        parser.add_argument(name, nargs="+" if number == "several" else None, metavar=name.upper())
    for name, default in parts.items():
        add_part(parser, name, args, default)
    parser.add_function_arguments(function, skip={*positional, *parts})
    values = parser.parse_args(list(args))
    chosen = {}
    if parts:
        given = parser.parse_args(list(args), defaults=False)
        chosen = {name: read_part(name, values, given) for name in parts}
    for name in ("config", *parts):
        values.pop(name, None)
    return {**dict(parser.instantiate(values)), **chosen}
