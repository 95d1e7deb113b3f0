"""The topic criterion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.catalogue import Topic, TopicWords
from skillmix_lightning.graders.text import parse
from skillmix_lightning.graders.topic import topic_problems, topic_words

BEES = Topic(
    name="Beekeeping",
    split="train",
    words=TopicWords(
        people=("beekeeper", "queen bee", "merchant"),
        things=("hive", "frame", "smoker", "jar", "leaf", "box"),
        stuff=("honey", "wax"),
        places=("apiary", "garden"),
        other=("swarm", "gardening", "mouse"),
    ),
)
WAR = Topic(name="Guerilla warfare", split="train", words=BEES.words)
EMPIRE = Topic(name="The Ottoman Empire", split="held_out", words=BEES.words)


@pytest.mark.parametrize(
    ("raw", "topic"),
    [
        ("The hive holds honey.", BEES),
        ("Hives and frames are old.", BEES),
        ("HIVES, FRAMES!", BEES),
        ("The hive's honey-pot is old.", BEES),
        ("Leaves fell on the boxes.", BEES),
        ("They swarmed over the jars.", BEES),
        ("A queen bee loves wax.", BEES),
        ("Two mice ate wax.", BEES),
        ("Beekeeping is an old art.", BEES),
        ("Guerilla warfare is old.", WAR),
        ("The warfare of a guerilla is hard.", WAR),
        ("The Ottoman sultan lost an empire.", EMPIRE),
        ("The Ottomans’ empires fell.", EMPIRE),
    ],
)
def test_two_words_or_the_name_pertain(raw, topic):
    assert topic_problems(parse(raw), topic) == []


@pytest.mark.parametrize(
    ("raw", "topic", "held"),
    [
        ("", BEES, "none"),
        ("The old man sleeps.", BEES, "none"),
        ("The hive is old.", BEES, "hive"),
        ("The hive, the hive, and all the hives.", BEES, "hive"),
        ("A garden is for gardening in gardens.", BEES, "garden"),
        ("The queen lives in a hive.", BEES, "hive"),
        ("The empire fell.", EMPIRE, "empire"),
        ("An archive of chives.", BEES, "none"),
    ],
)
def test_fewer_do_not(raw, topic, held):
    assert topic_problems(parse(raw), topic) == [f"the topic's words in it: {held}; 2 are needed, or its name"]


@given(st.text(max_size=60))
def test_any_string_is_judged(raw):
    topic_problems(parse(raw), BEES)


@given(st.sampled_from([BEES, WAR, EMPIRE]), st.data())
def test_words_held_never_decrease_when_text_is_added(topic, data):
    vocabulary = st.sampled_from(sorted(topic.words.all))
    first = data.draw(vocabulary)
    second = data.draw(vocabulary)
    assert len(topic_words(parse(f"The {first}."), topic)) >= 1
    assert len(topic_words(parse(f"The {first}. The {second}."), topic)) >= len(
        topic_words(parse(f"The {first}."), topic)
    )
