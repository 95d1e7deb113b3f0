from collections import Counter

import pytest
from wordfreq import zipf_frequency

from skillmix_lightning.catalogue import Topic, lexicon, load_catalogue
from skillmix_lightning.students.template.words import plural

TOPICS = load_catalogue().topics
#: Plurals that are not the noun with "s" or "es".
IRREGULAR = {
    "child": "children",
    "colony": "colonies",
    "dictionary": "dictionaries",
    "fisherman": "fishermen",
    "foreman": "foremen",
    "knife": "knives",
    "loaf": "loaves",
    "marksman": "marksmen",
    "pony": "ponies",
    "postman": "postmen",
    "shelf": "shelves",
    "swordsman": "swordsmen",
    "tapestry": "tapestries",
    "trophy": "trophies",
    "watchman": "watchmen",
}


def nouns(topic: Topic) -> tuple[str, ...]:
    assert topic.words is not None
    return topic.words.people + topic.words.things + topic.words.stuff + topic.words.places


def test_there_are_as_many_topics_in_training_as_held_out() -> None:
    splits = Counter(topic.split for topic in TOPICS)
    assert splits["train"] == splits["held_out"] >= 22


def test_the_published_topics_are_there() -> None:
    published = {
        *("Sewing", "Dueling", "The Ottoman Empire", "Urbanism", "Beekeeping", "Survivalism", "Guerilla warfare"),
        *("Triathlons", "Gardening", "Knots"),
    }
    assert published <= {topic.name for topic in TOPICS}


def test_no_noun_belongs_to_more_than_three_topics() -> None:
    counts = Counter(noun for topic in TOPICS for noun in set(nouns(topic)))
    assert [noun for noun, count in counts.items() if count > 3] == []


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_vocabulary_is_known_single_words_without_doubles(topic: Topic) -> None:
    assert topic.words is not None
    words = nouns(topic) + topic.words.other
    assert [word for word, count in Counter(words).items() if count > 1] == []
    assert [word for word in words if " " in word] == []
    assert [word for word in words if zipf_frequency(word, "en") == 0] == []
    assert 8 <= len(topic.words.other) <= 20


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_count_nouns_have_the_right_plural(topic: Topic) -> None:
    assert topic.words is not None
    for noun in topic.words.people + topic.words.things:
        assert plural(noun) in ({IRREGULAR[noun]} if noun in IRREGULAR else {f"{noun}s", f"{noun}es"})
        assert zipf_frequency(plural(noun), "en") > 0


@pytest.mark.parametrize("name", ["names", "states", "moods"])
def test_the_words_of_a_list_are_known_and_stand_once(name: str) -> None:
    words = lexicon(name)
    assert len(set(words)) == len(words)
    assert [word for word in words if zipf_frequency(word, "en") == 0] == []
