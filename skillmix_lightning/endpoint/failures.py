"""What went wrong at a server, in one line that says what to set, and whether asking again can help."""

import email.utils
import time
from collections.abc import Mapping

import openai

from skillmix_lightning.errors import InputError

RETRIED_STATUSES = frozenset({408, 409, 429})
_LONGEST_QUOTE = 300

_MENDS = {
    401: "set the key in the variable named by api_key_env ({variable})",
    403: "the key in {variable} may not use this model; set model, or another key",
    404: "check base_url (it usually ends in /v1) and model",
}


class Unavailable(InputError):
    """The server kept failing in a way that passes by itself; the same run can be resumed later."""


def can_pass(error: openai.APIError) -> bool:
    """Whether the same request may succeed later: lost connections, timeouts, rate limits, server errors."""
    if isinstance(error, openai.APIStatusError):
        rate_limited = error.status_code in RETRIED_STATUSES and not _is_out_of_quota(error)
        return rate_limited or error.status_code >= 500
    return isinstance(error, openai.APIConnectionError)


def asked_wait(error: openai.APIError, now: float | None = None) -> float | None:
    """The seconds a server asks to wait (Retry-After, as seconds or as a date), None where it names none."""
    headers: Mapping[str, str] = error.response.headers if isinstance(error, openai.APIStatusError) else {}
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        date = email.utils.parsedate_tz(value)
    if date is None:
        return None
    return max(0.0, email.utils.mktime_tz(date) - (time.time() if now is None else now))


def described(error: openai.APIError, base_url: str, api_key_env: str, key: str) -> str:
    """One line for a failed request. The key is struck out of what the server says: some quote it."""
    said = _quoted(error).replace(key, "***")
    said = " ".join(said.split())[:_LONGEST_QUOTE]
    if isinstance(error, openai.APIStatusError):
        if _is_out_of_quota(error):
            mend = f"the account behind the key in {api_key_env} is out of quota; add credit or set another key"
        else:
            mend = _MENDS.get(error.status_code, "it rejects the request").format(variable=api_key_env)
        return f"the server at {base_url} answers {error.status_code}: {mend} (it says: {said})"
    what = "does not answer" if isinstance(error, openai.APIConnectionError) else "sends what cannot be read"
    return f"the server at {base_url} {what} ({said}); check base_url, and that the server runs"


def _is_out_of_quota(error: openai.APIStatusError) -> bool:
    # OpenAI answers 429 both to "slow down" and to "pay first"; only the code tells them apart.
    return "insufficient_quota" in (error.code, error.type)


def _quoted(error: openai.APIError) -> str:
    if isinstance(error, openai.APIStatusError):
        said = error.body.get("message") if isinstance(error.body, dict) else None
        return str(said or error.response.text or "nothing")
    # httpx's reason ("All connection attempts failed") is one level below openai's "Connection error."
    return str(error.__cause__ or error.message)
