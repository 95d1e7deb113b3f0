"""The upper bound of a request's tokens, held against real tokenizers."""

import unicodedata
from pathlib import Path

import mistral_common
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer, models, pre_tokenizers

from skillmix_lightning.endpoint.bounds import tokens_at_most

#: SentencePiece with byte fallback, as Llama-2 and Mistral have it.
PIECES = SentencePieceProcessor(model_file=str(Path(mistral_common.__file__).parent / "data" / "tokenizer.model.v1"))
#: The worst that byte-level BPE (GPT-4, Llama 3, SmolLM2) can do: no merge applies.
BYTES = Tokenizer(models.BPE({char: n for n, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, []))
BYTES.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)

texts = st.text(max_size=60) | st.text("aé語🧵 \n\ufdfa㎏", max_size=60)


def asked(text: str) -> list[dict[str, object]]:
    return [{"role": "user", "content": text}]


@given(texts, st.integers(1, 4))
def test_no_tokenizer_makes_more_tokens_than_the_bound(text, turns):
    bound, _ = tokens_at_most(asked(text) * turns)
    assert turns * len(PIECES.encode(text)) <= bound
    assert turns * len(BYTES.encode(text).ids) <= bound


@given(texts)
def test_what_a_tokenizer_normalises_is_within_the_bound(text):
    bound, _ = tokens_at_most(asked(text))
    for form in ("NFC", "NFKC"):
        assert len(BYTES.encode(unicodedata.normalize(form, text)).ids) <= bound


def test_the_bound_of_an_english_prompt_is_not_wasteful():
    prompt = "Please write one short, natural piece of text in the context of sewing that shows a metaphor. " * 20
    bound, _ = tokens_at_most(asked(prompt))
    assert bound < 6 * len(PIECES.encode(prompt))


def test_schemas_and_tools_are_part_of_the_prompt():
    plain, _ = tokens_at_most(asked("Hello"))
    schema = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": {"enum": ["x" * 1000]}}}
    with_schema, _ = tokens_at_most(asked("Hello"), {"response_format": schema})
    assert with_schema > plain + 1000


@pytest.mark.parametrize(
    ("options", "completion"),
    [
        ({}, None),
        ({"temperature": 0.7}, None),
        ({"max_tokens": None}, None),
        ({"max_tokens": 512}, 513),
        ({"max_completion_tokens": 512}, 513),
        ({"max_tokens": 512, "n": 3}, 1539),
        ({"max_tokens": 512, "n": None}, 513),
    ],
)
def test_completions_are_bounded_by_what_was_asked_for(options, completion):
    assert tokens_at_most(asked("Hello"), options)[1] == completion


def test_half_a_surrogate_pair_has_a_bound():
    assert tokens_at_most(asked("\ud83e"))[0] == tokens_at_most(asked("语"))[0]
