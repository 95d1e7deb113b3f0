"""What holds of the forms of reasoning whatever the propositions, terms and numbers are."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from skillmix_lightning.catalogue import load_catalogue
from skillmix_lightning.graders.checkers import CHECKERS
from skillmix_lightning.graders.checkers.forms_numbers import _NUMBERS
from skillmix_lightning.graders.checkers.propositions import denies, distinct
from skillmix_lightning.graders.text import parse, words_of

FORMS = tuple(skill.name for skill in load_catalogue().split_skills("held_out"))
#: Examples that show a second form: none of them can be worded so that it does not.
UNAVOIDABLE: dict[str, set[str]] = {}
CONTENT = ("hive", "frame", "old", "dry", "Anna", "sings", "waits", "the", "slowly", "never", "in", "Rome", "honey")
PROPOSITIONS = st.lists(st.sampled_from(CONTENT), min_size=2, max_size=5).map(" ".join)
WRITTEN = {number: " ".join(words) for words, number in _NUMBERS.items() if not words[0].isdigit()}


def shows(skill: str, text: str) -> bool:
    return CHECKERS[skill](parse(text))


def test_every_held_out_skill_has_a_checker() -> None:
    assert set(FORMS) <= set(CHECKERS)
    assert len(FORMS) >= 20


@pytest.mark.parametrize("skill", FORMS)
def test_an_example_shows_its_own_form_only(skill: str) -> None:
    shown = {form for form in FORMS if shows(form, load_catalogue().skill(skill).example)}
    assert shown == {skill} | UNAVOIDABLE.get(skill, set())


@settings(max_examples=60, deadline=None)
@given(p=PROPOSITIONS, q=PROPOSITIONS, so=st.sampled_from(["so", "therefore", "hence", "thus"]))
def test_the_roles_of_p_and_q_decide(p: str, q: str, so: str) -> None:
    assume(distinct(words_of(p), words_of(q)))
    ponens, affirming = f"If {p}, then {q}; {p}; {so} {q}.", f"If {p}, {q}; {q}; {so} {p}."
    assert shows("modus ponens", ponens)
    assert not shows("affirming the consequent", ponens)
    assert shows("affirming the consequent", affirming)
    assert not shows("modus ponens", affirming)


@settings(max_examples=60, deadline=None)
@given(p=PROPOSITIONS, q=PROPOSITIONS)
def test_denials_turn_an_if_sentence_around(p: str, q: str) -> None:
    assume(distinct(words_of(p), words_of(q)))
    p, q, not_p, not_q = f"it is {p}", f"it is {q}", f"it is not {p}", f"it is not {q}"
    assert shows("modus tollens", f"If {p}, {q}; {not_q}; so {not_p}.")
    assert not shows("modus tollens", f"If {p}, {q}; {not_p}; so {not_q}.")
    assert shows("denying the antecedent", f"If {p}, {q}; {not_p}; so {not_q}.")
    assert shows("contraposition", f"If {p}, {q}; so if {not_q}, {not_p}.")
    assert not shows("contraposition", f"If {p}, {q}; so if {not_p}, {not_q}.")
    assert shows("disjunctive syllogism", f"Either {p} or {q}; {not_p}; so {q}.")
    assert not shows("disjunctive syllogism", f"Either {p} or {q}; {not_p}; so {p}.")


@settings(max_examples=60, deadline=None)
@given(p=PROPOSITIONS, q=PROPOSITIONS)
def test_denial_is_symmetric_and_never_of_itself(p: str, q: str) -> None:
    one, other = words_of(p), words_of(q)
    assert denies(one, other) == denies(other, one)
    assert not denies(one, one)
    assert denies(("it", "is", *one), ("it", "is", "not", *one))


def test_every_right_sum_passes_and_no_wrong_one() -> None:
    for first in range(1, 51):
        for second in range(first, 51, 7):  # every seventh partner keeps this under a few seconds
            one, other = WRITTEN[first], WRITTEN[second]
            nouns = ["hive" if number == 1 else "hives" for number in (first, second)]
            for error in (-10, -1, 0, 1):
                if first + second + error >= 0:
                    text = f"{one} {nouns[0]} and {other} {nouns[1]} make {WRITTEN[first + second + error]} hives."
                    assert shows("addition in words", text) == (error == 0), text


@settings(max_examples=60, deadline=None)
@given(whole=st.integers(2, 60), part=st.integers(1, 59), error=st.integers(-2, 2))
def test_the_rest_must_be_right(whole: int, part: int, error: int) -> None:
    rest = whole - part + error
    assume(part < whole and rest > 0)
    text = f"Of {WRITTEN[whole]} hives, {WRITTEN[part]} are old, so {WRITTEN[rest]} are not old."
    assert shows("counting the rest", text) == (error == 0)


WORDS_OF_FORMS = (
    "if then so not either or all is are because thinks that has no of , ; . ? to as than older before in on some "
    "again two and hive most a"
)
LOGICAL_WORDS = st.sampled_from(WORDS_OF_FORMS.split())


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(LOGICAL_WORDS, max_size=25).map(" ".join)))
def test_no_text_makes_a_checker_raise(text: str) -> None:
    for form in FORMS:
        assert shows(form, text) in (True, False)
