"""One encoded example as a person reads it: what the model is given, what it learns to write, and where turns end."""

from itertools import groupby

from rich.text import Text
from transformers import PreTrainedTokenizerBase

from skillmix_lightning.data.encoding import Example

TARGET = "green"
PROMPT = "dim"
SPECIAL = "bold"


def describe_example(example: Example, tokenizer: PreTrainedTokenizerBase) -> Text:
    """The decoded example: targets in green, the prompt dim, special tokens visible and bold in either.

    Args:
        example: to show.
        tokenizer: that encoded it.
    """
    special = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
    marks = [(target, id_ in special) for id_, target in zip(example.input_ids, example.targets, strict=True)]
    shown = Text()
    written, end = "", 0
    for (target, is_special), run in groupby(marks):
        end += len(list(run))
        # Decoding the run by itself would lose the blank that SentencePiece-like tokenizers write before a word.
        so_far = str(
            tokenizer.decode(
                list(example.input_ids[:end]), skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
        )
        style = TARGET if target else PROMPT
        shown.append(so_far[len(written) :], f"{SPECIAL} {style}" if is_special else style)
        written = so_far
    return shown
