"""Chat examples as token ids with a loss mask: exactly the assistant's answers and their end-of-turn tokens.

The mask is found in the text that the model's own template renders, and proved on its tokens: what stands before an
answer is, token for token, what the model is given when it has to write that answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from skillmix_lightning.data.tokens import Token, end_of_turn, ids_of, special_text, tokenize, tokenize_rest
from skillmix_lightning.errors import InputError
from skillmix_lightning.models import opening

_SHOWN = 300


@dataclass(frozen=True)
class Example:
    """One encoded conversation, or piece of pre-training text.

    Attributes:
        input_ids: token ids.
        targets: True where the token is to be predicted; as long as `input_ids`, and False at 0.
        source: which data it is of: "skillmix" or "pretraining".
        k: skills of its text; None where it has none.
        weight: of its target tokens in the loss.
    """

    input_ids: tuple[int, ...]
    targets: tuple[bool, ...]
    source: str = "skillmix"
    k: int | None = None
    weight: float = 1.0

    def __len__(self) -> int:
        return len(self.input_ids)

    def cut(self, length: int) -> "Example":
        """The first `length` tokens."""
        return replace(self, input_ids=self.input_ids[:length], targets=self.targets[:length])

    @property
    def target_count(self) -> int:
        """Tokens with a loss."""
        return sum(self.targets)


def encode(messages: Sequence[dict[str, str]], tokenizer: PreTrainedTokenizerBase, where: str) -> Example:
    """Encodes a conversation with the model's own chat template.

    The ids are those of the rendered conversation, with one exception: where the first characters of an answer would
    melt into one token with the end of its prompt ("[/INST]" + "(" is "](" in Llama's vocabulary), the prompt keeps
    its own tokens and the answer begins with a token of its own, as it does when the model writes it.

    Args:
        messages: in the Hugging Face chat format.
        tokenizer: a fast tokenizer with a chat template.
        where: what to call the example in an error.

    Raises:
        InputError: a message holds a special token; the template does not write assistant turns, rewrites or does not
            close them, or shows the model something else when it is to answer than when it is trained; or the mask is
            empty or covers everything.
    """
    if not tokenizer.chat_template:
        raise InputError("the tokenizer has no chat template; give an instruction-tuned model")
    if not tokenizer.is_fast:
        raise InputError("the tokenizer has no fast version, so no token's place is known; give a tokenizer.json")
    for message in messages:
        if found := special_text(message["content"], tokenizer):
            raise InputError(
                f"{where}: a message holds {found!r}, which is a special token of this model and would end or open "
                "turns; remove it from the text"
            )
    if messages[0]["role"] != "system":
        messages = [*opening(tokenizer), *messages]
    text = _render(messages, tokenizer, add_generation_prompt=False)
    tokens = tokenize(text, tokenizer)
    targets: set[int] = set()
    turn_start = 0
    for i, message in enumerate(messages):
        if message["role"] == "assistant":
            prompt = _prompt(messages[: i + 1], text, tokenizer, where)
            tokens, first = _after_prompt(tokens, prompt, text, turn_start, tokenizer, where)
            answer_end = text.index(message["content"].strip(), len(prompt)) + len(message["content"].strip())
            last = end_of_turn(tokens, first, answer_end, text, tokenizer)
            if last is None:
                raise InputError(
                    f"{where}: the chat template does not end the assistant's turn with a token: {text[-_SHOWN:]!r}"
                )
            targets.update(range(first, last + 1))
            turn_start = tokens[last].end
    if not targets:
        raise InputError(f"{where}: no token of it has a loss, so there is nothing to learn: {text[:_SHOWN]!r}")
    if len(targets) == len(tokens):
        raise InputError(f"{where}: every token of it has a loss, the prompt too: {text[:_SHOWN]!r}")
    return Example(tuple(ids_of(tokens)), tuple(index in targets for index in range(len(tokens))))


def _prompt(messages: Sequence[dict[str, str]], text: str, tokenizer: PreTrainedTokenizerBase, where: str) -> str:
    """What the model is given to write the last message, an answer; opens `text`, and only blanks part the two."""
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
    return prompt


def _after_prompt(
    tokens: list[Token], prompt: str, text: str, turn_start: int, tokenizer: PreTrainedTokenizerBase, where: str
) -> tuple[list[Token], int]:
    """The tokens of `text`, with those of the prompt as the model is given them, and the index of the first behind it.

    Only what follows the previous turn's end-of-turn token is looked at: no token reaches across that.
    """
    before = [token for token in tokens if token.start < turn_start]
    given = [token for token in tokenize(prompt, tokenizer) if token.start >= turn_start]
    first = len(before) + len(given)
    as_given = ids_of(tokens[len(before) : first]) == ids_of(given)
    if as_given and tokens[first - 1].end <= len(prompt):
        return tokens, first
    rest = tokenize_rest(text, len(prompt), tokenizer)
    if rest is None:
        raise InputError(
            f"{where}: the tokens before an answer are not those of the prompt, so the model would be trained on "
            f"another prompt than it is given: {text[:_SHOWN]!r}"
        )
    return [*before, *given, *rest], first


def _render(messages: Sequence[dict[str, str]], tokenizer: PreTrainedTokenizerBase, add_generation_prompt: bool) -> str:
    try:
        rendered: Any = tokenizer.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=add_generation_prompt
        )
    except TemplateError as error:
        raise InputError(f"the chat template cannot render a conversation ({error}): {messages!r}"[:600]) from None
    return str(rendered)
