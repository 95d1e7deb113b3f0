import pytest

from skillmix_lightning.endpoint import Stopped, Unavailable
from skillmix_lightning.endpoint.retry import (
    ATTEMPTS,
    FIRST_WAIT_S,
    GIVE_UP_S,
    LONGEST_WAIT_S,
    REFUSALS,
    Retries,
)


def fails(retries: Retries, now: float = 0.0, refused: bool = False, dead: bool = False, asked: float | None = None):
    return retries.wait("it fails", now, refused, dead, asked)


def test_waits_double_and_are_spread_over_their_whole_length():
    waits = []
    for _ in range(300):
        retries = Retries()
        waits.append([fails(retries) for _ in range(3)])
    for number, drawn in enumerate(zip(*waits, strict=True)):
        most = FIRST_WAIT_S * 2**number
        assert 0 <= min(drawn) < most / 10
        assert most * 0.9 < max(drawn) <= most


def test_a_call_fails_a_bounded_number_of_times():
    retries = Retries()
    for _ in range(ATTEMPTS - 1):
        fails(retries)
    with pytest.raises(Unavailable, match=f"^it fails; given up after {ATTEMPTS} attempts$"):
        fails(retries)


def test_being_refused_is_no_fault_but_has_an_end_too():
    retries = Retries()
    for _ in range(REFUSALS - 1):
        assert fails(retries, refused=True) <= LONGEST_WAIT_S
    with pytest.raises(Unavailable, match=f"given up after {REFUSALS} attempts"):
        fails(retries, refused=True)


def test_a_call_is_given_up_after_a_time():
    retries = Retries()
    fails(retries, now=100.0, refused=True)
    fails(retries, now=100.0 + GIVE_UP_S, refused=True)
    with pytest.raises(Unavailable, match="given up after 901 s"):
        fails(retries, now=101.0 + GIVE_UP_S, refused=True)


def test_the_wait_that_a_server_asks_for_is_kept_unless_it_is_longer_than_a_minute():
    assert fails(Retries(), asked=7.5) == 7.5
    assert fails(Retries(), refused=True, asked=0.0) == 0.0
    with pytest.raises(Unavailable, match="it asks to wait 3600 s"):
        fails(Retries(), refused=True, asked=3600.0)


def test_faults_of_a_dead_server_do_not_count():
    retries = Retries()
    for _ in range(1000):
        assert fails(retries, dead=True) == 0.0
    assert retries.faults == 0


def test_giving_up_leaves_work_that_can_be_resumed():
    assert issubclass(Unavailable, Stopped)
