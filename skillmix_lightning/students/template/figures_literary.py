"""Writers of the literary figures: sounds, likenesses, contradictions."""

import re

from skillmix_lightning.catalogue import lexicon
from skillmix_lightning.students.template.patterns import fill
from skillmix_lightning.students.template.registry import writes
from skillmix_lightning.students.template.words import Words

# Nouns whose first letter is spoken as adjectives of that letter begin: "cup" and "kettle" like "clean", "chair" not.
_SPOKEN_AS_SPELLED = re.compile(
    r"b|c(?=[alour])|d|f|g(?=[alour])|h(?!on|our)|k(?!n)|l|m|n|p(?![hns])|r|s(?![hcu])|t(?!h)|v|w(?![hr])"
)

#: By rhyme; each half line ends with its own word, and no two of these words share the sound before the rhyme.
COUPLETS: tuple[tuple[str, ...], ...] = (
    (
        "the {person} worked through the night",
        "the {thing} was a lovely sight",
        "the {stuff} shone in the morning light",
        "the {thing} was never quite right",
        "the {person} held the {thing} tight",
    ),
    (
        "the {person} came to the {place} one day",
        "the {things} were put away",
        "the {person} had to stay",
        "the {thing} was old and gray",
        "the {people} began to play",
    ),
    (
        "the {person} lay down to rest",
        "the {thing} from the {place} was best",
        "the {stuff} was put to the test",
        "the {place} looked out to the west",
        "the {person} welcomed the guest",
    ),
    (
        "the {thing} was very old",
        "the {stuff} was never sold",
        "the {place} was dark and cold",
        "the {person} did as told",
        "the {thing} was worth its weight in gold",
        "the {thing} was hard to hold",
    ),
    (
        "the {person} was always kind",
        "the {thing} was hard to find",
        "the {thing} was left behind",
        "the {person} kept the {stuff} in mind",
    ),
    (
        "the {person} answered the call",
        "the {thing} stood by the wall",
        "the {thing} was rather small",
        "the {stuff} was enough for all",
        "the {person} let the {thing} fall",
    ),
)

LIKENESSES = (
    "the {thing} of the {person} is {thing_like}",
    "the {thing} near the {place} is {thing_like}",
    "to the {person} the {thing} looks {thing_like}",
    "the {person} with the {thing} is {person_like}",
    "every {person} near the {place} is {person_like}",
    "the {person} wants {a_thing} {thing_like}",
)
THING_LIKE = (
    "as light as a feather",
    "as bright as a star",
    "as old as a mountain",
    "as heavy as an elephant",
    "as cold as a stone",
    "as clean as a bone",
    "as warm as a blanket",
    "as strong as an ox",
    "as smooth as an egg",
    "as solid as a wall",
    "as simple as a song",
    "as quiet as a mouse",
    "as dry as a desert",
    "as plain as a road",
)
PERSON_LIKE = (
    "as calm as a lake",
    "as proud as a peacock",
    "as busy as an ant",
    "as gentle as a lamb",
    "as quick as a fox",
    "as quiet as a mouse",
    "as brave as a lion",
    "as stubborn as a mule",
    "as wise as an owl",
    "as happy as a child",
    "as hungry as a wolf",
    "as free as a bird",
)

ALLITERATIVE = (
    "the {person} admires the {sounds}",
    "no {person} forgets the {sounds}",
    "the {sounds} belongs to the {person}",
    "the {person} dreams of a {sounds}",
    "the {sounds} is the pride of the {place}",
    "near the {place} the {person} finds a {sounds}",
)

NOISES = (
    "the {thing} falls near the {person} with a {noun}",
    "with a {noun} and a {noun} the {thing} reaches the {person}",
    "the {thing} {verb} and the {person} listens",
    "near the {place} {a_thing} {verb} all day",
    "the {person} hears the {verb_ing} of the {thing}",
)

ACTS = (
    "the {mute} {act} near the {place} while the {person} {does}",
    "even the {mute} {act} when the {person} brings the {thing}",
    "the old {mute} {act} because the {person} has lost the {thing}",
    "the {person} {does} and the {mute} {act} beside the {thing}",
)

CONTRADICTIONS = (
    "the {person} knows the {contradiction} of the {place}",
    "the {thing} brings the {person} a kind of {contradiction}",
    "with {contradiction} the {person} watches the {thing}",
    "the {thing} stands in the {contradiction} of the {place}",
    "the {person} speaks of {contradiction} and {stuff}",
)

EXAGGERATIONS = (
    "the {person} has praised the {thing} a {number} times",
    "the {person} has waited a {number} {age} for the {thing}",
    "the {person} would walk a {number} miles for {stuff}",
    "the {person} has a {number} reasons to love the {thing}",
    "the {thing} of the {person} weighs a {number} tons",
    "the {person} wept a {number} tears over the {thing}",
    "no {thing} like this has come to the {place} in a {number} {age}",
)

AT_WORK = ("works", "rests", "waits", "sings", "sleeps", "smiles", "watches", "listens")


@writes("alliteration")
def write_alliteration(w: Words) -> str:
    """Two adjectives and a thing that open alike."""
    adjectives = lexicon("alliterating")
    for _ in range(40):
        thing = w.thing()
        spoken = _SPOKEN_AS_SPELLED.match(thing)
        if spoken:
            first, second = w.rng.sample(adjectives[spoken.group().replace("k", "c")], 2)
            return fill(w, ALLITERATIVE, sounds=(f"{first}, {second} {thing}",))
    return fill(w, ("the {person} sings a simple silent song about the {thing}",))


@writes("rhyme")
def write_rhyme(w: Words) -> str:
    """Two half lines of one rhyme."""
    return ", ".join(fill(w, (half,)) for half in w.rng.sample(w.rng.choice(COUPLETS), 2))


@writes("simile")
def write_simile(w: Words) -> str:
    """As light as a feather."""
    return fill(w, LIKENESSES, thing_like=THING_LIKE, person_like=PERSON_LIKE)


@writes("onomatopoeia")
def write_onomatopoeia(w: Words) -> str:
    """A thing that makes its sound."""
    nouns, verbs, _, participles = zip(*lexicon("sound_words"), strict=True)
    return fill(w, NOISES, noun=nouns, verb=verbs, verb_ing=participles)


@writes("personification")
def write_personification(w: Words) -> str:
    """The wind, the house or the clock does what only people do."""
    words = lexicon("human_acts")
    return fill(w, ACTS, mute=words["things"], act=[present for present, _ in words["acts"]], does=AT_WORK)


@writes("oxymoron")
def write_oxymoron(w: Words) -> str:
    """A noun behind an adjective that contradicts it."""
    pairs = [f"{adjective} {noun}" for noun, adjectives in lexicon("oxymorons").items() for adjective in adjectives]
    return fill(w, CONTRADICTIONS, contradiction=pairs)


@writes("hyperbole")
def write_hyperbole(w: Words) -> str:
    """A thousand, a million, a billion."""
    ages = ("years", "nights", "summers", "winters", "lifetimes")
    return fill(w, EXAGGERATIONS, number=("thousand", "million", "billion"), age=ages)
