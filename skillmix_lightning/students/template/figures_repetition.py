"""Writers of the figures that repeat a word or its root."""

from skillmix_lightning.students.template.patterns import fill
from skillmix_lightning.students.template.registry import writes
from skillmix_lightning.students.template.words import Words

LOVE = ("love", "praise", "need", "trust", "know", "admire", "respect", "remember", "want")
LOVES = ("loves", "praises", "needs", "wants", "finds", "admires", "remembers", "brings")

OPENING_ALIKE = (
    "{they1} {love1} {things}, {they1} {love1} {stuff}, {they1} {love1} every {person}",
    "{prep1} the {thing}, {prep1} the {stuff}, {prep1} the {place}, the {person} {works}",
    "no more {things}, no more {stuff}, no more {people}",
    "there is {stuff}, there is {a_thing}, there is the {person}",
)
ENDING_ALIKE = (
    "the {thing} is {quality1}, the {place} is {quality1}, and the {person} is {quality1}",
    "the {person} thinks of {things1}, talks of {things1}, and dreams of {things1}",
    "the {person} {loves} {stuff1}, the {person} {loves} {stuff1}, and the whole {place} {loves} {stuff1}",
    "{people} {love} {things1}, {people} {love} {things1}, and all {love} {things1}",
)
THREEFOLD = (
    "{stuff1}, {stuff1}, {stuff1}, that is all the {person} wants",
    "{things1}, {things1}, {things1}, says the {person}",
    "the {person} asks for {stuff1}, {stuff1}, {stuff1}",
    "the {person} is {very1}, {very1}, {very1} proud of the {thing}",
    "the {person} carries the {thing} far, far, far from the {place}",
    "the {thing} of the {person} is {state1}, {state1}, {state1}",
)
CHAINED = (
    "the {person} {loves} {stuff1}, {stuff1} {brings} {gift}",
    "the {person} {loves} {things1}, {things1} {bring} {gift}",
    "the {place} is full of {things1}, {things1} {bring} {gift}",
    "every {thing} needs {stuff1}, {stuff1} {brings} {gift}",
)
CROSSED = (
    "the {person1} {serves1} the {thing1}, and the {thing1} {serves1} the {person1}",
    "{people1} {make1} {stuff1}, and {stuff1} {make1}s {people1}",
    "no {person1} without {a_thing1}, no {thing1} without {a_person1}",
    "the {place1} {serves1} the {person1}, and the {person1} {serves1} the {place1}",
    "not every {person1} has {a_thing1}, and not every {thing1} has {a_person1}",
)
CLOSED_AS_OPENED = (
    "{stuff1} {is_still} {stuff1}, {whatever}",
    "{things1} {are_still} {things1}, {whatever}",
)
COMING_BACK = (
    "the {person} {loves} the {thing1}, the {dear} {thing1} from the {place}",
    "{stuff1}, {dear} {stuff1}, is what the {person} needs",
    "the {thing} of the {person} is {state1}, {truly} {state1}",
    "the {person} {loves} {things1}, {dear} {things1}, near the {place}",
)
OF_ONE_ROOT = (
    "the {person} sings a {dear} song about the {thing}",
    "the {person} lives a {dear} life near the {place}",
    "the {person} gives the {thing} as a {dear} gift",
    "the {person} finds strength in a strong {thing}",
    "the {person} trusts only a trusty {thing}",
    "the wise {person} finds wisdom in {stuff}",
    "the proud {person} takes pride in the {thing}",
    "with careful hands the {person} carefully lifts the {thing}",
    "the {person} {truly} knows the true {thing}",
    "in a {dear} speech the {person} speaks of the {thing}",
    "it is a pleasure to please the {person} with {stuff}",
    "the {person} loves a lovely {thing} from the {place}",
    "with {dear} joy the {person} enjoys the {thing}",
    "the free {person} freely leaves the {thing}",
)
DEAR = ("good", "old", "golden", "simple", "precious", "humble", "famous", "little", "lovely", "fine", "great")
GIFTS = (
    "joy to the {place}",
    "hope to every {person}",
    "peace to the {place}",
    "work to the {person}",
    "luck to the {place}",
    "trouble to every {person}",
)
STILL = ("always", "still", "never just", "never only", "only", "nothing but", "more than")


@writes("anaphora")
def write_anaphora(w: Words) -> str:
    """Three clauses that open alike."""
    works = ("works", "waits", "prays", "fights", "sings", "struggles")
    preps = ("for", "beyond", "beside", "without", "despite", "behind")
    return fill(w, OPENING_ALIKE, they=("we", "they", "some", "many"), love=LOVE, prep=preps, works=works)


@writes("epistrophe")
def write_epistrophe(w: Words) -> str:
    """Three clauses that end alike."""
    qualities = ("quiet", "ready", "old", "clean", "safe", "cold", "lost", "strong", "new", "warm", "famous", "lonely")
    return fill(w, ENDING_ALIKE, quality=qualities, loves=LOVES, love=LOVE)


@writes("epizeuxis")
def write_epizeuxis(w: Words) -> str:
    """One word three times."""
    return fill(w, THREEFOLD, very=("very", "truly", "so", "really"))


@writes("anadiplosis")
def write_anadiplosis(w: Words) -> str:
    """The last word opens the next clause."""
    return fill(
        w,
        CHAINED,
        loves=LOVES,
        brings=("brings", "gives", "promises"),
        bring=("bring", "give", "promise"),
        gift=GIFTS,
    )


@writes("antimetabole")
def write_antimetabole(w: Words) -> str:
    """Two nouns change places."""
    serves = ("serves", "needs", "knows", "shapes", "waits for", "belongs to", "makes", "follows", "changes")
    return fill(w, CROSSED, serves=serves, make=("make", "need", "follow", "change", "feed", "serve"))


@writes("epanalepsis")
def write_epanalepsis(w: Words) -> str:
    """A clause that ends as it opened."""
    whatever = (
        "says the {person}",
        "even near the {place}",
        "with or without the {person}",
        "whatever the {person} says",
        "even beside the {thing}",
        "thinks the {person}",
        "and the {person} knows it",
    )
    return fill(
        w,
        CLOSED_AS_OPENED,
        is_still=[f"is {still}" for still in STILL] + ["remains", "will be", "needs more", "leads to"],
        are_still=[f"are {still}" for still in STILL] + ["remain", "will be", "need more", "lead to"],
        whatever=whatever,
    )


@writes("diacope")
def write_diacope(w: Words) -> str:
    """A word comes back after one or two others."""
    return fill(w, COMING_BACK, loves=LOVES, dear=DEAR, truly=("truly", "really", "quite", "always", "still"))


@writes("polyptoton")
def write_polyptoton(w: Words) -> str:
    """Two words of one root."""
    return fill(w, OF_ONE_ROOT, dear=("simple", "happy", "great", "special", "quiet", "long"), truly=("truly",))
