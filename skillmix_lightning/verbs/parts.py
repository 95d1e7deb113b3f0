"""Students and graders on the command line: `--student EndpointStudent --student.model gpt-4`.

A class goes by its short name, or by its import path if it is a user's own. It is imported only when it is named, since
one of them needs torch and another a client.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from importlib import import_module
from operator import or_
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from jsonargparse import ArgumentParser, Namespace

from skillmix_lightning.errors import InputError

#: Option to the short names it takes, each with the module of its class, and the method that its classes have.
SHORT_NAMES = {
    "student": {
        "EndpointStudent": "skillmix_lightning.students.endpoint",
        "TemplateStudent": "skillmix_lightning.students.template",
        "TransformersStudent": "skillmix_lightning.students.transformers",
    },
    "grader": {
        "CheckerGrader": "skillmix_lightning.graders.checker",
        "EndpointGrader": "skillmix_lightning.graders.endpoint",
    },
}
_METHODS = {"student": "write", "grader": "grade"}
_MARK = "complete.json"  # as training.checkpoints has it, which needs torch

#: Settings that say how the work is done but not what comes out: a resumed run may differ in them.
MAY_CHANGE = frozenset(
    {
        "api_key_env",
        "batch",
        "batch_poll_seconds",
        "concurrency",
        "max_tokens_parameter",
        "requests_per_minute",
        "timeout_s",
        "tokens_per_minute",
    }
)


class Part(NamedTuple):
    """A student or a grader as the command line describes it, not yet made.

    Attributes:
        kind: its class.
        settings: arguments of the class, with its defaults.
        given: those that the command line or a config names.
    """

    kind: type[Any]
    settings: dict[str, Any]
    given: frozenset[str]

    def filled(self, **settings: Any) -> "Part":
        """The part with these settings where its class takes them and they were not given."""
        fitting = {name: value for name, value in settings.items() if name in self.settings and name not in self.given}
        return self._replace(settings={**self.settings, **fitting})

    def make(self) -> Any:
        """The object.

        Raises:
            InputError: its settings cannot work.
        """
        if (checkpoint := self._checkpoint()) is not None:
            from skillmix_lightning.verbs.checkpoint_student import load

            model, tokenizer = load(checkpoint)
            name = self.settings.get("name") or self.settings["model"]
            return self.kind(**{**self.settings, "model": model, "tokenizer": tokenizer, "name": name})
        parser = ArgumentParser(exit_on_error=False)
        parser.add_argument("--part", type=self.kind)
        return parser.instantiate(parser.parse_object({"part": _as_config(self.kind, self.settings)})).part

    def manifest(self) -> dict[str, Any]:
        """What a run is held to.

        Raises:
            InputError: the model is a folder, and neither a model's nor a whole checkpoint.
        """
        held: dict[str, Any] = {
            "class": self.kind.__name__,
            "settings": {name: value for name, value in self.settings.items() if name not in MAY_CHANGE},
        }
        if (checkpoint := self._checkpoint()) is not None:
            from skillmix_lightning.verbs.checkpoint_student import identity

            held["checkpoint"] = identity(checkpoint)
        return held

    def may_change(self) -> dict[str, Any]:
        """What it is not held to."""
        return {name: value for name, value in self.settings.items() if name in MAY_CHANGE}

    def _checkpoint(self) -> Path | None:
        """The fit's checkpoint that local weights are to be loaded from; None if they lie elsewhere."""
        model = self.settings.get("model")
        if not isinstance(model, str) or "tokenizer" not in self.settings:
            return None
        folder = Path(model).expanduser()
        if not folder.is_dir() or (folder / "config.json").exists():
            return None
        if not (folder / _MARK).exists():
            raise InputError(
                f"{model}: holds neither config.json nor {_MARK}, so it is neither a Hugging Face model folder nor a "
                "fit's checkpoint; give one of them, such as the `last` among a fit's checkpoints"
            )
        return folder


def add_part(parser: ArgumentParser, option: str, args: Sequence[str], default: str | None) -> None:
    """Adds `--student` or `--grader` with the settings of the class that the command line names.

    Args:
        parser: of the verb.
        option: which.
        args: the command line behind the verb; the class has to be known before it can be parsed.
        default: the short name of the class where none is named; None for none.

    Raises:
        InputError: there is no such class, or settings come without their class.
    """
    names = _named(option, args)
    if not names and default is None and any(arg.startswith(f"--{option}.") for arg in args):
        raise InputError(f"--{option}.… needs the class: --{option} {' or '.join(SHORT_NAMES[option])}")
    if not names and default is not None and not {"-h", "--help"} & set(args):
        names = [default]
    listed = f"one of {', '.join(SHORT_NAMES[option])}, or the import path of a class of yours"
    if not names:
        parser.add_argument(f"--{option}", type=str, default=None, help=listed)
        return
    kinds = [find_class(option, name) for name in names]
    # Several where the command line overrides a config: each stands with settings of its own.
    type_of_any = reduce(or_, kinds)
    parser.add_argument(f"--{option}", type=type_of_any, help=listed, default=_as_config(kinds[-1], {}))


def read_part(option: str, values: Namespace, given: Namespace) -> Part | None:
    """The part that was parsed, None if there is none.

    Args:
        option: "student" or "grader".
        values: all settings.
        given: only those that the command line or a config names.
    """
    config = values.get(option)
    if config is None:
        return None
    named = given.get(f"{option}.init_args")
    return Part(
        kind=find_class(option, config.class_path),
        settings=config.init_args.as_dict() if "init_args" in config else {},
        given=frozenset(vars(named)) if named is not None else frozenset(),
    )


def find_class(option: str, name: str) -> type[Any]:
    """The class of a short name or an import path.

    Raises:
        InputError: there is none, or it does not do what such a class has to.
    """
    module, _, short = name.rpartition(".")
    if not module:
        if name not in SHORT_NAMES[option]:
            raise InputError(
                f"--{option} {name}: there are {', '.join(SHORT_NAMES[option])}; a class of yours goes by its import "
                "path, package.module.Class"
            )
        module, short = SHORT_NAMES[option][name], name
    try:
        kind = getattr(import_module(module), short)
    except (ImportError, AttributeError) as error:
        raise InputError(f"--{option} {name}: cannot be imported ({error})") from error
    if not (isinstance(kind, type) and callable(getattr(kind, _METHODS[option], None))):
        raise InputError(f"--{option} {name}: is no class with a method {_METHODS[option]}")
    return kind


def _as_config(kind: type[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": dict(settings)}


def _named(option: str, args: Sequence[str]) -> list[str]:
    """The classes that configs and the command line name, in their order."""
    names: list[str | None] = []
    for arg, following in zip(args, [*args[1:], ""], strict=True):
        key, equals, value = arg.partition("=")
        value = value if equals else following
        if key in (f"--{option}", f"--{option}.class_path"):
            names.append(value)
        elif key == "--config":
            names.append(_named_in(Path(value), option))
    return [name for name in names if name is not None]


def _named_in(config: Path, option: str) -> str | None:
    try:
        document = yaml.safe_load(config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None  # the parser will say what is wrong with it
    part = document.get(option) if isinstance(document, dict) else None
    name = part.get("class_path") if isinstance(part, dict) else part
    return name if isinstance(name, str) else None
