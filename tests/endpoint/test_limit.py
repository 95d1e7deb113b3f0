import itertools
import math
import random

import pytest
from simulated_server import SimulatedServer, around, run

from skillmix_lightning.endpoint.limit import (
    CEILING,
    CUTS_BEFORE_HOLD,
    KEPT,
    LONGEST_HOLD_S,
    START,
    Limit,
)


def share_of(times: list[float], start: float, end: float, per_second: float) -> float:
    return sum(start <= time < end for time in times) / (end - start) / per_second


def started(limit: Limit, number: int, now: float = 0.0) -> list:
    return [limit.start(now) for _ in range(number)]


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.5])
def test_4000_calls_at_one_second_take_85_percent_of_200_in_flight_that_nobody_told(spread):
    server = SimulatedServer(around(1.0, spread), most_in_flight=200)
    took_s = run(Limit(), server, calls=4000)
    assert 4000 / 200 / took_s >= 0.85
    assert server.most_at_once == 200
    assert len(server.refusals) < 100


@pytest.mark.parametrize(("most_in_flight", "share"), [(4, 0.8), (20, 0.85), (400, 0.85)])
def test_other_limits_are_found_too(most_in_flight, share):
    server = SimulatedServer(around(1.0, 0.2), most_in_flight=most_in_flight)
    assert 30 / run(Limit(), server, calls=30 * most_in_flight) >= share


@pytest.mark.parametrize("latency_s", [0.02, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("burst", [1, 5, 50])
def test_a_rate_that_drops_tenfold_and_returns_is_followed_within_30_seconds(latency_s, burst):
    rates = (50, 5, 50)
    server = SimulatedServer(around(latency_s, 0.2), per_second=lambda now: rates[min(2, int(now // 60))], burst=burst)
    run(Limit(jitter=random.Random(0)), server, until_s=180)
    for phase, rate in enumerate(rates):
        start, end = 60 * phase + 30, 60 * (phase + 1)
        assert share_of(server.replies, start, end, rate) >= 0.75
        assert share_of(server.refusals, start, end, rate) < 0.1
    starts = [at for at in server.starts if at > 150]
    assert max(sum(at <= other < at + 0.1 for other in starts) for at in starts) <= 8  # no herd: 5 are allowed


def test_a_server_that_refuses_a_few_requests_at_any_rate_is_not_slowed_down_to_a_crawl():
    server = SimulatedServer(around(0.1, 0.2), refused_share=0.05)
    assert 5000 / run(Limit(), server, calls=5000) > 100


def test_a_server_that_queues_is_not_offered_ever_more():
    server = SimulatedServer(around(2.0, 0.3), slots=4)
    limit = Limit()
    run(limit, server, calls=600)
    assert limit.window < CEILING / 2


def test_a_number_that_the_user_gives_is_kept_by_a_server_that_queues():
    server = SimulatedServer(around(2.0, 0.3), slots=4)
    limit = Limit(300, start=300)
    run(limit, server, calls=1500)
    assert limit.window == 300


def test_nothing_goes_beyond_the_ceiling():
    server = SimulatedServer(around(0.1))
    run(Limit(ceiling=7), server, calls=500)
    assert server.most_at_once == 7
    assert Limit(ceiling=7).window == 7


def test_the_window_doubles_every_round_trip_until_the_first_refusal():
    limit = Limit()
    tickets = started(limit, START)
    assert limit.wait(0.2) is not None
    assert limit.wait(0.2) > 0
    for ticket in tickets:
        limit.succeeded(ticket, 0.2)
    assert limit.window == 2 * START
    assert limit.pace is None
    assert limit.wait(0.2) == 0


def test_one_round_trip_of_refusals_is_one_cut_to_what_was_accepted():
    limit = Limit(start=100)
    tickets = started(limit, 100)
    for number, ticket in enumerate(tickets[60:]):
        limit.refused(ticket, 0.01 + number / 1000)
    assert limit.cuts == 1
    assert limit.refusals == 40
    assert limit.in_flight == 60
    assert limit.window == pytest.approx(60 * KEPT)
    assert limit.pace == pytest.approx(60 * KEPT)  # accepted within a second


def test_after_a_cut_requests_start_one_by_one():
    limit = Limit(start=100)
    tickets = started(limit, 100)
    limit.refused(tickets.pop(), 0.5)
    for ticket in tickets:
        limit.succeeded(ticket, 1.0)
    now, starts = 1.0, []
    while len(starts) < 20:
        wait = limit.wait(now)
        if wait == 0:
            limit.start(now)
            starts.append(now)
        else:
            now += wait
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert min(gaps) > 0.5 / limit.pace


def refuse_all(limit: Limit, number: int, asked: float | None = None) -> float:
    now = 0.0
    for _ in range(number):
        while (wait := limit.wait(now)) != 0:
            now += wait
        ticket = limit.start(now)
        now += 0.01
        limit.refused(ticket, now, asked)
    return now


def test_a_server_that_accepts_nothing_is_left_alone_for_as_long_as_it_asks():
    limit = Limit()
    now = refuse_all(limit, CUTS_BEFORE_HOLD, asked=20.0)
    assert limit.wait(now) == pytest.approx(20.0)
    limit.start(now + 20)
    assert limit.wait(now + 20) is None  # a single one is tried


def test_no_server_holds_everything_for_longer_than_a_minute_at_a_time():
    limit = Limit()
    now = refuse_all(limit, CUTS_BEFORE_HOLD, asked=3600.0)
    assert limit.wait(now) == pytest.approx(LONGEST_HOLD_S)


def test_a_server_that_accepts_nothing_and_asks_nothing_is_tried_ever_more_seldom():
    limit = Limit()
    now = refuse_all(limit, CUTS_BEFORE_HOLD + 12)
    assert LONGEST_HOLD_S / 2 <= limit.wait(now) <= LONGEST_HOLD_S


def test_a_reply_ends_the_hold():
    limit = Limit()
    now = refuse_all(limit, CUTS_BEFORE_HOLD + 3)
    now += limit.wait(now)
    limit.succeeded(limit.start(now), now + 0.1)
    assert limit.wait(now + 0.1) < 5


def test_a_request_that_fails_for_another_reason_changes_no_limit():
    limit = Limit()
    before = limit.window
    for ticket in started(limit, START):
        limit.failed(ticket)
    assert (limit.window, limit.pace, limit.in_flight) == (before, None, 0)


def test_a_client_that_asks_for_little_learns_nothing_from_it():
    limit, now = Limit(), 0.0
    for _ in range(1000):
        ticket = limit.start(now)
        now += 0.1
        limit.succeeded(ticket, now)
    assert limit.window == START
    assert math.isfinite(limit.window)
