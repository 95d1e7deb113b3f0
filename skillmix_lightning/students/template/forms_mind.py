"""Writers of theory of mind and of pragmatics."""

from skillmix_lightning.students.template.forms_base import choose, different, mood, negated, propositions
from skillmix_lightning.students.template.registry import writes
from skillmix_lightning.students.template.words import Words

_THINKS = ("thinks", "believes", "assumes", "supposes")
_FORGOT = ("forgot", "remembered", "noticed", "realized", "regretted")
_HANDLED = (
    *("moved", "lifted", "carried", "cleaned", "repaired", "checked", "touched", "sold", "lost", "found", "painted"),
    *("borrowed", "dropped", "measured", "praised", "used", "covered", "admired"),
)


@writes("false belief")
def false_belief(w: Words) -> str:
    """Somebody thinks that P, but not P."""
    one, p = _somebody(w), _fact(w)
    believed, true = choose(w, ((p, negated(p)), (p, negated(p)), (negated(p), p)))
    return f"{one} {w.pick(_THINKS)} that {believed}{w.pick((', but', '; but', ', yet'))} {true}"


@writes("second-order belief")
def second_order_belief(w: Words) -> str:
    """One thinks that another thinks something."""
    one, other = _two(w)
    p = _fact(w)
    return f"{one} {w.pick(_THINKS)} that {other} {w.pick((*_THINKS, 'knows'))} that {p}"


@writes("conflicting beliefs")
def conflicting_beliefs(w: Words) -> str:
    """One thinks that P, but another thinks that not P."""
    one, other = _two(w)
    p = _fact(w)
    first, second = choose(w, ((p, negated(p)), (negated(p), p)))
    link = w.pick((", but", ", while", "; but"))
    return f"{one} {w.pick(_THINKS)} that {first}{link} {other} {w.pick(_THINKS)} that {second}"


@writes("knowledge from sight")
def knowledge_from_sight(w: Words) -> str:
    """One saw that P, so the same one knows that P."""
    one, p = _somebody(w), _fact(w)
    seen = w.pick((f"sees that {p}", f"can see that {p}", f"has seen that {p}"))
    return f"{one} {seen}{w.pick((', so', '; so', '; therefore'))} {one} knows that {p}"


@writes("ignorance of the unseen")
def ignorance_of_the_unseen(w: Words) -> str:
    """P, but one has not seen it, so the same one does not know that P."""
    one, p = _somebody(w), _fact(w)
    unseen = w.pick(("has not seen it", "did not see it", "cannot see it", "does not see this"))
    return f"{p}, but {one} {unseen}{w.pick((', so', '; so'))} {one} does not know that {p}"


@writes("scalar implicature")
def scalar_implicature(w: Words) -> str:
    """Some A are B, so not all A are B."""
    claim = _claim(w)
    return f"some {claim}{w.pick((', so', '; so', '; therefore', '; hence'))} not all {claim}"


@writes("implicature cancellation")
def implicature_cancellation(w: Words) -> str:
    """Some A are B, in fact all A are B."""
    claim = _claim(w)
    return f"some {claim}{w.pick((', in fact', '; in fact', ', and in fact', ' - in fact'))} all {claim}"


@writes("presupposition of again")
def presupposition_of_again(w: Words) -> str:
    """S did it again, so S had done it before."""
    one, did, what = _somebody(w), w.pick(_HANDLED), f"the {choose(w, (w.thing, w.things))()}"
    return f"{one} {did} {what} again{w.pick((', so', '; so', '; hence'))} {one} had {did} {what} before"


@writes("factive presupposition")
def factive_presupposition(w: Words) -> str:
    """Somebody forgot (noticed, regretted ...) that P, so P."""
    one, p = _somebody(w), _fact(w)
    past = p.replace(" is ", " was ", 1)
    return f"{one} {w.pick(_FORGOT)} that {past}{w.pick((', so', '; so', '; therefore'))} {past}"


def _somebody(w: Words) -> str:
    return choose(w, (w.name(), f"the {w.person()}"))


def _two(w: Words) -> tuple[str, str]:
    """Two different people, one of them of the topic."""
    one, other = choose(w, ((w.name(), f"the {w.person()}"), tuple(f"the {p}" for p in different(w.person, 2))))
    return choose(w, ((one, other), (other, one)))


def _fact(w: Words) -> str:
    return propositions(w, 1)[0]


def _claim(w: Words) -> str:
    """Says "A are B" of things or people, with their place or without it."""
    where = f" near the {w.place()}" if choose(w, (True, False)) else ""
    if choose(w, (True, True, False)):
        return f"{w.things()}{where} are {w.state()}"
    return f"{w.people()}{where} are {mood(w)}"
