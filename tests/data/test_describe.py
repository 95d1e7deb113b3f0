from families import mistral_tokenizer
from tiny import tiny_tokenizer

from skillmix_lightning.data import describe_example
from skillmix_lightning.data.describe import PROMPT, SPECIAL, TARGET
from skillmix_lightning.data.encoding import encode

MESSAGES = [
    {"role": "user", "content": "Write about sewing."},
    {"role": "assistant", "content": "The seam holds."},
    {"role": "user", "content": "Improve it."},
    {"role": "assistant", "content": "The old seam holds."},
]


def described(tokenizer):
    text = describe_example(encode(MESSAGES, tokenizer, "example"), tokenizer)
    return text.plain, [(text.plain[span.start : span.end], span.style) for span in text.spans]


def test_targets_stand_out_and_special_tokens_are_seen():
    tokenizer = tiny_tokenizer()
    plain, spans = described(tokenizer)
    assert plain == tokenizer.apply_chat_template(MESSAGES, tokenize=False)
    assert [part for part, style in spans if style == TARGET] == ["The seam holds.", "The old seam holds."]
    assert [part for part, style in spans if style == f"{SPECIAL} {TARGET}"] == ["<|im_end|>"] * 2
    assert [part for part, style in spans if style == f"{SPECIAL} {PROMPT}"][:2] == ["<|im_start|>", "<|im_end|>"]


def test_blanks_at_the_borders_of_a_mask_are_kept():
    plain, spans = described(mistral_tokenizer())
    assert plain == (
        "<s> [INST] Write about sewing. [/INST] The seam holds.</s> [INST] Improve it. [/INST] The old seam holds.</s>"
    )
    assert [part for part, style in spans if style == TARGET] == [" The seam holds.", " The old seam holds."]
