"""How conversations open: no system prompt, not even the template's own."""

import pytest
from tiny import CHATML, tiny_tokenizer

from skillmix_lightning.models import load_tokenizer, opening

EMPTY_SYSTEM_TURN = ({"role": "system", "content": ""},)
WITH_A_DEFAULT = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    + CHATML
)
WITHOUT_SYSTEM_TURNS = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHATML


@pytest.mark.parametrize(
    ("template", "expected"),
    [(WITH_A_DEFAULT, EMPTY_SYSTEM_TURN), (CHATML, ()), (WITHOUT_SYSTEM_TURNS, ())],
    ids=["with a default", "without a default", "without system turns"],
)
def test_only_a_default_system_prompt_is_replaced(template, expected):
    assert opening(tiny_tokenizer(template)) == expected


def test_the_embedded_models_default_system_prompt_is_gone():
    tokenizer = load_tokenizer("embedded:smollm2-135m-instruct")
    user = {"role": "user", "content": "Hello"}
    assert "helpful AI assistant" in tokenizer.apply_chat_template([user], tokenize=False)
    opened = tokenizer.apply_chat_template([*opening(tokenizer), user], tokenize=False)
    assert opened == "<|im_start|>system\n<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n"
