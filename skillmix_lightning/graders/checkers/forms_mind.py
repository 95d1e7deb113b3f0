"""Checkers of theory of mind: who thinks, sees and knows what."""

from collections.abc import Iterator

from skillmix_lightning.catalogue import lexicon
from skillmix_lightning.graders.checkers.propositions import (
    Words,
    conclusion_at,
    denies,
    is_proposition,
    premise_at,
    steps_of,
)
from skillmix_lightning.graders.checkers.registry import checks
from skillmix_lightning.graders.text import Text

_MINDS = {kind: frozenset(verbs) for kind, verbs in lexicon("minds").items()}
_LONGEST_SUBJECT = 4  # "the young ship's captain"; a longer row of words is no longer just the one who thinks
_NO_SUBJECT = frozenset({"not", "if", "either", "because", "when", "nobody", "no", "never", "that"})
_HELPING = frozenset({"can", "could", "has", "have", "had"})
_PRONOUNS = frozenset({("he",), ("she",), ("they",)})


@checks("false belief")
def false_belief(text: Text) -> bool:
    """Somebody thinks that P, but not P."""
    steps = steps_of(text)
    return any(
        denies(content, premise_at(steps, i + 1))
        for i in range(len(steps))
        for _, content in attitudes(steps[i].words, "beliefs")
    )


@checks("second-order belief")
def second_order_belief(text: Text) -> bool:
    """One thinks that another thinks something."""
    return any(
        one != other
        for step in steps_of(text)
        for one, content in attitudes(step.words, "beliefs")
        for other, _ in attitudes(content, "beliefs", "knowledge")
    )


@checks("conflicting beliefs")
def conflicting_beliefs(text: Text) -> bool:
    """One thinks that P, but another thinks that not P."""
    steps = steps_of(text)
    return any(
        one != other and other not in _PRONOUNS and denies(content, content_after)
        for i in range(len(steps))
        for one, content in attitudes(steps[i].words, "beliefs")
        for other, content_after in attitudes(premise_at(steps, i + 1), "beliefs")
    )


@checks("knowledge from sight")
def knowledge_from_sight(text: Text) -> bool:
    """One saw that P, so the same one knows that P."""
    steps = steps_of(text)
    return any(
        content == known and (knower == witness or knower in _PRONOUNS)
        for i in range(len(steps))
        for witness, content in attitudes(steps[i].words, "sights")
        for knower, known in attitudes(conclusion_at(steps, i + 1), "knowledge")
    )


@checks("ignorance of the unseen")
def ignorance_of_the_unseen(text: Text) -> bool:
    """P, but one has not seen it, so the same one does not know that P."""
    steps = steps_of(text)
    return any(
        is_proposition(steps[i].words) and fact == steps[i].words and (ignorant == absent or ignorant in _PRONOUNS)
        for i in range(len(steps) - 2)
        for absent, _ in _negated(premise_at(steps, i + 1), {"see", "seen"}, ({"it"}, {"this"}, {"that"}))
        for ignorant, fact in _negated(conclusion_at(steps, i + 2), {"know"})
    )


def attitudes(words: Words, *kinds: str) -> Iterator[tuple[Words, Words]]:
    """The readings as "<somebody> <verb> (that) <proposition>", with a verb of those kinds from the list of minds."""
    verbs = frozenset[str]().union(*(_MINDS[kind] for kind in kinds))
    for i, word in enumerate(words[: _LONGEST_SUBJECT + 1]):
        subject, content = words[:i], words[i + 1 :]
        if word not in verbs or not _is_subject(subject):
            continue
        content = content[1:] if content[:1] == ("that",) else content
        if is_proposition(content):
            yield (subject[:-1] if len(subject) > 1 and subject[-1] in _HELPING else subject), content


def _is_subject(words: Words) -> bool:
    return bool(words) and words[0] not in {"and", "or", "but"} and _NO_SUBJECT.isdisjoint(words)


def _negated(
    words: Words, verbs: set[str], endings: tuple[set[str], ...] | None = None
) -> Iterator[tuple[Words, Words]]:
    """The readings as "<somebody> <auxiliary> not <verb> (that) <rest>"; the rest is one of the endings, if given."""
    for i in range(2, min(len(words) - 1, _LONGEST_SUBJECT + 2)):
        if words[i] != "not" or words[i + 1] not in verbs or not _is_subject(words[:i]):
            continue
        rest = words[i + 2 :]
        if endings is not None:
            if len(rest) == 1 and set(rest) in endings:
                yield words[: i - 1], rest
        else:
            yield words[: i - 1], rest[1:] if rest[:1] == ("that",) else rest
