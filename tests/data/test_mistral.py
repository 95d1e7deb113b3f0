"""Ids and masks of Mistral-7B-Instruct's conversations against mistral-common, the vendor's own encoder.

Version 1 of its instruct encoding, the one of v0.1 and v0.2, encodes every turn by itself: "[INST] user [/INST]" and
the answer, each with SentencePiece's blank in front, with </s> behind the answer. In one rendered text the same blanks
must be written: before every [INST], and before every answer. The model's current template writes both. Its first form
did not write the one before answers; with it, the first token of every answer is another one.
"""

import random

import pytest
from families import MISTRAL_FIRST, mistral_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from mistral_common.protocol.instruct.messages import AssistantMessage, UserMessage
from mistral_common.protocol.instruct.request import InstructRequest
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

from skillmix_lightning.data.encoding import encode

PARTS = [
    *("Answer:", "Explanation:", "The seam holds", "sewing", "(a simile)", "'tis", "[INST]", "[/INST]", "<<SYS>>"),
    *(" ", "  ", "   ", "\n", "\n\n", "\n\n\n", "\t", "\r\n", "\u00a0", "\u3000", "▁", "▁▁"),
    *("!", ").", "](", "...", "—", "“quoted”", "1,024", "0x0A", "<0x0A>", "#", "* ", "- ", "```"),
    *(
        "é",
        "e\u0301",
        "ß",
        "Ω",
        "д",
        "字",
        "漢字仮名",
        "हिन्दी",
        "ع",
        "🙂",
        "👩‍👩‍👧",
        "🇯🇵",
        "\U0001d54f",
        "\u200b",
        "\ufeff",
        "\u0007",
    ),
]


@pytest.fixture(scope="module", params=[True, False], ids=["legacy", "not legacy"])
def tokenizer(request):
    return mistral_tokenizer(legacy=request.param)


OFFICIAL = MistralTokenizer.v1().instruct_tokenizer


def official(messages):
    """Ids and masks: BOS and users' turns have no loss, answers and their </s> have."""
    turns = [
        UserMessage(content=m["content"]) if m["role"] == "user" else AssistantMessage(content=m["content"])
        for m in messages
    ]
    ids, targets = OFFICIAL.start(), [False]
    for turn in turns:
        answer = isinstance(turn, AssistantMessage)
        if answer:
            part = OFFICIAL.encode_assistant_message(turn, is_before_last_user_message=False, continue_message=False)
        else:
            part, _, _ = OFFICIAL.encode_user_message(turn, [], is_last=False, is_first=False)
        ids += part
        targets += [answer] * len(part)
    assert OFFICIAL.encode_instruct(InstructRequest(messages=turns)).tokens == ids
    return ids, targets


def conversation(contents):
    return [{"role": ("user", "assistant")[i % 2], "content": content} for i, content in enumerate(contents)]


def random_conversations(count):
    rng = random.Random(0)
    made = []
    while len(made) < count:
        contents = ["".join(rng.choices(PARTS, k=rng.randint(1, 30))) for _ in range(4)]
        if all(content.strip() for content in contents):
            made.append(conversation(contents))
    return made


def test_ids_and_masks_of_200_random_two_turn_conversations_are_mistral_commons(tokenizer):
    conversations = random_conversations(200)
    assert len({str(c) for c in conversations}) == 200
    for messages in conversations:
        example = encode(messages, tokenizer, "example")
        ids, targets = official(messages)
        assert list(example.input_ids) == ids, messages
        assert list(example.targets) == targets, messages


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: text.strip() and not any(token in text for token in ("<s>", "</s>", "<unk>"))
)


@settings(max_examples=50, deadline=None)
@given(st.lists(texts, min_size=2, max_size=4).filter(lambda contents: len(contents) % 2 == 0))
def test_ids_and_masks_of_any_text_are_mistral_commons(tokenizer, contents):
    messages = conversation(contents)
    example = encode(messages, tokenizer, "example")
    assert (list(example.input_ids), list(example.targets)) == official(messages)


def test_the_templates_first_form_differs_in_the_first_token_of_every_answer_only():
    tokenizer = mistral_tokenizer(MISTRAL_FIRST)
    messages = conversation(["Write.", "Seams hold.", "Improve it.", "Seams held."])
    example = encode(messages, tokenizer, "example")
    ids, targets = official(messages)
    assert list(example.targets) == targets
    differing = [
        (tokenizer.convert_ids_to_tokens(ours), tokenizer.convert_ids_to_tokens(theirs))
        for ours, theirs in zip(example.input_ids, ids, strict=True)
        if ours != theirs
    ]
    assert differing == [("Se", "▁Se")] * 2
