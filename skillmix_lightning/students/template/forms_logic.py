"""Writers of the forms of logic."""

from skillmix_lightning.students.template.forms_base import SO, choose, mood, negated, propositions
from skillmix_lightning.students.template.registry import writes
from skillmix_lightning.students.template.words import Words

_KINDS_OF_THING = ("treasures", "objects", "gifts", "burdens", "possessions", "goods", "tools", "inventions")
_KINDS_OF_PEOPLE = ("dreamers", "workers", "thinkers", "guests", "neighbors", "helpers", "artists", "experts")


@writes("modus ponens")
def modus_ponens(w: Words) -> str:
    """If P, Q; P; so Q."""
    p, q = propositions(w, 2)
    return f"{_if(w, p, q)}; {p}; {w.pick(SO)} {q}"


@writes("modus tollens")
def modus_tollens(w: Words) -> str:
    """If P, Q; not Q; so not P."""
    p, q = propositions(w, 2)
    return f"{_if(w, p, q)}; {w.pick(('', 'but '))}{negated(q)}; {w.pick(SO)} {negated(p)}"


@writes("affirming the consequent")
def affirming_the_consequent(w: Words) -> str:
    """If P, Q; Q; so P."""
    p, q = propositions(w, 2)
    return f"{_if(w, p, q)}; {q}; {w.pick(SO)} {p}"


@writes("denying the antecedent")
def denying_the_antecedent(w: Words) -> str:
    """If P, Q; not P; so not Q."""
    p, q = propositions(w, 2)
    return f"{_if(w, p, q)}; {w.pick(('', 'but '))}{negated(p)}; {w.pick(SO)} {negated(q)}"


@writes("contraposition")
def contraposition(w: Words) -> str:
    """If P, Q; so if not Q, not P."""
    p, q = propositions(w, 2)
    return f"{_if(w, p, q)}; {w.pick(SO)} {_if(w, negated(q), negated(p))}"


@writes("hypothetical syllogism")
def hypothetical_syllogism(w: Words) -> str:
    """If P, Q; if Q, R; so if P, R."""
    p, q, r = propositions(w, 3)
    return f"if {p}, {q}; {w.pick(('', 'and '))}if {q}, {r}; {w.pick(SO)} if {p}, {r}"


@writes("constructive dilemma")
def constructive_dilemma(w: Words) -> str:
    """If P, Q; if R, Q; P or R; so Q."""
    p, q, r = propositions(w, 3)
    return f"if {p}, {q}; if {r}, {q}; {w.pick(('', 'either '))}{p} or {r}; {w.pick(SO)} {q}"


@writes("disjunctive syllogism")
def disjunctive_syllogism(w: Words) -> str:
    """Either P or Q; not P; so Q."""
    p, q = propositions(w, 2)
    ruled_out, left = choose(w, ((p, q), (q, p)))
    return f"either {p} or {q}; {w.pick(('', 'but '))}{negated(ruled_out)}; {w.pick(SO)} {left}"


@writes("categorical syllogism")
def categorical_syllogism(w: Words) -> str:
    """All A are B; all B are C; so all A are C."""
    if choose(w, (True, True, False)):
        a, b, c = w.things(), w.pick(_KINDS_OF_THING), w.state()
    else:
        a, b, c = w.people(), w.pick(_KINDS_OF_PEOPLE), mood(w)
    if a == b:  # a topic may have helpers of its own
        return categorical_syllogism(w)
    return f"all {a} are {b}; {w.pick(('', 'and '))}all {b} are {c}; {w.pick(SO)} all {a} are {c}"


def _if(w: Words, p: str, q: str) -> str:
    return f"if {p}, {w.pick(('', '', 'then '))}{q}"
