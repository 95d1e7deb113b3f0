"""The template student and the checker grader on the verifiable catalogue: what one writes, the other accepts."""

from dataclasses import replace
from itertools import combinations as subsets

import pytest

from skillmix_lightning.catalogue import Catalogue, combination_of, draw_combinations, incompatible_in, load_catalogue
from skillmix_lightning.errors import InputError
from skillmix_lightning.graders import CheckerGrader
from skillmix_lightning.graders.text import parse
from skillmix_lightning.students.base import Request
from skillmix_lightning.students.template import WRITERS, TemplateStudent

CATALOGUE = load_catalogue("verifiable")
STUDENT = TemplateStudent(CATALOGUE)
GRADER = CheckerGrader(CATALOGUE)
SKILLS = [skill.name for skill in CATALOGUE.skills]
TOPICS = [topic.name for topic in CATALOGUE.topics]


def write(combination, generation=0, turns=("Write.",), student=STUDENT):
    (composition,) = student.write([Request(combination, generation, tuple(turns))])
    return composition


def missing(composition):
    (grade,) = GRADER.grade([composition])
    return {criterion for criterion, point in grade.points.items() if not point}


def combination(*skills, topic=0, index=0):
    return combination_of(CATALOGUE, "all", skills, TOPICS[topic % len(TOPICS)], index)


def written_within(generations, asked):
    """The criteria that the best of some generations still misses."""
    return min((missing(write(asked, generation)) for generation in range(generations)), key=len)


@pytest.mark.parametrize("skill", SKILLS)
def test_every_skill_is_written_alone(skill):
    place = SKILLS.index(skill)
    failed = [topic for topic in range(place, place + 8) if missing(write(combination(skill, topic=topic)))]
    assert failed == []


@pytest.mark.parametrize("skill", SKILLS)
def test_every_skill_is_written_with_every_other_it_can_stand_with(skill):
    place = SKILLS.index(skill)
    failed = {}
    for number, other in enumerate(SKILLS[place + 1 :]):
        if not incompatible_in(CATALOGUE, [skill, other]) and (
            misses := written_within(3, combination(skill, other, topic=place + number))
        ):
            failed[other] = misses
    assert failed == {}


@pytest.mark.parametrize("k", [3, 4, 5])
@pytest.mark.parametrize("split", ["train", "held_out", "all"])
def test_nearly_every_first_text_of_a_drawn_combination_gets_full_marks(split, k):
    drawn = draw_combinations(CATALOGUE, split, k, 60, seed=1)
    failed = {item.skills: misses for item in drawn if (misses := missing(write(item)))}
    assert len(failed) <= 0.05 * len(drawn), failed


@pytest.mark.parametrize("pair", sorted(map(sorted, CATALOGUE.incompatible_pairs)))
def test_an_incompatible_pair_is_refused(pair):
    others = [name for name in SKILLS if name not in pair][:2]
    for skills in (pair, [*pair, *others]):
        with pytest.raises(InputError, match="exclude each other"):
            write(combination(*skills))


def test_a_pair_that_cannot_fit_is_refused_even_where_the_catalogue_does_not_know():
    closing = [name for name in SKILLS if write(combination(name)).text.endswith(("?", "!"))]
    unrecorded = Catalogue(CATALOGUE.skills, CATALOGUE.topics)
    pair = next(pair for pair in subsets(closing, 2) if incompatible_in(CATALOGUE, pair))
    with pytest.raises(InputError, match="must each close a sentence"):
        write(combination(*pair), student=TemplateStudent(unrecorded))


def test_no_two_texts_are_alike():
    texts = [
        write(item, generation).text
        for k in (1, 2, 3)
        for item in draw_combinations(CATALOGUE, "all", k, 50)
        for generation in (0, 1)
    ]
    assert len(texts) == 300
    assert len(set(texts)) == 300


def test_a_text_depends_on_seed_combination_and_generation_alone():
    drawn = draw_combinations(CATALOGUE, "all", 3, 5)
    requests = [Request(item, generation, ("Write.",)) for item in drawn for generation in (0, 1)]
    texts = {(c.combination.id, c.generation): c.text for c in TemplateStudent(CATALOGUE, seed=3).write(requests)}
    again = {(c.combination.id, c.generation): c.text for c in TemplateStudent(CATALOGUE, seed=3).write(requests[::-1])}
    other = {(c.combination.id, c.generation): c.text for c in TemplateStudent(CATALOGUE, seed=4).write(requests)}
    assert again == texts
    turned = [replace(item, skills=item.skills[::-1]) for item in drawn]
    assert [write(item).text for item in turned] == [write(item).text for item in drawn]
    assert not set(other.values()) & set(texts.values())


def test_one_turn_is_answered_with_the_text():
    composition = write(combination(*SKILLS[:1]))
    assert composition.turns == (
        {"role": "user", "content": "Write."},
        {"role": "assistant", "content": composition.text},
    )
    assert composition.finish_reason == "stop"
    assert composition.student == "template"


def test_of_two_turns_the_first_is_a_draft_over_the_limit():
    for item in draw_combinations(CATALOGUE, "train", 3, 20):
        composition = write(item, turns=("Write.", "Shorten."))
        draft, text = (turn["content"] for turn in composition.turns if turn["role"] == "assistant")
        assert text == composition.text
        assert len(parse(draft).sentences) == 3
        assert len(parse(text).sentences) <= 2
        assert sorted(parse(draft).words) == sorted(parse(text).words)


def test_an_answer_has_the_form_its_turn_asks_for():
    item = draw_combinations(CATALOGUE, "train", 2, 1)[0]
    composition = write(item, turns=("Write. Use the form Answer: … Explanation: …", "Only the text, please."))
    first, second = (turn["content"] for turn in composition.turns if turn["role"] == "assistant")
    assert second == composition.text
    answer, explanation = first.removeprefix("Answer: ").split("\nExplanation: ")
    lines = [line.split(": ", 1) for line in explanation.splitlines()]
    assert [skill for skill, _ in lines] == list(item.skills)
    for _, words in lines:
        assert words.strip('"').lower() in answer.lower()


def test_sentences_are_sometimes_fewer_than_the_limit_allows():
    counts = [len(parse(write(item).text).sentences) for item in draw_combinations(CATALOGUE, "train", 4, 60)]
    assert set(counts) <= {1, 2, 3}
    assert counts.count(3) > len(counts) / 2 > 0 < counts.count(1) + counts.count(2)


def test_a_catalogue_that_cannot_be_written_is_refused_with_all_its_problems(monkeypatch):
    for name in SKILLS[:2]:
        monkeypatch.delitem(WRITERS, name)
    with pytest.raises(InputError) as error:
        TemplateStudent(CATALOGUE)
    assert str(error.value).endswith(f'"{SKILLS[0]}" has no writer; the skill "{SKILLS[1]}" has no writer')
