"""Chat examples as token ids with a loss mask: exactly the assistant's answers and their end-of-turn tokens.

The mask is found in the text that the model's own template renders, and proved on its tokens: what stands before an
answer must be, token for token, what the model is given when it has to write that answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from skillmix_lightning.errors import InputError

_SHOWN = 300


@dataclass(frozen=True)
class Example:
    """One encoded conversation.

    Attributes:
        input_ids: token ids.
        targets: True where the token is to be predicted; as long as `input_ids`, and False at 0.
    """

    input_ids: tuple[int, ...]
    targets: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.input_ids)

    def cut(self, length: int) -> "Example":
        """The first `length` tokens."""
        return Example(self.input_ids[:length], self.targets[:length])

    @property
    def target_count(self) -> int:
        """Tokens with a loss."""
        return sum(self.targets)


def encode(messages: Sequence[dict[str, str]], tokenizer: PreTrainedTokenizerBase, where: str) -> Example:
    """Encodes a conversation with the model's own chat template.

    Args:
        messages: in the Hugging Face chat format.
        tokenizer: a fast tokenizer with a chat template.
        where: what to call the example in an error.

    Raises:
        InputError: the template does not write assistant turns, rewrites or does not close them, or shows the model
            something else when it is to answer than when it is trained; or the mask is empty or covers everything.
    """
    if not tokenizer.chat_template:
        raise InputError("the tokenizer has no chat template; give an instruction-tuned model")
    text = _render(messages, tokenizer, add_generation_prompt=False)
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids: list[int] = encoded["input_ids"]
    offsets: list[tuple[int, int]] = encoded["offset_mapping"]
    targets = [False] * len(ids)
    for i, message in enumerate(messages):
        if message["role"] == "assistant":
            first, last = _answer_tokens(messages[: i + 1], text, ids, offsets, tokenizer, where)
            targets[first : last + 1] = [True] * (last + 1 - first)
    example = Example(tuple(ids), tuple(targets))
    if example.target_count == 0:
        raise InputError(f"{where}: no token of it has a loss, so there is nothing to learn: {text[:_SHOWN]!r}")
    if example.target_count == len(example):
        raise InputError(f"{where}: every token of it has a loss, the prompt too: {text[:_SHOWN]!r}")
    return example


def _answer_tokens(
    messages: Sequence[dict[str, str]],
    text: str,
    ids: Sequence[int],
    offsets: Sequence[tuple[int, int]],
    tokenizer: PreTrainedTokenizerBase,
    where: str,
) -> tuple[int, int]:
    """The indices of the first token of the last message, an answer, and of the token that ends its turn."""
    prompt = _render(messages[:-1], tokenizer, add_generation_prompt=True)
    answer = messages[-1]["content"].strip()
    if not answer:
        raise InputError(f"{where}: an assistant's turn is empty: {text[:_SHOWN]!r}")
    if answer not in text:
        raise InputError(f"{where}: the chat template writes no assistant turns, or not as given: {text[:_SHOWN]!r}")
    if not text.startswith(prompt):
        raise InputError(
            f"{where}: the chat template shows the model another text when it is to answer than when it is trained; "
            f"prompt {prompt[-_SHOWN:]!r}, example {text[:_SHOWN]!r}"
        )
    start = text.find(answer, len(prompt))
    assert start >= 0, "the text opens with the prompt and holds the answer"
    if text[len(prompt) : start].strip():
        raise InputError(
            f"{where}: the chat template puts {text[len(prompt) : start]!r} between its generation prompt and the "
            f"answer: {text[:_SHOWN]!r}"
        )
    prompt_ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    first = len(prompt_ids)
    if list(ids[:first]) != list(prompt_ids):
        raise InputError(
            f"{where}: the tokens before an answer are not those of the prompt, so the model would be trained on "
            f"another prompt than it is given: {text[:_SHOWN]!r}"
        )
    special = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
    end = start + len(answer)
    for index in range(first, len(ids)):
        if offsets[index][0] >= end and ids[index] in special:
            return first, index
        if offsets[index][0] >= end and text[offsets[index][0] : offsets[index][1]].strip():
            break
    raise InputError(f"{where}: the chat template does not end the assistant's turn with a token: {text[-_SHOWN:]!r}")


def _render(messages: Sequence[dict[str, str]], tokenizer: PreTrainedTokenizerBase, add_generation_prompt: bool) -> str:
    try:
        rendered: Any = tokenizer.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=add_generation_prompt
        )
    except TemplateError as error:
        raise InputError(f"the chat template cannot render a conversation ({error}): {messages!r}"[:600]) from None
    return str(rendered)
