import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import CHATML, tiny_tokenizer

from skillmix_lightning.data.encoding import encode
from skillmix_lightning.errors import InputError

ONE_TURN = [{"role": "user", "content": "Write about Sewing."}, {"role": "assistant", "content": "The seam holds."}]
TWO_TURNS = [
    *ONE_TURN,
    {"role": "user", "content": "Improve it."},
    {"role": "assistant", "content": "Answer: the old seam holds."},
]
TOKENIZER = tiny_tokenizer()


def targets_of(messages, tokenizer=TOKENIZER):
    example = encode(messages, tokenizer, "example 1")
    return tokenizer.decode([i for i, t in zip(example.input_ids, example.targets, strict=True) if t])


def test_the_mask_covers_the_answer_and_its_end_of_turn_token_only():
    assert targets_of(ONE_TURN) == "The seam holds.<|im_end|>"


def test_both_answers_of_a_two_turn_example_have_a_loss():
    assert targets_of(TWO_TURNS) == "The seam holds.<|im_end|>Answer: the old seam holds.<|im_end|>"


def test_the_ids_are_those_of_the_whole_rendered_conversation():
    example = encode(TWO_TURNS, TOKENIZER, "example 1")
    assert TOKENIZER.decode(example.input_ids) == TOKENIZER.apply_chat_template(TWO_TURNS, tokenize=False)


def test_the_tokens_before_an_answer_are_those_that_generation_starts_from():
    example = encode(ONE_TURN, TOKENIZER, "example 1")
    prompt = TOKENIZER.apply_chat_template(ONE_TURN[:1], tokenize=False, add_generation_prompt=True)
    prompt_ids = TOKENIZER(prompt, add_special_tokens=False)["input_ids"]
    assert list(example.input_ids[: len(prompt_ids)]) == prompt_ids
    assert example.targets.index(True) == len(prompt_ids)


@given(st.lists(st.text(st.characters(exclude_categories=["C"], exclude_characters="<"), min_size=1), min_size=1))
def test_for_any_answers_the_targets_decode_to_the_answers(answers):
    answers = [answer.strip() for answer in answers if answer.strip()]
    messages = [
        turn
        for answer in answers
        for turn in ({"role": "user", "content": "More."}, {"role": "assistant", "content": answer})
    ]
    if messages:
        assert targets_of(messages) == "".join(f"{answer}<|im_end|>" for answer in answers)


def test_an_answer_that_changes_how_the_end_of_the_prompt_is_cut_into_tokens_leaves_the_prompts_tokens_alone():
    answer = {"role": "assistant", "content": "\n\nThe seam holds."}
    example = encode([ONE_TURN[0], answer], TOKENIZER, "example 1")
    prompt = TOKENIZER.apply_chat_template(ONE_TURN[:1], tokenize=False, add_generation_prompt=True)
    first = example.targets.index(True)
    assert list(example.input_ids[:first]) == TOKENIZER(prompt)["input_ids"]
    assert TOKENIZER.decode(example.input_ids[first:]) == "\n\nThe seam holds.<|im_end|>\n"


def test_an_answer_that_also_stands_in_the_prompt_is_found_in_its_own_place():
    messages = [{"role": "user", "content": "Say yes."}, {"role": "assistant", "content": "yes"}]
    assert targets_of(messages) == "yes<|im_end|>"


BAD_TEMPLATES = {
    "writes no assistant turns": (
        "{% for m in messages %}{% if m['role'] == 'user' %}<|im_start|>{{ m['content'] }}<|im_end|>{% endif %}"
        "{% endfor %}"
    ),
    "shows the model another text": CHATML.replace("<|im_start|>assistant\n{% endif %}", "[answer]{% endif %}"),
    "does not end the assistant's turn with a token": CHATML.replace(
        "{{ message['content'] }}<|im_end|>", "{{ message['content'] }}"
    ),
    "puts '<think>' between its generation prompt and the answer": CHATML.replace(
        "{{ message['content'] }}",
        "{% if message['role'] == 'assistant' %}<think>{% endif %}{{ message['content'] }}",
    ),
    "every token of it has a loss": (
        "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ m['content'] }}<|im_end|>{% endif %}{% endfor %}"
    ),
    "the chat template cannot render a conversation": "{{ raise_exception('roles must alternate') }}",
}


@pytest.mark.parametrize("problem", BAD_TEMPLATES)
def test_a_template_that_would_train_on_the_wrong_tokens_is_refused_with_the_example(problem):
    with pytest.raises(InputError) as error:
        encode(ONE_TURN, tiny_tokenizer(BAD_TEMPLATES[problem]), "data.jsonl, id 7")
    assert problem in str(error.value)
    assert "\n" not in str(error.value)
    assert "The seam holds." in str(error.value) or "Write about Sewing." in str(error.value)


def test_a_tokenizer_without_a_chat_template_is_refused():
    with pytest.raises(InputError, match="no chat template"):
        encode(ONE_TURN, tiny_tokenizer(None), "example 1")


def test_an_example_without_target_tokens_is_refused():
    with pytest.raises(InputError, match="no token of it has a loss"):
        encode(ONE_TURN[:1], TOKENIZER, "data.jsonl, id 7")


def test_an_empty_answer_is_refused():
    with pytest.raises(InputError, match="assistant's turn is empty"):
        encode([ONE_TURN[0], {"role": "assistant", "content": " "}], TOKENIZER, "data.jsonl, id 7")
