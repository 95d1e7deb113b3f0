"""What code decides about a text."""

import pytest

from skillmix_lightning.catalogue import Combination
from skillmix_lightning.graders.checks import TextChecks, check_text

TWO = Combination("c", "all", ("metaphor", "accident (fallacy)"), "Sewing")


@pytest.mark.parametrize(
    ("text", "checks"),
    [
        ("Her needle is a poet.", TextChecks(1, 1, ())),
        ("Her needle is a poet. It rhymes.", TextChecks(2, 0, ())),
        ("“Her needle is a poet. It rhymes,” he said.", TextChecks(2, 0, ())),
        ("Dr. J. Smith sews 3.5 yards of metaphors by accident", TextChecks(1, 1, ("metaphor", "accident (fallacy)"))),
        ("A metaphorical needle.", TextChecks(1, 1, ())),
        ("", TextChecks(0, 0, ())),
        ("  \n", TextChecks(0, 0, ())),
    ],
)
def test_sentences_and_names_are_counted_from_the_text_alone(text, checks):
    assert check_text(text, TWO) == checks
