"""Two-turn examples in the model families' chat templates: where they begin, what they train on, where turns end."""

import pytest
from families import CHATML, byte_level_tokenizer, family_tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmix_lightning.data.encoding import encode
from skillmix_lightning.errors import InputError

TOKENIZERS = family_tokenizers()
TURN_ENDS = {
    "mistral": "</s>",
    "mistral, first form": "</s>",
    "llama-2": " </s>",
    "chatml": "<|im_end|>",
    "qwen": "<|im_end|>",
    "llama-3": "<|eot_id|>",
    "gemma": "<end_of_turn>",
}
OPENINGS = {
    "mistral": "<s> [INST] Write about sewing. [/INST]",
    "mistral, first form": "<s>[INST] Write about sewing. [/INST]",
    "llama-2": "<s>[INST] Write about sewing. [/INST]",
    "chatml": "<|im_start|>user\nWrite about sewing.<|im_end|>\n<|im_start|>assistant\n",
    "qwen": (
        "<|im_start|>system\n<|im_end|>\n<|im_start|>user\nWrite about sewing.<|im_end|>\n<|im_start|>assistant\n"
    ),
    "llama-3": (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWrite about sewing.<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
    "gemma": "<bos><start_of_turn>user\nWrite about sewing.<end_of_turn>\n<start_of_turn>model\n",
}
every_family = pytest.mark.parametrize("family", TOKENIZERS)


def conversation(*contents):
    return [{"role": ("user", "assistant")[i % 2], "content": content} for i, content in enumerate(contents)]


TWO_TURNS = conversation("Write about sewing.", "The seam holds.", "Improve it.", "Answer: The thread runs on.")


def runs_of_targets(example):
    """The ids of every run of targets."""
    runs, inside = [], False
    for token, target in zip(example.input_ids, example.targets, strict=True):
        if target:
            runs = runs if inside else [*runs, []]
            runs[-1].append(token)
        inside = target
    return runs


@every_family
def test_both_answers_and_their_end_of_turn_tokens_have_a_loss_and_nothing_else_has(family):
    tokenizer, end = TOKENIZERS[family], TURN_ENDS[family]
    first, second = runs_of_targets(encode(TWO_TURNS, tokenizer, "example"))
    assert tokenizer.decode(first) == f"The seam holds.{end}"
    assert tokenizer.decode(second) == f"Answer: The thread runs on.{end}"
    assert first[-1] == second[-1] == tokenizer.convert_tokens_to_ids(end.strip())


@every_family
def test_the_ids_are_those_of_the_rendered_conversation(family):
    tokenizer = TOKENIZERS[family]
    example = encode(TWO_TURNS, tokenizer, "example")
    system = [{"role": "system", "content": ""}] if family == "qwen" else []
    text = tokenizer.apply_chat_template(system + TWO_TURNS, tokenize=False)
    assert list(example.input_ids) == tokenizer(text, add_special_tokens=False)["input_ids"]
    prompt = tokenizer(OPENINGS[family], add_special_tokens=False)["input_ids"]
    assert list(example.input_ids[: len(prompt)]) == prompt
    assert example.targets.index(True) == len(prompt)


@every_family
def test_bos_stands_once_at_the_start_and_in_llama_2_at_the_start_of_every_pair_of_turns(family):
    tokenizer = TOKENIZERS[family]
    ids = encode(TWO_TURNS, tokenizer, "example").input_ids
    places = [index for index, token in enumerate(ids) if token == tokenizer.bos_token_id]
    assert len(places) == {"chatml": 0, "qwen": 0, "llama-2": 2}.get(family, 1)
    assert places[:1] == ([] if family in ("chatml", "qwen") else [0])


# Templates of some families strip contents.
contents = st.text(st.characters(exclude_categories=["C"], exclude_characters="<"), min_size=1).filter(str.strip)


@every_family
@settings(max_examples=30, deadline=None)
@given(turns=st.lists(contents, min_size=4, max_size=4))
def test_for_any_texts_the_tokens_before_an_answer_are_those_that_the_model_is_given(family, turns):
    tokenizer = TOKENIZERS[family]
    example = encode(conversation(*turns), tokenizer, "example")
    system = [{"role": "system", "content": ""}] if family == "qwen" else []
    prompt = tokenizer.apply_chat_template(system + conversation(turns[0]), tokenize=False, add_generation_prompt=True)
    given_ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    first = example.targets.index(True)
    assert list(example.input_ids[:first]) == given_ids
    end = tokenizer.convert_tokens_to_ids(TURN_ENDS[family].strip())
    answers = runs_of_targets(example)
    assert [run[-1] for run in answers] == [end, end]
    for run, answer in zip(answers, turns[1::2], strict=True):
        assert tokenizer.decode(run[:-1]).strip() == answer.strip()


def test_line_feeds_before_an_answer_do_not_melt_into_those_of_the_prompt():
    tokenizer = TOKENIZERS["chatml"]
    messages = conversation("Write.", "\n\nThe seam holds.")
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    melted = "\n\n\n"
    assert melted in [tokenizer.decode(token) for token in tokenizer(text)["input_ids"]]
    (answer,) = runs_of_targets(encode(messages, tokenizer, "example"))
    assert tokenizer.decode(answer) == "\n\nThe seam holds.<|im_end|>"


def test_a_bracket_that_opens_an_answer_does_not_melt_into_the_one_that_closes_the_prompt():
    tokenizer = TOKENIZERS["mistral, first form"]
    messages = conversation("Write.", "(The seam holds.)", "Improve it.", "(The) seam held.")
    assert "](" in tokenizer.tokenize(tokenizer.apply_chat_template(messages, tokenize=False))
    first, second = runs_of_targets(encode(messages, tokenizer, "example"))
    assert tokenizer.convert_ids_to_tokens(first) == ["(", "The", "▁seam", "▁holds", ".)", "</s>"]
    assert tokenizer.convert_ids_to_tokens(second) == ["(", "The", ")", "▁seam", "▁held", ".", "</s>"]


@pytest.mark.parametrize(("family", "token"), [("mistral", "</s>"), ("llama-3", "<|eot_id|>")])
def test_a_message_that_spells_a_special_token_is_refused(family, token):
    messages = conversation("Write.", f"The seam {token} holds.")
    with pytest.raises(InputError, match=r"d\.jsonl, id 7: a message holds") as error:
        encode(messages, TOKENIZERS[family], "d.jsonl, id 7")
    assert repr(token) in str(error.value)


def test_an_answer_that_thinks_only_when_it_is_trained_is_refused():
    thinking = CHATML.replace("m.role + '\n'", "m.role + '\n' + ('<think></think>' if m.role == 'assistant' else '')")
    tokenizer = byte_level_tokenizer(thinking, ("<|im_start|>", "<|im_end|>"), eos="<|im_end|>")
    with pytest.raises(InputError, match="puts '<think></think>' between its generation prompt and the answer"):
        encode(TWO_TURNS, tokenizer, "example")
