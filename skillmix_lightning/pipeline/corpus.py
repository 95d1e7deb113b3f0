"""Counting skills and topics in a corpus, for the parrot bound: by code where it can decide, else from graded samples.

The unit is the document. A document shows a skill if any stretch of it, as long as a text may be, passes the skill's
checker, and a topic if it names it. Skills that it shows in different places count as shown together, so the bound
comes out rather too high than too low.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from skillmix_lightning.catalogue import Catalogue, Combination, load_catalogue
from skillmix_lightning.catalogue.draw import combination_of
from skillmix_lightning.errors import InputError
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.graders.checkers import CHECKERS
from skillmix_lightning.graders.naming import named_skills
from skillmix_lightning.graders.rubric import skill_criterion
from skillmix_lightning.graders.text import Text, parse
from skillmix_lightning.scoring.frequencies import Counted
from skillmix_lightning.scoring.metrics import vote
from skillmix_lightning.students.base import Composition

#: Who wrote the documents, in a run of them.
CORPUS = "corpus"
#: Skills that a grader is asked about in one call: the largest k of the paper.
_TOGETHER = 5
#: Characters of a sampled document that a grader reads at most, about 2,000 tokens.
LONGEST = 8000


@dataclass(frozen=True)
class CorpusCounts:
    """What was counted.

    Attributes:
        documents: how many there were.
        counted: a row for each skill that code decides and for each topic.
    """

    documents: int
    counted: list[Counted]


def decidable(catalogue: Catalogue) -> list[str]:
    """The skills that code can decide: those with a checker, as the verifiable catalogue defines them."""
    defined = {skill.name: skill.definition for skill in load_catalogue("verifiable").skills}
    return [skill.name for skill in catalogue.skills if defined.get(skill.name) == skill.definition]


def undecidable(catalogue: Catalogue) -> list[str]:
    """The other skills: those that only a grader can see."""
    known = set(decidable(catalogue))
    return [skill.name for skill in catalogue.skills if skill.name not in known]


def count(documents: Iterable[str], catalogue: Catalogue, sentences: int) -> CorpusCounts:
    """Counts the documents that show each skill and each topic.

    Args:
        documents: the corpus.
        catalogue: of the skills and topics.
        sentences: how long a text may be; max(1, k - 1) for texts of k skills.

    Raises:
        InputError: there is no document.
    """
    skills, topics = decidable(catalogue), [topic.name for topic in catalogue.topics]
    shown: Counter[tuple[str, str]] = Counter()
    number = 0
    for document in documents:
        number += 1
        text = parse.__wrapped__(document)  # no document comes twice: the cache would only fill the memory
        windows = list(_windows(text, sentences))
        shown.update(("skill", name) for name in skills if any(map(CHECKERS[name], windows)))
        shown.update(("topic", name) for name in named_skills(text, topics))
    if not number:
        raise InputError("the corpus holds no document")
    names = [*(("skill", name) for name in skills), *(("topic", name) for name in topics)]
    return CorpusCounts(number, [Counted(kind, name, shown[kind, name], number) for kind, name in names])


def sample(documents: Iterable[str], catalogue: Catalogue, size: int, seed: int) -> list[Composition]:
    """Documents drawn at random, as texts for a grader: each once for every five skills that code cannot decide.

    The topic that stands with them is any one; the points for it mean nothing here.

    Args:
        documents: the corpus.
        catalogue: of the skills.
        size: how many documents; all if there are no more.
        seed: of the draw.
    """
    chance = random.Random(seed)
    drawn: list[tuple[int, str]] = []
    for place, document in enumerate(documents):  # each has the same chance, however many there are
        if place < size:
            drawn.append((place, document))
        elif (at := chance.randrange(place + 1)) < size:
            drawn[at] = (place, document)
    skills = undecidable(catalogue)
    groups = [skills[start : start + _TOGETHER] for start in range(0, len(skills), _TOGETHER)]
    return [
        _composition(_asked(catalogue, group, place), document[:LONGEST])
        for place, document in sorted(drawn)
        for group in groups
    ]


def count_graded(compositions: Sequence[Composition], grades: Sequence[Grade]) -> list[Counted]:
    """Counts the sampled documents that show each skill by the vote of a grader's rounds.

    Args:
        compositions: of `sample`.
        grades: of one grader. A document without points for a skill is none that was looked at.
    """
    rounds: dict[tuple[str, int], dict[int, Grade]] = {}
    for grade in grades:
        rounds.setdefault((grade.combination_id, grade.generation), {})[grade.grading] = grade
    shown: Counter[str] = Counter()
    looked_at: Counter[str] = Counter()
    for text in compositions:
        verdict = vote(list(rounds.get((text.combination.id, text.generation), {}).values()))
        for name in text.combination.skills if verdict else ():
            looked_at[name] += 1
            shown[name] += (verdict or {})[skill_criterion(name)]
    return [Counted("skill", name, shown[name], number) for name, number in looked_at.items()]


def _windows(text: Text, size: int) -> Iterator[Text]:
    """Every stretch of so many sentences; the whole text if it has no more."""
    for start in range(max(1, len(text.sentences) - size + 1)):
        part = text.sentences[start : start + size]
        yield Text(" ".join(sentence.raw for sentence in part), part)


def _asked(catalogue: Catalogue, skills: Sequence[str], place: int) -> Combination:
    topic = catalogue.topics[place % len(catalogue.topics)].name
    return combination_of(catalogue, "all", skills, topic, place)


def _composition(combination: Combination, text: str) -> Composition:
    return Composition(combination, 0, ({"role": "assistant", "content": text},), text, "stop", CORPUS, {})
