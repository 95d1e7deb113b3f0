"""The checker grader: k + 3 points by rules in code."""

import pytest

from skillmix_lightning.catalogue import Catalogue, Skill, Topic, TopicWords, combination_of
from skillmix_lightning.errors import InputError
from skillmix_lightning.graders import CheckerGrader, Rubric
from skillmix_lightning.graders.checkers import CHECKERS
from skillmix_lightning.students.base import Composition

WORDS = TopicWords(
    people=("beekeeper", "farmer", "helper"),
    things=("hive", "frame", "smoker", "jar", "lid", "box"),
    stuff=("honey", "wax"),
    places=("apiary", "garden"),
)
CATALOGUE = Catalogue(
    skills=(
        Skill(
            name="toy echo",
            category="literary",
            definition="Two clauses are equal.",
            example="It is; it is.",
            repeats=1,
        ),
        Skill(name="toy doubt", category="logic", definition="The word maybe stands in it.", example="Maybe it is."),
    ),
    topics=(
        Topic(name="Beekeeping", split="train", words=WORDS),
        Topic(name="Knots", split="held_out", words=WORDS),
    ),
)
ECHO, DOUBT, TOPIC, SENSE, LENGTH = "skill:toy echo", "skill:toy doubt", "topic", "sense", "length"


@pytest.fixture(autouse=True)
def toy_checkers(monkeypatch):
    def echo(text):
        clauses = [clause.words for sentence in text.sentences for clause in sentence.clauses]
        return len(set(clauses)) < len(clauses)

    monkeypatch.setitem(CHECKERS, "toy echo", echo)
    monkeypatch.setitem(CHECKERS, "toy doubt", lambda text: "maybe" in text.words)


def composition(text, skills=("toy echo", "toy doubt"), generation=0):
    combination = combination_of(CATALOGUE, "all", skills, "Beekeeping")
    return Composition(combination, generation, (), text, "stop", "somebody")


def points(text, skills=("toy echo", "toy doubt"), name_rule=True):
    (grade,) = CheckerGrader(CATALOGUE, name_rule=name_rule).grade([composition(text, skills)])
    assert grade.status == "ok"
    assert tuple(grade.points) == Rubric.of(composition(text, skills).combination).criteria
    return {criterion for criterion, point in grade.points.items() if point}


GOOD = "The hive is dry; maybe the honey is old; the hive is dry."


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (GOOD, set()),
        (GOOD.replace("maybe", "perhaps"), {DOUBT}),
        ("The hive is dry; maybe the honey is old.", {ECHO}),
        ("The sky is dry; maybe the sea is old; the sky is dry.", {TOPIC}),
        (GOOD.replace("dry", "zqxv"), {SENSE}),
        (GOOD + " It is so.", {LENGTH}),
        (GOOD[:-1] + "; so says the toy doubt.", {DOUBT}),
        (GOOD[:-1] + "; so say toy echoes and toy doubts.", {ECHO, DOUBT}),
        ("", {ECHO, DOUBT, TOPIC, SENSE, LENGTH}),
        ("...", {ECHO, DOUBT, TOPIC, SENSE, LENGTH}),
    ],
)
def test_each_criterion_has_its_own_point(text, missing):
    assert points(text) == {ECHO, DOUBT, TOPIC, SENSE, LENGTH} - missing


def test_the_name_rule_can_be_switched_off():
    named = GOOD[:-1] + "; so says the toy doubt."
    assert points(named, name_rule=False) == {ECHO, DOUBT, TOPIC, SENSE, LENGTH}


def test_only_a_figure_that_is_claimed_and_shown_explains_its_repeats():
    assert SENSE in points("The hive is dry; the hive is dry.", ("toy echo",))
    assert SENSE not in points("Maybe the hive is dry; the hive is dry.", ("toy doubt",))  # shown, but not asked for
    assert SENSE not in points("The hive is dry and the hive is dry.", ("toy echo",))  # asked for, but not shown


def test_raw_gives_a_line_with_the_reason_for_each_criterion():
    (grade,) = CheckerGrader(CATALOGUE).grade([composition("The hive is dry; maybe it is. Toy doubts abound.")])
    assert grade.raw.splitlines() == [
        "skill:toy echo 0: not shown",
        "skill:toy doubt 0: shown, but the text names it",
        "topic 0: the topic's words in it: hive; 2 are needed, or its name",
        "sense 1: met",
        "length 0: 2 sentences, at most 1 allowed",
    ]


def test_every_grading_round_gets_the_same_grade():
    first, second = composition(GOOD), composition("", generation=1)
    grades = list(CheckerGrader(CATALOGUE).grade([first, second], gradings=3))
    assert [(grade.generation, grade.grading, sum(grade.points.values())) for grade in grades] == [
        (0, 0, 5), (0, 1, 5), (0, 2, 5), (1, 0, 0), (1, 1, 0), (1, 2, 0)
    ]  # fmt: skip
    assert {grade.grader for grade in grades} == {"checker"}
    assert grades[0].combination_id == first.combination.id


def test_a_catalogue_that_cannot_be_graded_is_refused_with_all_its_problems(monkeypatch):
    monkeypatch.delitem(CHECKERS, "toy echo")
    monkeypatch.delitem(CHECKERS, "toy doubt")
    catalogue = Catalogue(CATALOGUE.skills, (*CATALOGUE.topics, Topic(name="Air", split="train")))
    with pytest.raises(InputError) as error:
        CheckerGrader(catalogue)
    assert str(error.value).endswith(
        'the skill "toy echo" has no checker; the skill "toy doubt" has no checker; the topic "Air" has no words'
    )


def test_a_skill_of_another_catalogue_is_refused():
    with pytest.raises(InputError, match='no skill is called "metaphor"'):
        list(CheckerGrader(CATALOGUE).grade([composition(GOOD, ("metaphor",))]))
