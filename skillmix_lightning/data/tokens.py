"""Tokens with their places in a text, also for a text that goes on where a prompt ended."""

from collections.abc import Sequence
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase


class Token(NamedTuple):
    """A token id, and the characters of the text it stands for, from `start` to before `end`."""

    id: int
    start: int
    end: int


def tokenize(text: str, tokenizer: PreTrainedTokenizerBase) -> list[Token]:
    """The tokens of a rendered text; special tokens are read where it names them, and none is added."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    offsets = encoded["offset_mapping"]
    return [Token(id_, start, end) for id_, (start, end) in zip(encoded["input_ids"], offsets, strict=True)]


def tokenize_rest(text: str, at: int, tokenizer: PreTrainedTokenizerBase) -> list[Token] | None:
    """The tokens of `text[at:]` as a continuation, none of them reaching back before `at`.

    A special token in front keeps it apart from what was before. SentencePiece-like tokenizers write a blank behind
    special tokens; for them a line feed, which is never part of a longer token there, stands between.

    Returns:
        None where the tokenizer has no such special token, or does not keep the two apart.
    """
    separator = _separator(tokenizer)
    if separator is None:
        return None
    writes_blank = _ids(separator + "a", tokenizer)[1:] != _ids(separator + "\na", tokenizer)[-1:]
    guard = separator + ("\n" if writes_blank else "")
    guarded, alone = tokenize(guard + text[at:], tokenizer), _ids(guard, tokenizer)
    if ids_of(guarded[: len(alone)]) != alone:
        return None
    shift = at - len(guard)
    return [Token(token.id, token.start + shift, token.end + shift) for token in guarded[len(alone) :]]


def end_of_turn(
    tokens: Sequence[Token], first: int, answer_end: int, text: str, tokenizer: PreTrainedTokenizerBase
) -> int | None:
    """The index of the special token that stands behind an answer, blanks apart; None where there is none.

    Args:
        tokens: of the whole text.
        first: index of the answer's first token.
        answer_end: the character behind the answer's last.
        text: the whole text.
        tokenizer: that wrote the tokens.
    """
    added = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
    for index in range(first, len(tokens)):
        token = tokens[index]
        if token.start >= answer_end and text[token.start : token.end].strip():
            return index if token.id in added else None
    return None


def special_text(text: str, tokenizer: PreTrainedTokenizerBase) -> str | None:
    """A special token that stands in a text as plain characters, or None."""
    named = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return next((token for token in sorted({*named, *tokenizer.all_special_tokens}) if token in text), None)


def ids_of(tokens: Sequence[Token]) -> list[int]:
    """Their ids."""
    return [token.id for token in tokens]


def _ids(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    return ids_of(tokenize(text, tokenizer))


def _separator(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """A special token that leaves the blanks beside it alone."""
    for token in tokenizer.added_tokens_decoder.values():
        if token.special and not token.lstrip and not token.rstrip:
            return str(token.content)
    return None
