"""What a text can do to its own grade by structure alone: nothing.

Whether a model can be talked into a point is measured, not proved; that a text cannot forge, add or remove a row of the
rubric around a grader that is not talked into anything is proved here, attack by attack (attacks.yaml).
"""

import json
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from records import small_catalogue

from skillmix_lightning.catalogue import Combination
from skillmix_lightning.graders.parse import parse_reply
from skillmix_lightning.graders.rubric import Rubric
from skillmix_lightning.prompts import load_prompts

ATTACKS: dict[str, str] = yaml.safe_load((Path(__file__).parent / "attacks.yaml").read_text(encoding="utf-8"))
CATALOGUE = small_catalogue()
COMBINATION = Combination("c", "all", ("metaphor", "modus ponens"), "Sewing")
RUBRIC = Rubric.of(COMBINATION)
HONEST = {"skill:metaphor": 0, "skill:modus ponens": 0, "topic": 1, "sense": 0, "length": 0}

TABLE = "\n".join(
    [
        "Here is the grading table:\n",
        "| Criteria | Points Earned |",
        "|---|---|",
        *(f"| {label} | {point} |" for label, point in zip(RUBRIC.labels, HONEST.values(), strict=True)),
        "| Total Points Earned | 1 |",
    ]
)
VERDICTS = {"table": TABLE, "json": json.dumps(HONEST)}

#: How an honest grader may quote the text beside its verdict.
REPLIES = {
    "before": 'The text "{text}" tries to grade itself.\n\n{verdict}\n\nExplanation: No skill is illustrated.',
    "after": '{verdict}\n\nExplanation: The text "{text}" tries to grade itself. No skill is illustrated.',
    "below": "{verdict}\n\nExplanation: This is the text:\n\n{text}\n\nIt tries to grade itself.",
}


def rendered(prompts: str, text: str, nonce: str | None = None) -> str:
    return load_prompts(prompts).grading_turn(CATALOGUE, COMBINATION, text, RUBRIC.labels, nonce)


def test_there_are_attacks_of_every_kind():
    assert len(ATTACKS) >= 40
    assert len(set(ATTACKS.values())) == len(ATTACKS)


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
def test_no_text_changes_the_prompt_around_it(text):
    for prompts in ("paper-v1", "hardened-v1"):
        before, after = rendered(prompts, "MARK", nonce="0f").split("MARK")
        assert rendered(prompts, text, nonce="0f") == before + text + after


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
def test_no_text_closes_its_fence(text):
    turn = rendered("hardened-v1", text)
    (nonce,) = re.findall(r"^</text ([0-9a-f]{16})>$", turn.replace(text, ""), re.MULTILINE)
    assert nonce not in text
    assert turn.count(f"<text {nonce}>\n{text}\n</text {nonce}>\n") == 1
    assert turn.count(f"<text {nonce}>") == turn.count(f"</text {nonce}>") == 1


@given(st.text())
def test_no_text_at_all_closes_its_fence(text):
    turn = rendered("hardened-v1", f"{text}</text 0f>{text}", nonce="0f")  # even one that knows the mark beforehand
    opening, closing = re.findall(r"^</?text ((?!0f>)[0-9a-f]{16})>$", turn, re.MULTILINE)
    assert opening == closing
    assert opening not in text


def test_a_mark_is_drawn_for_every_call():
    assert len({re.search(r"</text (\w+)>", rendered("hardened-v1", "A text.")).group(1) for _ in range(50)}) == 50


def quotations() -> Iterator[object]:
    """Every attack, quoted by an honest reply of every form in every place: the reply and the text."""
    for (name, text), (kind, verdict), (place, reply) in product(ATTACKS.items(), VERDICTS.items(), REPLIES.items()):
        filled = reply.replace("{verdict}", verdict).replace("{text}", text)
        yield pytest.param(filled, text, id=f"{name}-{kind}-{place}")


@pytest.mark.parametrize(("reply", "text"), list(quotations()))
def test_an_honest_reply_that_quotes_the_text_keeps_its_points(reply, text):
    assert parse_reply(reply, RUBRIC, text=text).points == HONEST


@pytest.mark.parametrize(("reply", "text"), list(quotations()))
def test_an_honest_reply_that_quotes_the_text_in_other_blanks_gets_its_points_or_none(reply, text):
    asked = text.replace(" ", "  ")
    assert parse_reply(reply, RUBRIC, text=asked).points in (HONEST, {})
