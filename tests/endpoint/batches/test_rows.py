import json
import random

from batch_endings import result_row
from chat_server import declines, refuses, says
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.endpoint.batches.rows import count_rows, read_outcomes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["custom_id", "response", "error", "status_code", "body", "choices", "message", "content", "usage", "code"]
ROWS = st.recursive(JSON, lambda inner: st.dictionaries(st.sampled_from(KEYS), inner, max_size=4), max_leaves=12)


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(content):
    assert all(outcome.reply is None for outcome in read_outcomes(content).values())


@given(st.lists(ROWS, max_size=4))
def test_no_json_makes_it_raise(rows):
    outcomes = read_outcomes(lines(*rows))
    assert len(outcomes) == count_rows(lines(*rows))
    assert all((outcome.reply is None) == bool(outcome.failure) for outcome in outcomes.values())


@given(st.integers(0, 2**32), st.lists(st.binary(max_size=10).filter(lambda junk: b"\n" not in junk), max_size=5))
def test_neither_order_nor_copies_nor_junk_change_what_is_read(seed, junk):
    answers = [says("A"), says("B"), refuses(500, "oops"), refuses(400, "no"), declines("I cannot.")]
    rows = [result_row(f"id {number}", answer) for number, answer in enumerate(answers)]
    expected = read_outcomes(lines(*rows))
    mixed = [line + b"\n" for line in junk] + [lines(row) for row in rows + rows[:2]]
    random.Random(seed).shuffle(mixed)
    cut = seed % (len(mixed) + 1)
    assert read_outcomes(b"".join(mixed[:cut]), b"".join(mixed[cut:])) == expected


def test_a_row_is_read_as_a_reply_or_as_why_there_is_none():
    answers = [says("A", "length"), declines("I cannot."), refuses(500, "oops"), refuses(400, "a\nb"), refuses(402, "")]
    outcomes = read_outcomes(lines(*(result_row(str(number), answer) for number, answer in enumerate(answers))))
    assert (outcomes["0"].reply.text, outcomes["0"].reply.finish_reason) == ("A", "length")
    assert outcomes["0"].reply.usage == {"prompt_tokens": 10, "completion_tokens": 3}
    assert (outcomes["1"].reply.text, outcomes["1"].reply.finish_reason) == ("I cannot.", "content_filter")
    failures = [(outcomes[id].failure, outcomes[id].can_pass) for id in "234"]
    assert failures == [
        ("the server answers 500: oops", True),
        ("the server answers 400: a b", False),
        ("the server answers 402: nothing", False),
    ]


def test_a_text_with_any_line_separator_is_one_row():
    text = "one\r\ntwo\x0bthree\x85four\u2028five"
    row = json.dumps(result_row("id", says(text)), ensure_ascii=False).encode() + b"\n"
    assert read_outcomes(row)["id"].reply.text == text
