import asyncio
import time

import pytest

from skillmix_lightning.endpoint.breaker import Breaker
from skillmix_lightning.endpoint.budget import Stopped
from skillmix_lightning.endpoint.ceilings import PerMinute
from skillmix_lightning.endpoint.gate import READY, Gate
from skillmix_lightning.endpoint.limit import Limit


def gate_of(ceiling: int, **ceilings) -> Gate:
    return Gate(Limit(ceiling, ceiling), Breaker(), **ceilings)


def end(gate: Gate, ticket) -> None:
    gate.limit.succeeded(ticket, time.monotonic())
    gate.turn()


def test_the_oldest_call_goes_first_also_when_it_comes_back():
    async def order() -> list[int]:
        gate, entered = gate_of(1), []

        async def call(age: int) -> None:
            ticket = await gate.enter(age, 0)
            entered.append(age)
            await asyncio.sleep(0)
            end(gate, ticket)

        first = await gate.enter(0, 0)
        calls = [asyncio.create_task(call(age)) for age in (5, 9, 3, 7)]
        await asyncio.sleep(0)
        end(gate, first)
        await asyncio.gather(*calls)
        return entered

    assert asyncio.run(order()) == [3, 5, 7, 9]


def test_calls_that_are_cancelled_while_they_wait_or_as_they_are_let_in_leave_no_trace():
    async def cancel() -> int:
        gate = gate_of(1)
        first = await gate.enter(0, 0)
        calls = [asyncio.create_task(gate.enter(age, 0)) for age in range(1, 4)]
        await asyncio.sleep(0)
        calls[0].cancel()
        end(gate, first)  # lets in the second
        calls[1].cancel()
        await asyncio.wait(calls)
        assert [call.cancelled() for call in calls] == [True, True, False]
        end(gate, calls[2].result())
        return gate.limit.in_flight

    assert asyncio.run(cancel()) == 0


def test_a_closed_gate_tells_all_that_wait_and_all_that_come():
    async def closed() -> list:
        gate = gate_of(1)
        await gate.enter(0, 0)
        calls = [asyncio.create_task(gate.enter(age, 0)) for age in range(1, 4)]
        await asyncio.sleep(0)
        gate.close(Stopped("the end"))
        calls[0].cancel()
        with pytest.raises(Stopped, match="the end"):
            await gate.enter(9, 0)
        return await asyncio.gather(*calls, return_exceptions=True)

    cancelled, *told = asyncio.run(closed())
    assert isinstance(cancelled, asyncio.CancelledError)
    assert [str(error) for error in told] == ["the end", "the end"]


def test_there_is_room_while_few_wait():
    async def room() -> None:
        gate = gate_of(1)
        first = await gate.enter(0, 0)
        calls = [asyncio.create_task(gate.enter(age, 0)) for age in range(1, READY + 1)]
        await asyncio.sleep(0)
        waits = asyncio.create_task(gate.room())
        await asyncio.sleep(0)
        assert not waits.done()
        end(gate, first)
        await asyncio.wait_for(waits, 1)
        for call in calls:
            call.cancel()

    asyncio.run(room())


def test_the_strictest_ceiling_binds():
    async def third() -> float:
        now = time.monotonic()
        gate = gate_of(10, requests=PerMinute(6000, now), tokens=PerMinute(600, now))
        for age in range(3):
            end(gate, await gate.enter(age, 5))
        return time.monotonic() - now

    assert asyncio.run(third()) >= 0.45  # ten tokens a second: two calls at once, and half a second for the third
