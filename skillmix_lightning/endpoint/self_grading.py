"""A model that grades its own texts favours them, so that is done only on purpose."""

from urllib.parse import urlsplit

from skillmix_lightning.endpoint.prices import undated
from skillmix_lightning.errors import InputError

_PORTS = {"http": 80, "https": 443}
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})


def refuse_self_grading(student: object, grader: object, allow: bool = False) -> None:
    """Refuses a student that is its own grader: the same model at the same server.

    A name is taken to be the same as its dated version ("gpt-4" and "gpt-4-0613"), since it may stand for it.

    Args:
        student: anything; one without a `model` and a `base_url` is behind no server, and never refused.
        grader: likewise.
        allow: whether it is done on purpose.

    Raises:
        InputError: they are the same, and it is not allowed.
    """
    writes, grades = _served(student), _served(grader)
    if allow or writes is None or grades is None:
        return
    (model, server), (other, other_server) = writes, grades
    same = model == other or (undated(model) == undated(other) and undated(model) in (model, other))
    if same and server == other_server:
        raise InputError(
            f"the student {model} would be its own grader, and models favour their own texts; "
            "give another --grader.model, or --allow_self_grading true"
        )


def refuse_grading_by_base(base: str, grader: object, allow: bool = False) -> None:
    """Refuses a served grader by the name of the very model that a fit trains: before the first step it is the student.

    Args:
        base: the name that the student's weights were loaded by.
        grader: anything; one without a `model` and a `base_url` is never refused.
        allow: whether it is done on purpose.

    Raises:
        InputError: they are the same, and it is not allowed.
    """
    grades = _served(grader)
    if not allow and grades is not None and grades[0] == base:
        raise InputError(
            f"the grader is {base}, the model that is trained, and models favour their own texts; "
            "give another --evaluation.grader.model, or --evaluation.allow_self_grading true"
        )


def _served(user: object) -> tuple[str, tuple[str, int | None, str]] | None:
    """The model, and where it is served: host, port and path, however the address spells them."""
    model, base_url = getattr(user, "model", None), getattr(user, "base_url", None)
    if not isinstance(model, str) or not isinstance(base_url, str):
        return None
    address = urlsplit(base_url)
    host = (address.hostname or "").rstrip(".")
    port = address.port or _PORTS.get(address.scheme)
    return model, ("localhost" if host in _THIS_MACHINE else host, port, address.path.rstrip("/"))
