"""How many tokens a request can be billed for at most, known before it is sent and without its tokenizer."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

_PER_MESSAGE = 16  # role names and marks that a chat template sets around a message; the longest known take 8
_PER_REQUEST = 128  # what a template may put before the conversation, such as a system prompt of its own
_PER_CHOICE = 1  # some servers count the token that stops a reply beyond its limit
_PART_OF_THE_PROMPT = ("response_format", "tools", "functions")


def tokens_at_most(
    messages: Sequence[Mapping[str, object]], options: Mapping[str, Any] | None = None
) -> tuple[int, int | None]:
    """An upper bound of the tokens of a request and its reply: (prompt, completion).

    Every token of byte-level BPE, and of SentencePiece with byte fallback, stands for at least one byte of the UTF-8
    text as the tokenizer normalises it, so a text has no more tokens than bytes in the longest of its normal forms.
    English has about 4.5 bytes to a token: the bound is that much too high, and never too low. Providers count schemas
    and tools as part of the prompt, and so does this.

    Args:
        messages: the rendered conversation.
        options: the other fields of the request. The completion is bounded by n times max_tokens or
            max_completion_tokens; by None if neither is set.
    """
    options = options or {}
    prompt = _PER_REQUEST + sum(_tokens_of(options[name]) for name in _PART_OF_THE_PROMPT if name in options)
    for message in messages:
        prompt += _PER_MESSAGE + sum(_tokens_of(value) for value in message.values())
    limits = [options[name] for name in ("max_tokens", "max_completion_tokens") if options.get(name) is not None]
    return prompt, (max(limits) + _PER_CHOICE) * (options.get("n") or 1) if limits else None


def _tokens_of(value: object) -> int:
    text = value if isinstance(value, str) else json.dumps(value)
    forms = {text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFKC", text)}
    # Half a surrogate pair goes out as a replacement character, which has as many bytes.
    return 1 + max(len(form.encode(errors="surrogatepass")) for form in forms)
