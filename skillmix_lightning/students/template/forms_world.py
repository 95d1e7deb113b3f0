"""Writers of common sense and physical knowledge."""

import inflect

from skillmix_lightning.catalogue import lexicon
from skillmix_lightning.students.template.forms_base import SO, choose, different
from skillmix_lightning.students.template.registry import writes
from skillmix_lightning.students.template.words import Words, plural, with_article

_ENGINE = inflect.engine()
_CAME = ("came", "left", "arrived", "spoke", "worked", "rested", "finished", "started", "waited", "woke up")
_ENCLOSURES = ("room", "corner", "yard", "tent", "annex", "wing", "shed", "alcove")
_SUPPORTS = ("table", "crate", "cart", "bench", "box", "stone", "platform", "chest", "carpet")
_USES = ("use", "sell", "lend", "bring", "paint", "move", "clean", "show", "share", "offer")
_OPPOSITES = [tuple(pair) for pair in lexicon("opposites")]


@writes("temporal ordering")
def temporal_ordering(w: Words) -> str:
    """A came before B; B came before C; so A came before C."""
    order = [*(f"the {person}" for person in different(w.person, 2)), w.name()]
    w.rng.shuffle(order)
    a, b, c = order
    relation = f"{w.pick(_CAME)} {w.pick(('before', 'before', 'after'))}"
    return f"{a} {relation} {b}; {w.pick(('', 'and '))}{b} {relation} {c}; {w.pick(SO)} {a} {relation} {c}"


@writes("addition in words")
def addition_in_words(w: Words) -> str:
    """N things and M things make N + M things."""
    thing, first, second = w.thing(), w.rng.randint(1, 12), w.rng.randint(1, 12)
    one, other, total = (_counted(number, thing) for number in (first, second, first + second))
    return w.pick(
        (
            f"{one} and {other} make {total}",
            f"{one} plus {other} make {total}",
            f"{one} and {_number(second)} more make {total}",
            f"near the {w.person()}, {one} and {other} make {total}",
            f"in the {w.place()}, {one} and {other} make {total}",
        )
    )


@writes("counting the rest")
def counting_the_rest(w: Words) -> str:
    """Of N things, M are so, so N - M are not so."""
    part, rest, state = w.rng.randint(2, 9), w.rng.randint(2, 9), w.state()
    whole = f"of {w.pick(('', 'the '))}{_counted(part + rest, w.thing())}{_where(w)}"
    return f"{whole}, {_number(part)} are {state}{w.pick((', so', '; so', '; hence'))} {_number(rest)} are not {state}"


@writes("lack of means")
def lack_of_means(w: Words) -> str:
    """S has no X, so S cannot use (sell, lend ...) an X."""
    one = choose(w, (w.name(), f"the {w.person()}"))
    thing = w.thing()
    lacking, thing = choose(w, ((thing, with_article(thing)), (plural(thing), plural(thing)), (w.stuff(),) * 2))
    return f"{one} has no {lacking}{w.pick((', so', '; so', '; therefore'))} {one} cannot {w.pick(_USES)} {thing}"


@writes("containment inference")
def containment_inference(w: Words) -> str:
    """A is in B; B is in C; so A is in C."""
    room, place = w.pick(_ENCLOSURES), w.place()
    (kept,) = different(choose(w, (w.thing, w.stuff)), 1, taken=[room, place])
    a, b, c = f"the {kept}", f"the {room}", f"the {place}"
    return f"{a} is {_in(w)} {b}; {w.pick(('', 'and '))}{b} is {_in(w)} {c}; {w.pick(SO)} {a} is {_in(w)} {c}"


@writes("stacking inference")
def stacking_inference(w: Words) -> str:
    """A is on B; B is on C; so A is above C."""
    b = w.pick(_SUPPORTS)
    (a,) = different(w.thing, 1, taken=[b])
    c = f"the {w.place()} floor"
    return f"the {a} is on the {b}; {w.pick(('', 'and '))}the {b} is on {c}; {w.pick(SO)} the {a} is above {c}"


@writes("spatial converse")
def spatial_converse(w: Words) -> str:
    """A is above B, so B is below A."""
    a, b = (f"the {thing}" for thing in different(w.thing, 2))
    there, back = choose(w, _OPPOSITES)[:: choose(w, (1, -1))]
    verb = w.pick(("is", "is", "stands", "lies"))
    return f"{a} {verb} {there} {b}{w.pick((', so', '; so', '; hence'))} {b} {verb} {back} {a}"


@writes("size and fit")
def size_and_fit(w: Words) -> str:
    """A is larger than B, so A does not fit into B."""
    a, b = (f"the {thing}" for thing in different(w.thing, 2))
    does_not = w.pick(("does not", "cannot", "will not"))
    into = w.pick(("in", "into", "inside"))
    size = w.pick(lexicon("comparatives")["sizes"])
    return f"{a} is {size} than {b}{w.pick((', so', '; so', '; hence'))} {a} {does_not} fit {into} {b}"


def _in(w: Words) -> str:
    return w.pick(("in", "in", "in", "inside"))


def _where(w: Words) -> str:
    return f" in the {w.place()}" if choose(w, (True, False)) else ""


def _number(number: int) -> str:
    return str(_ENGINE.number_to_words(number))  # type: ignore[arg-type]


def _counted(number: int, noun: str) -> str:
    return f"{_number(number)} {noun if number == 1 else plural(noun)}"
