"""What went wrong at a server: in one line that says what to set, and what it means for the call and for the others."""

import email.utils
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2
import openai

from skillmix_lightning.endpoint.budget import Stopped
from skillmix_lightning.errors import InputError

_PASSING_STATUSES = frozenset({408, 409, 425, 429})
_OVERLOADED = 529  # Anthropic's
_OUT_OF_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_LONGEST_QUOTE = 300
_LONGEST_RESET_S = 60.0

_MENDS = {
    401: "set the key in the variable named by api_key_env ({variable})",
    403: "the key in {variable} may not use this model; set model, or another key",
    404: "check base_url (it usually ends in /v1) and model",
}
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
#: What a model that refuses the one name of a reply's limit takes.
_OTHER_LIMIT = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_LIMIT = re.compile(r"\bmax_(?:completion_)?tokens\b")
_UNKNOWN = re.compile(r"unsupported|not supported|unrecogni[sz]ed|unknown|unexpected|extra inputs|not permitted", re.I)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


class Unavailable(Stopped):
    """The server kept failing in a way that passes by itself; the same run can be resumed later."""


class Rejected(InputError):
    """The server refuses the request; asking the same again would not help.

    Attributes:
        status: of the server's answer.
    """

    def __init__(self, line: str, status: int) -> None:
        super().__init__(line)
        self.status = status


@dataclass(frozen=True)
class Failure:
    """A request that brought no reply.

    Attributes:
        line: what went wrong and how to mend it, without the key.
        status: of the answer; 0 if none came, or none that can be read.
        passes: whether the same request may succeed later.
        refused: whether the server refuses only because of too many requests.
        crowded: whether fewer requests at once would have helped.
        lost: whether the request may have been worked on, and so billed, though no reply came back.
        asked: the seconds the server asks to wait, if it does.
    """

    line: str
    status: int = 0
    passes: bool = True
    refused: bool = False
    crowded: bool = False
    lost: bool = False
    asked: float | None = None


def failure(error: openai.APIError, base_url: str, api_key_env: str, key: str) -> Failure:
    """What an error of the openai library means."""
    line = described(error, base_url, api_key_env, key)
    if not isinstance(error, openai.APIStatusError):
        timed_out = isinstance(error, openai.APITimeoutError)
        not_sent = isinstance(error.__cause__, _NOT_SENT)
        return Failure(line, crowded=timed_out and not not_sent, lost=not not_sent)
    status, asked = error.status_code, asked_wait(error)
    if not can_pass(error):
        return Failure(line, status, passes=False)
    crowded = status in (429, _OVERLOADED) or (status == 503 and asked is not None)
    return Failure(line, status, refused=status == 429, crowded=crowded, asked=asked)


def can_pass(error: openai.APIError) -> bool:
    """Whether the same request may succeed later: lost connections, timeouts, rate limits, server errors."""
    if not isinstance(error, openai.APIStatusError):
        return isinstance(error, openai.APIConnectionError)
    return not _is_out_of_quota(error) and (error.status_code in _PASSING_STATUSES or error.status_code >= 500)


def asked_wait(error: openai.APIError, now: float | None = None) -> float | None:
    """The seconds a server asks to wait, None where it names none.

    It says so in retry-after-ms, in Retry-After (seconds or a date), or in the times at which its limits are reset. A
    reset fills the whole allowance again, and less will do: those times count up to a minute.
    """
    headers: Mapping[str, str] = error.response.headers if isinstance(error, openai.APIStatusError) else {}
    if (milliseconds := _number(headers.get("retry-after-ms", ""))) is not None:
        return max(0.0, milliseconds / 1000)
    value = headers.get("retry-after", "")
    if (seconds := _number(value)) is not None:
        return max(0.0, seconds)
    if (date := email.utils.parsedate_tz(value)) is not None:
        return max(0.0, email.utils.mktime_tz(date) - (time.time() if now is None else now))
    resets = [
        reset
        for kind in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{kind}", "0") == "0"
        and (reset := _duration(headers.get(f"x-ratelimit-reset-{kind}", ""))) is not None
    ]
    return min(_LONGEST_RESET_S, max(resets)) if resets else None


def described(error: openai.APIError, base_url: str, api_key_env: str, key: str) -> str:
    """One line for a failed request. The key is struck out of what the server says: some quote it."""
    said = _quoted(error).replace(key, "***")
    said = " ".join(said.split())[:_LONGEST_QUOTE]
    if isinstance(error, openai.APIStatusError):
        if _is_out_of_quota(error):
            mend = f"the account behind the key in {api_key_env} is out of quota; add credit or set another key"
        elif error.code == "context_length_exceeded":
            mend = (
                "prompt and reply together are longer than the model's context; lower max_tokens or set another model"
            )
        elif other := _other_limit(error, said):
            mend = f"it knows the limit of a reply by another name; set max_tokens_parameter to {other}"
        elif error.status_code == 429:
            mend = "too many requests"
        elif error.status_code >= 500:
            mend = "it fails"
        else:
            mend = _MENDS.get(error.status_code, "it rejects the request").format(variable=api_key_env)
        return f"the server at {base_url} answers {error.status_code}: {mend} (it says: {said})"
    if isinstance(error, openai.APITimeoutError):
        return (
            f"the server at {base_url} does not answer in time ({said}); raise timeout_s, or check that the server runs"
        )
    what = "does not answer" if isinstance(error, openai.APIConnectionError) else "sends what cannot be read"
    return f"the server at {base_url} {what} ({said}); check base_url, and that the server runs"


def _is_out_of_quota(error: openai.APIStatusError) -> bool:
    # OpenAI answers 429 both to "slow down" and to "pay first"; only the code tells them apart.
    return error.status_code == 402 or not _OUT_OF_QUOTA.isdisjoint({error.code, error.type})


def _other_limit(error: openai.APIStatusError, said: str) -> str | None:
    named = _LIMIT.search(f"{error.param} {said}")
    refused = error.status_code in (400, 422) and (error.code == "unsupported_parameter" or _UNKNOWN.search(said))
    return _OTHER_LIMIT[named.group()] if named and refused else None


def _quoted(error: openai.APIError) -> str:
    if isinstance(error, openai.APIStatusError):
        said = error.body.get("message") if isinstance(error.body, dict) else None
        return str(said or error.response.text or "nothing")
    # httpx's reason ("All connection attempts failed") is one level below openai's "Connection error."
    cause = error.__cause__
    return str(cause or (type(cause).__name__ if cause else error.message))


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _duration(value: str) -> float | None:
    """Seconds of "250ms", "6m0s", "1h2m3.5s" or a plain number; None if it is no duration."""
    parts = _PART.findall(value)
    if parts and "".join(number + unit for number, unit in parts) == value:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    return _number(value)
