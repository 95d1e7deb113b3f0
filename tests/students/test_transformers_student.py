"""The student with local weights: the same texts in any batch, nothing read twice, batches that the memory allows."""

import logging

import pytest
import torch
from talking import make_talk, plain_answers
from tiny import CHATML, save_tiny_model

from skillmix_lightning.errors import InputError
from skillmix_lightning.models import load_causal_lm, load_tokenizer
from skillmix_lightning.pipeline.plan import Plan
from skillmix_lightning.students.base import Request
from skillmix_lightning.students.transformers import TransformersStudent

NEW = 12
SHOUTED = CHATML.replace("{{ message['content'] }}", "{{ message['content'] | upper }}")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = str(save_tiny_model(tmp_path_factory.mktemp("tiny")))
    model = load_causal_lm(folder)
    make_talk(model, stops=40)
    return model, load_tokenizer(folder)


@pytest.fixture(scope="module")
def requests():
    """Ten of two short turns: a tiny model has 1,024 positions."""
    drawn = Plan(splits=("train",), ks=(1, 2), combinations=5, generations=1).requests()
    return [
        Request(r.combination, r.generation, (f"{r.combination.topic}, {'very ' * i}short", "Again, better."))
        for i, r in enumerate(drawn)
    ]


def student(tiny, **settings):
    model, tokenizer = tiny
    settings = {"temperature": 0.0, "max_new_tokens": NEW, "batch_size": 4, "autocast": False, **settings}
    return TransformersStudent(model, tokenizer, **settings)


def said(compositions):
    return {
        (c.combination.id, c.generation): [turn["content"] for turn in c.turns if turn["role"] == "assistant"]
        for c in compositions
    }


class Counted:
    """Counts what the model reads."""

    def __init__(self, model):
        self.model = model
        self.tokens = 0

    def __enter__(self):
        self.hook = self.model.register_forward_pre_hook(self.count, with_kwargs=True)
        return self

    def count(self, module, args, kwargs):
        self.tokens += kwargs["input_ids"].numel()

    def __exit__(self, *error):
        self.hook.remove()


@pytest.mark.parametrize("template", [CHATML, SHOUTED], ids=["as said", "history rewritten"])
def test_greedy_texts_are_those_of_each_request_alone_and_read_from_its_beginning(tiny, requests, template):
    _, tokenizer = tiny
    tokenizer.chat_template = template
    try:
        written = said(student(tiny).write(requests))
        expected = {(r.combination.id, r.generation): plain_answers(*tiny, r, NEW)[0] for r in requests}
    finally:
        tokenizer.chat_template = CHATML
    assert written == expected
    assert len({replies[1] for replies in written.values()}) > 5


def test_the_second_turn_reads_only_what_it_does_not_share_with_the_first(tiny, requests):
    for request in requests[:3]:
        _, ((first, new), (second, newer)) = plain_answers(*tiny, request, NEW)
        computed = first + new[:-1]  # the last token was drawn and never read
        shared = next((i for i, (a, b) in enumerate(zip(computed, second, strict=False)) if a != b), len(computed))
        assert shared >= len(first)
        with Counted(tiny[0]) as read:
            list(student(tiny, batch_size=1).write([request]))
        assert read.tokens == len(computed) + len(second) - shared + len(newer) - 1


def test_every_request_is_answered_once_with_what_its_turns_took(tiny, requests):
    written = list(student(tiny, batch_size=3).write(requests))
    assert len(said(written)) == len(written) == len(requests)
    for composition in written:
        request = next(r for r in requests if r.combination == composition.combination)
        _, tokens = plain_answers(*tiny, request, NEW)
        assert composition.usage == {
            "prompt_tokens": sum(len(prompt) for prompt, _ in tokens),
            "completion_tokens": sum(len(new) for _, new in tokens),
        }
        stops = tiny[0].generation_config.eos_token_id
        assert composition.finish_reason == ("stop" if tokens[-1][1][-1] in stops else "length")


def test_a_sampled_text_is_decided_by_the_seed_and_its_request_whatever_the_batch(tiny, requests):
    requests = requests[:6]
    alone = said(student(tiny, temperature=0.7, batch_size=1).write(requests))
    assert said(student(tiny, temperature=0.7, batch_size=4).write(requests[::-1])) == alone
    assert said(student(tiny, temperature=0.7, batch_size="auto").write(requests)) == alone
    other = said(student(tiny, temperature=0.7, seed=1).write(requests))
    assert sum(other[key] != texts for key, texts in alone.items()) > len(requests) // 2
    again = Request(requests[0].combination, 1, requests[0].turns)
    texts = said(student(tiny, temperature=0.7).write([requests[0], again]))
    assert len({tuple(replies) for replies in texts.values()}) == 2


class NoRoom:
    """A device that has room for so many texts at a time, and says so in the middle of their second turn."""

    def __init__(self, texts):
        self.texts = texts
        self.sizes = []

    def __call__(self, module, args, kwargs):
        rows, width = kwargs["input_ids"].shape
        if width > 1:
            self.sizes.append(rows)
        in_second_turn = len(self.sizes) % 2 == 0
        if rows > self.texts and width == 1 and in_second_turn:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


@pytest.fixture
def no_room(tiny):
    hooks = []

    def limit(texts):
        limited = NoRoom(texts)
        hooks.append(tiny[0].register_forward_pre_hook(limited, with_kwargs=True))
        return limited

    yield limit
    for hook in hooks:
        hook.remove()


def test_a_batch_that_does_not_fit_is_halved_and_nothing_is_lost_or_doubled(tiny, requests, no_room, caplog):
    expected = said(student(tiny, batch_size=1).write(requests))
    limited = no_room(3)
    with caplog.at_level(logging.WARNING):
        written = list(student(tiny, batch_size="auto", name="a model").write(requests))
    assert said(written) == expected
    assert len(written) == len(requests)
    assert limited.sizes[0] == 10
    assert max(limited.sizes[-2:]) <= 2
    assert caplog.messages == [
        "a model: 10 texts at a time do not fit in the memory; going on with 5",
        "a model: 5 texts at a time do not fit in the memory; going on with 2",
    ]


def test_a_number_that_does_not_fit_is_one_line(tiny, requests, no_room):
    no_room(3)
    with pytest.raises(InputError) as refused:
        list(student(tiny, batch_size=5, name="a model").write(requests))
    assert str(refused.value) == "a model: 5 texts at a time cannot be written in the memory; lower batch_size"


def test_a_single_text_that_does_not_fit_is_one_line(tiny, requests, no_room):
    no_room(0)
    with pytest.raises(InputError) as refused:
        list(student(tiny, batch_size="auto", name="a model").write(requests))
    assert str(refused.value) == "a model: one text cannot be written in the memory; lower max_new_tokens"


@pytest.mark.parametrize("size", [0, -4])
def test_a_batch_of_nothing_is_refused(tiny, size):
    with pytest.raises(InputError, match=f"batch_size is {size}; give 1 or more, or auto"):
        student(tiny, batch_size=size)


def test_no_requests_are_no_texts(tiny):
    assert list(student(tiny, batch_size="auto").write([])) == []
