"""The skill-name rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.graders.naming import names_skill
from skillmix_lightning.graders.text import parse


@pytest.mark.parametrize(
    ("raw", "skill"),
    [
        ("This is an alliteration.", "alliteration"),
        ("Alliterations are nice.", "alliteration"),
        ("The alliterations' charm is old.", "alliteration"),
        ("An alliteration’s charm is old.", "alliteration"),
        ("ALLITERATION", "alliteration"),
        ("Here stand two antitheses.", "antithesis"),
        ("By modus ponens, the hive is old.", "modus ponens"),
        ("Is it a rhetorical question?", "rhetorical question"),
        ("I ask rhetorical questions.", "rhetorical question"),
        ("These are statistical syllogisms.", "statistical syllogism"),
        ("A folk-physics puzzle.", "folk physics (common knowledge physics)"),
        ("A second order belief it is.", "second-order belief"),
        ("A self-serving bias.", "self serving bias"),
        ("Two epanalepses and three asyndeta.", "epanalepsis"),
        ("Two epanalepses and three asyndeta.", "asyndeton"),
        ("Tu quoques are cheap.", "tu quoque"),
        ("They build straw men.", "straw man"),
        ("A conflicting belief.", "conflicting beliefs"),
        ("An accident, no more.", "accident (fallacy"),
    ],
)
def test_a_name_is_found_in_any_inflection(raw, skill):
    assert names_skill(parse(raw), skill)


@pytest.mark.parametrize(
    ("raw", "skill"),
    [
        ("Metaphorical maps guide us.", "metaphor"),
        ("An alliterative line.", "alliteration"),
        ("A question of rhetorical weight.", "rhetorical question"),
        ("It is rhetorical. Question it.", "rhetorical question"),
        ("A modus of his own.", "modus ponens"),
        ("The smile is old.", "simile"),
        ("A similar hive.", "simile"),
        ("The common knowledge of bees.", "folk physics (common knowledge physics)"),
        ("", "metaphor"),
        ("The hive is old.", "(hive)"),
        ("A model pond.", "modus ponens"),
        ("They are ironically old.", "irony"),
    ],
)
def test_other_words_do_not_name_it(raw, skill):
    assert not names_skill(parse(raw), skill)


NAMES = st.sampled_from(["alliteration", "modus ponens", "rhetorical question", "simile", "second-order belief"])


@given(NAMES, st.sampled_from([str.lower, str.upper, str.title]), st.text(max_size=20), st.text(max_size=20))
def test_a_name_between_spaces_is_found_in_any_text_and_case(name, case, before, after):
    assert names_skill(parse(f"{before}. So the {case(name)} is here. {after}"), name)


@given(st.text(max_size=60), NAMES)
def test_a_text_without_the_letters_of_the_name_does_not_name_it(raw, name):
    if "e" not in raw.lower() and "i" not in raw.lower():
        assert not names_skill(parse(raw), name)
