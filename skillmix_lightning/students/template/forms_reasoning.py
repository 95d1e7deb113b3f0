"""Writers of everyday reasoning."""

from skillmix_lightning.catalogue import lexicon
from skillmix_lightning.students.template.forms_base import SO, choose, different, mood, propositions
from skillmix_lightning.students.template.registry import writes
from skillmix_lightning.students.template.words import Words, plural, with_article

_MOST = ("most", "most", "nearly all", "almost all", "nine in ten")
_PAIRS = (
    ("the pen", "the poet"),
    ("the key", "the door"),
    ("the wing", "the bird"),
    ("the flute", "the musician"),
    ("the sail", "the ship"),
    ("the oven", "the baker"),
    ("the scalpel", "the surgeon"),
    ("the crown", "the king"),
    ("the shell", "the turtle"),
    ("the plow", "the farmer"),
    ("the drum", "the band"),
    ("the page", "the book"),
)


@writes("statistical syllogism")
def statistical_syllogism(w: Words) -> str:
    """Most A are B; X is an A; so X is probably B."""
    if choose(w, (True, True, False)):
        kind, x, trait = w.person(), w.name(), mood(w)
    else:
        kind, x, trait = w.thing(), w.pick(("this", "that")), w.state()
    conclusion = w.pick((f"{x} is probably {trait}", f"{x} is likely {trait}", f"probably {x} is {trait}"))
    return f"{w.pick(_MOST)} {plural(kind)} are {trait}; {x} is {with_article(kind)}; {w.pick(SO)} {conclusion}"


@writes("inductive generalisation")
def inductive_generalisation(w: Words) -> str:
    """One A is B, another A is B, a third A is B; so all A are B."""
    if choose(w, (True, True, False)):
        kind, trait = w.thing(), w.state()
    else:
        kind, trait = w.person(), mood(w)
    first, second, third = choose(
        w,
        (
            ("one", "another", "a third"),
            ("the first", "the second", "the third"),
            ("this", "that", "the next"),
            ("my", "your", "her"),
            ("the first", "the next", "the last"),
        ),
    )
    cases = f"{first} {kind} is {trait}, {second} {kind} is {trait}, {third} {kind} is {trait}"
    return f"{cases}; {w.pick(SO)} {w.pick((f'all {plural(kind)} are', f'every {kind} is'))} {trait}"


@writes("abductive reasoning")
def abductive_reasoning(w: Words) -> str:
    """Q; if P, Q; so perhaps P."""
    p, q = propositions(w, 2)
    return f"{q}; if {p}, {w.pick(('', 'then '))}{q}; so {w.pick(('perhaps', 'maybe', 'possibly'))} {p}"


@writes("circular reasoning")
def circular_reasoning(w: Words) -> str:
    """P because Q, and Q because P."""
    p, q = propositions(w, 2)
    return f"{p} because {q}{w.pick((', and', ';', '; and'))} {q} because {p}"


@writes("transitive inference")
def transitive_inference(w: Words) -> str:
    """A is older than B; B is older than C; so A is older than C."""
    comparatives = lexicon("comparatives")
    if choose(w, (True, True, False)):
        a, b, c = (f"the {thing}" for thing in different(w.thing, 3))
        than = f"is {w.pick(comparatives['things'])} than"
    else:
        a, c = (f"the {person}" for person in different(w.person, 2))
        b, than = w.name(), f"is {w.pick(comparatives['people'])} than"
    return f"{a} {than} {b}; {w.pick(('', 'and '))}{b} {than} {c}; {w.pick(SO)} {a} {than} {c}"


@writes("verbal analogy")
def verbal_analogy(w: Words) -> str:
    """A is to B as C is to D."""
    a, b = f"the {w.thing()}", f"the {w.person()}"
    c, d = choose(w, [pair for pair in _PAIRS if a not in pair and b not in pair])
    first, second = choose(w, (((a, b), (c, d)), ((c, d), (a, b))))
    return f"{first[0]} is to {first[1]} {w.pick(('as', 'what'))} {second[0]} is to {second[1]}"
