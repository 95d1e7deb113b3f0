import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.prompts import extract_answer, extract_answer_reference


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("Answer: A stitch in time.\nExplanation: It is a proverb.", "A stitch in time."),
        ("Answer: A stitch in time.", "A stitch in time."),
        ("  A stitch in time.\n", "A stitch in time."),
        ("A stitch in time. Explanation: a proverb.", "A stitch in time."),
        ("Answer: A draft.\nExplanation: bad.\nAnswer: A text.\nExplanation: good.", "A text."),
        ("Explanation: first the reasons.\nAnswer: A text.", "A text."),
        ("Answer: A text.\nExplanation: one.\nExplanation: two.", "A text."),
        ("Here it is.\n\nAnswer:\n\nTwo lines\nof text.\n\nExplanation of skills", "Two lines\nof text."),
        ("The answer: everybody sews.", "The answer: everybody sews."),
        ("**Answer:** A text.\n\n**Explanation:** good.", "A text."),
        ("**Answer**: A text.\n\n## Explanation", "A text."),
        ("**Answer: A text.**\n\nExplanation: good.", "A text."),
        ("Answer: **A text.**\nExplanation: good.", "A text."),
        ("**Answer:** **It** is *so*.\n**Explanation**", "**It** is *so*."),
        ('Answer: "A text."\nExplanation: good.', '"A text."'),
        ("Answer: A text.\n\nExplan", "A text."),
        ("Answer: A text.\n\n**Ex", "A text."),
        ("Answer: A text by\nExodus", "A text by\nExodus"),
        ("Answer:", ""),
        ("", ""),
    ],
)
def test_the_text_stands_after_the_last_answer_and_before_the_first_explanation_behind_it(
    reply: str, text: str
) -> None:
    assert extract_answer(reply) == text


@given(
    before=st.text(),
    text=st.text(st.characters(blacklist_characters="*_#")).filter(
        lambda t: "Answer:" not in t and "Explanation" not in t
    ),
    after=st.text().filter(lambda text: "Answer:" not in text),
)
def test_a_marked_text_comes_out_whatever_stands_around_it(before: str, text: str, after: str) -> None:
    assert extract_answer(f"{before}\nAnswer: {text}\nExplanation: {after}") == text.strip()


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("Answer: A draft.\nExplanation: bad.\nAnswer: A text.\nExplanation: good.", "A text."),
        ("**Answer:** A text.\n**Explanation:** good.", "** A text.\n**"),
        ("Answer: A text.\n\nExplan", "A text.\n\nExplan"),
        ("**Answer**: A text.", "**Answer**: A text."),
    ],
)
def test_the_reference_extraction_goes_by_the_bare_marks(reply: str, text: str) -> None:
    assert extract_answer_reference(reply) == text
