from types import SimpleNamespace

import pytest
from families import mistral_tokenizer
from rich.console import Console

from skillmix_lightning.callbacks import ShowExample
from skillmix_lightning.callbacks.example import first_example, read_back
from skillmix_lightning.data.batching import StepCollator
from skillmix_lightning.data.encoding import Example, encode
from skillmix_lightning.training import SkillMixModule

PIECE = Example(tuple(range(5, 25)), (False,) + (True,) * 19, "pretraining", None, 0.5)


@pytest.fixture(scope="module")
def tokenizer():
    return mistral_tokenizer()


@pytest.fixture(scope="module")
def chat(tokenizer):
    messages = [{"role": "user", "content": "Write."}, {"role": "assistant", "content": "The sea, the sea."}]
    example = encode(messages, tokenizer, "here")
    return Example(example.input_ids, example.targets, "skillmix", 3)


@pytest.mark.parametrize("layout", ["padded", "padding_free"])
def test_examples_are_read_back_as_they_were_before_batching(chat, layout):
    batch = StepCollator(micro_batch_size=2, layout=layout)([PIECE, chat])
    (micro_batch,) = batch["micro_batches"]
    back = [read_back(micro_batch, i, *batch["sources"][0][i]) for i in range(2)]
    assert {example.k: example for example in back} == {None: PIECE, 3: chat}


def test_a_text_of_skills_is_shown_rather_than_pre_training_text(chat):
    batch = StepCollator(micro_batch_size=1)([PIECE, chat])
    assert first_example(batch) == chat


def shown(chat, tokenizer, is_global_zero=True, times=1):
    module = SkillMixModule()
    module.tokenizer = tokenizer
    console = Console(record=True, width=100, file=open("/dev/null", "w"))  # noqa: SIM115
    callback = ShowExample(console)
    batch = StepCollator(micro_batch_size=2)([chat])
    for step in range(times):
        callback.on_train_batch_start(SimpleNamespace(is_global_zero=is_global_zero), module, batch, step)
    return console.export_text(styles=True), callback


def test_targets_are_green_and_the_prompt_is_dim(chat, tokenizer):
    text, _ = shown(chat, tokenizer)
    prompt, answer = text.index("Write."), text.index("The sea, the sea.")
    assert "skillmix, k = 3" in text
    assert "\x1b[2m" in text[:prompt]
    assert "\x1b[32m" in text[prompt:answer]
    assert "</s>" in text[answer:]


def test_it_is_shown_once_and_on_one_rank_only(chat, tokenizer):
    assert shown(chat, tokenizer, times=3)[0] == shown(chat, tokenizer)[0]
    assert shown(chat, tokenizer, is_global_zero=False)[0] == ""


def test_a_resumed_fit_does_not_show_it_again(chat, tokenizer):
    _, callback = shown(chat, tokenizer)
    resumed = ShowExample()
    resumed.load_state_dict(callback.state_dict())
    assert resumed._shown
