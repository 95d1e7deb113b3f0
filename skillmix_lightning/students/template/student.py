"""Writes a text for any combination of a verifiable catalogue, without a model.

It is where the loop starts offline: what it writes and the checker grader gives full marks is training data.
"""

import hashlib
import random
import re
from collections.abc import Iterable, Iterator, Sequence

from skillmix_lightning.catalogue import Catalogue, Combination, Topic, incompatible_in, load_catalogue
from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.students.base import Composition, Message, Request
from skillmix_lightning.students.template.assemble import assemble, closes, sentence_of
from skillmix_lightning.students.template.registry import WRITERS
from skillmix_lightning.students.template.words import Words, plural

#: How many nouns of its topic a text needs, so that whoever reads it knows what it is about.
WORDS_NEEDED = 2
SETTINGS = ("at the", "near the", "not far from the", "back at the", "close to the")


class TemplateStudent:
    """Writes one fragment for each skill from phrase banks and the topic's nouns, and joins them.

    A text depends on the seed, the combination's id and the generation alone. Asked in more than one turn, it first
    answers with a draft, one sentence for each skill, and last with the text within the sentence limit. An answer has
    the form "Answer: … Explanation: …" where its turn asks for "Answer:".

    Args:
        catalogue: a built-in catalogue's name, a path, or the catalogue itself.
        seed: another seed writes other texts.

    Raises:
        InputError: a skill of the catalogue has no writer, or a topic no words (all are listed).
    """

    name = "template"

    def __init__(self, catalogue: str | Catalogue = "verifiable", seed: int = 0) -> None:
        self.catalogue = load_catalogue(catalogue) if isinstance(catalogue, str) else catalogue
        self.seed = seed
        raise_all(
            "the template student cannot write this catalogue",
            [f'the skill "{skill.name}" has no writer' for skill in self.catalogue.skills if skill.name not in WRITERS]
            + [f'the topic "{topic.name}" has no words' for topic in self.catalogue.topics if topic.words is None],
        )

    def write(self, requests: Sequence[Request]) -> Iterator[Composition]:
        """Answers every turn of every request.

        Raises:
            InputError: a combination holds skills that no text can show together, or a skill or topic that the
                catalogue does not have.
        """
        for request in requests:
            yield self._compose(request)

    def _compose(self, request: Request) -> Composition:
        assert request.turns, "a request without a turn asks for nothing"
        fragments, text = self._write(request.combination, request.generation)
        draft = " ".join(sentence_of([fragment]) for fragment in fragments.values())
        turns: list[Message] = []
        for number, prompt in enumerate(request.turns, start=1):
            answer = text if number == len(request.turns) else draft
            reply = _explained(answer, fragments) if "Answer:" in prompt else answer
            turns += [{"role": "user", "content": prompt}, {"role": "assistant", "content": reply}]
        return Composition(
            combination=request.combination,
            generation=request.generation,
            turns=tuple(turns),
            text=text,
            finish_reason="stop",
            student=self.name,
        )

    def _write(self, combination: Combination, generation: int) -> tuple[dict[str, str], str]:
        """The fragment of each skill, in the combination's order, and the text made of them."""
        raise_all(
            f"combination {combination.id}, no text can show all of its skills",
            [
                f"{' and '.join(sorted(pair))} exclude each other"
                for pair in incompatible_in(self.catalogue, combination.skills)
            ],
        )
        rng = _rng(self.seed, combination.id, generation)
        words = Words(self.catalogue.topic(combination.topic), rng)
        # Sorted, because the id does not know the skills' order and the text is to depend on the id alone.
        names = sorted(combination.skills)
        fragments = {name: WRITERS[self.catalogue.skill(name).name](words) for name in names}
        if _nouns_in(fragments.values(), words.topic) < WORDS_NEEDED:
            # Some forms take one noun; a text needs two to pertain, and a place in front of it disturbs no form.
            fragments[names[0]] = f"{words.pick(SETTINGS)} {words.place()}, {fragments[names[0]]}"
        closing = [name for name, fragment in fragments.items() if closes(fragment)]
        if len(closing) > combination.sentence_limit:
            raise InputError(
                f"combination {combination.id}: {' and '.join(closing)} must each close a sentence, but the text may "
                f"have only {combination.sentence_limit}; record the pair as incompatible in the catalogue"
            )
        text = assemble(list(fragments.values()), combination.sentence_limit, rng)
        return {name: fragments[name] for name in combination.skills}, text


def _rng(*key: object) -> random.Random:
    digest = hashlib.sha256("\x1f".join(map(str, key)).encode()).digest()
    return random.Random(int.from_bytes(digest))


def _nouns_in(fragments: Iterable[str], topic: Topic) -> int:
    assert topic.words is not None
    held = " ".join(fragments)
    nouns = {*topic.words.people, *topic.words.things, *topic.words.stuff, *topic.words.places}
    return sum(
        re.search(rf"\b(?:{re.escape(noun)}|{re.escape(plural(noun))})\b", held, re.I) is not None for noun in nouns
    )


def _explained(answer: str, fragments: dict[str, str]) -> str:
    lines = "\n".join(f'{skill}: "{fragment}"' for skill, fragment in fragments.items())
    return f"Answer: {answer}\nExplanation: {lines}"
