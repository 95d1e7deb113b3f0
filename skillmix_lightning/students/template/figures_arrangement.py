"""Writers of the figures that lie in how words and clauses are arranged."""

from skillmix_lightning.catalogue import lexicon
from skillmix_lightning.students.template.patterns import fill
from skillmix_lightning.students.template.registry import writes
from skillmix_lightning.students.template.words import Words

MANY_JOINERS = (
    "the {person} {brings} {things} {and1} {things} {and1} {things} {and1} {stuff}",
    "the {thing} {and1} the {thing} {and1} the {stuff} {and1} the {place} {can} help the {person}",
    "every {person} {brings} {a_thing} {and1} {a_thing} {and1} {stuff} {and1} {a_thing}",
)
NO_JOINERS = (
    "the {person} {works}, the {person} {works}, the {person} {works}",
    "{praise} the {thing}, {praise} the {stuff}, {praise} the {person}",
    "the {person} {brings} three things: a {new} {thing}, a {new} {thing}, a {new} {thing}",
    "{people} {work}, {people} {work}, {people} {work}",
    "the {person} {works}, the {thing} {moves}, the {place} {lives}",
)
THREE_EQUALS = (
    "the {thing} is {state}, the {stuff} is {new}, and the {place} is {new}",
    "the {person} {brings} {things}, the {person} {brings} {stuff}, and the {person} {brings} {things}",
    "no {person} {works}, no {thing} {moves}, and no {place} {lives}",
    "the {person} {works}, the {thing} {moves}, and the {place} {lives}",
)
OPPOSED = (
    "the {thing} is {one}, but the {thing} is {other}",
    "the {person} is {one_person}, but the {person} is {other_person}",
    "the {person} {one_deed} the {thing}, but the {person} {other_deed} the {stuff}",
    "the {one} {thing} {moves}, but the {other} {thing} {moves}",
    "one {person} {one_act}, one {person} {other_act}",
)
COUNTED = (
    "the {person} needs three things: first {a_thing}, second {a_thing}, third {stuff}",
    "first comes the {person}, second the {thing}, third the {stuff}",
    "first the {person} {brings} the {thing}, second the {stuff}, third the {thing}",
    "first we {praise} the {thing}, second the {stuff}, third the {person}",
)
INTERRUPTED = (
    "the {thing} {aside} belongs to the {person}",
    "the {person} {aside} {carries} {stuff} to the {place}",
    "every {person} {aside} {brings} the {thing}",
    "the {stuff} near the {place} {aside} is for the {person}",
)
ASIDES = (
    "as everybody knows",
    "so they say",
    "to be honest",
    "or so we hope",
    "I must admit",
    "if you ask me",
    "believe it or not",
    "of all things",
    "as always",
    "rain or shine",
)
INVERTED = (
    "{quality} is the {thing} that the {person} {brings}",
    "{quality} are the {things} of the {person}",
    "{quality} is the {place} where the {person} keeps the {thing}",
    "{quality} is the {person} who {brings} the {thing}",
    "{quality} is every {thing} near the {place}",
)

BRINGS = ("brings", "loves", "needs", "wants", "finds", "praises", "remembers", "knows", "admires")
PRAISE = ("praise", "trust", "remember", "admire", "respect", "know", "love", "watch")
WORKS = ("works", "rests", "waits", "sings", "sleeps", "smiles", "watches", "listens", "laughs", "complains")
WORK = ("work", "rest", "wait", "sing", "sleep", "smile", "watch", "listen", "laugh", "complain")
MOVES = ("moves", "falls", "shines", "waits", "remains", "disappears", "arrives")
LIVES = ("lives", "sleeps", "changes", "rests", "waits", "wakes")
NEW = ("new", "clean", "good", "warm", "strong", "small", "fine", "bright", "cold", "plain")

#: Opposites by what they can be said of; all are in the lexicon of antonyms.
OF_THINGS = ("small great", "old new", "cold warm", "dark bright", "cheap costly", "weak strong", "short long")
OF_PEOPLE = ("young old", "slow quick", "weak strong", "rich poor", "early late")
DEEDS = ("fears trusts", "hates loves", "forgets remembers", "hides shows", "loses wins", "breaks mends")
ACTS = ("leaves stays", "falls rises", "loses wins", "forgets remembers")


@writes("polysyndeton")
def write_polysyndeton(w: Words) -> str:
    """And and and."""
    joiner = w.pick(("and", "and", "or"))
    return fill(w, MANY_JOINERS, brings=BRINGS, can=("can", "will", "must"), **{"and": (joiner,)})


@writes("asyndeton")
def write_asyndeton(w: Words) -> str:
    """Three equal clauses and no conjunction."""
    banks = {"works": WORKS, "work": WORK, "moves": MOVES, "lives": LIVES}
    return fill(w, NO_JOINERS, brings=BRINGS, praise=PRAISE, new=NEW, **banks)


@writes("tricolon")
def write_tricolon(w: Words) -> str:
    """Three equal clauses, the last behind "and"."""
    return fill(w, THREE_EQUALS, brings=BRINGS, works=WORKS, moves=MOVES, lives=LIVES, new=NEW)


@writes("antithesis")
def write_antithesis(w: Words) -> str:
    """Opposites in the same place of two equal clauses."""
    banks: dict[str, tuple[str]] = {}
    for suffix, pairs in (("", OF_THINGS), ("_person", OF_PEOPLE), ("_deed", DEEDS), ("_act", ACTS)):
        one, other = w.rng.sample(w.pick(pairs).split(), 2)
        banks |= {f"one{suffix}": (one,), f"other{suffix}": (other,)}
    return fill(w, OPPOSED, moves=MOVES, **banks)


@writes("enumeratio")
def write_enumeratio(w: Words) -> str:
    """First, second, third."""
    return fill(w, COUNTED, brings=BRINGS, praise=PRAISE)


@writes("parenthesis")
def write_parenthesis(w: Words) -> str:
    """An aside between brackets or dashes."""
    aside = w.pick(ASIDES)
    marked = w.pick((f"({aside})", f"— {aside} —"))
    return fill(w, INTERRUPTED, brings=BRINGS, carries=("carries", "brings", "sends", "takes"), aside=(marked,))


@writes("anastrophe")
def write_anastrophe(w: Words) -> str:
    """The quality before the noun."""
    return fill(w, INVERTED, brings=BRINGS, quality=lexicon("qualities"))
