"""What calls may cost is noted before they are sent, so that a budget is kept over kills."""

import asyncio
import random
import threading

import pytest

from skillmix_lightning.endpoint.budget import Budget, BudgetReached
from skillmix_lightning.endpoint.budget_within import BudgetWithin
from skillmix_lightning.endpoint.prices import load_prices

PRICES = load_prices()
#: gpt-4: 30 and 60 dollars a million; a call of 1,000 and 500 tokens can cost up to 6 cents.
CALL = ("gpt-4", 1000, 500)
FULL = {"prompt_tokens": 1000, "completion_tokens": 500}


class Notes:
    """What is on disk of a budget."""

    def __init__(self, budget):
        self.made = []
        budget.note_ahead(lambda usd, tokens: self.made.append((usd, tokens)))

    @property
    def last(self):
        return self.made[-1] if self.made else (0.0, 0)


@pytest.mark.parametrize("seed", range(200))
def test_over_any_kills_the_server_bills_no_more_than_the_cap(seed):
    rng, cap = random.Random(seed), 3.0
    bill, counted, kills = 0.0, (0.0, 0), 0
    while kills < 5:
        budget = Budget(cap, None, PRICES, *counted)
        notes, under_way = Notes(budget), []
        for _ in range(rng.randint(1, 60)):
            if under_way and rng.random() < 0.5:
                reservation, usage = under_way.pop(rng.randrange(len(under_way)))
                reservation.settle_lost() if rng.random() < 0.2 else reservation.settle(usage)
            try:
                reservation = budget.reserve("gpt-4", rng.randint(10, 2000), rng.randint(1, 500))
            except BudgetReached:
                continue
            usage = {
                "prompt_tokens": rng.randint(0, reservation.prompt_tokens),
                "completion_tokens": rng.randint(0, reservation.completion_tokens),
            }
            bill += PRICES.cost("gpt-4", usage)  # it is sent, and billed whether or not the reply is lived to see
            under_way.append((reservation, usage))
        if notes.made:
            counted = notes.last
        kills += 1
        assert bill <= counted[0] + 1e-9
        assert bill <= cap


def test_a_note_is_made_once_for_many_calls():
    budget = Budget(None, None, PRICES)
    notes = Notes(budget)
    for _ in range(3200):
        budget.reserve(*CALL).settle(FULL)
    assert len(notes.made) == 97  # 33 calls are covered at once: the one that is sent, and a block of 32


def test_a_kill_costs_a_small_budget_little_more_than_the_calls_under_way():
    budget = Budget(6.4, None, PRICES)
    notes = Notes(budget)
    for _ in range(50):
        budget.reserve(*CALL).settle(FULL)
        assert budget.spent_usd <= notes.last[0] <= budget.spent_usd + 0.1


def test_the_note_comes_down_when_far_less_is_under_way():
    budget = Budget(None, None, PRICES)
    notes = Notes(budget)
    for reservation in [budget.reserve(*CALL) for _ in range(1000)]:
        reservation.release()
    assert notes.last[0] >= 60
    budget.reserve(*CALL)
    assert notes.last == (pytest.approx(33 * 0.06), 33 * 1500)


def test_batches_are_left_out_since_they_are_on_disk_themselves():
    budget = Budget(None, None, PRICES)
    notes = Notes(budget)
    batched = budget.reserve(*CALL, batch=True)
    assert notes.made == []
    assert not budget.is_spending
    batched.settle(FULL)
    direct = budget.reserve(*CALL)
    assert budget.is_spending
    assert notes.last == (pytest.approx(33 * 0.06), 33 * 1500)
    direct.settle(FULL)
    assert not budget.is_spending


def test_after_the_note_is_gone_the_next_call_makes_one():
    budget = Budget(None, None, PRICES)
    notes = Notes(budget)
    budget.reserve(*CALL).settle(FULL)
    budget.forget_note()
    budget.reserve(*CALL)
    assert [usd for usd, _ in notes.made] == [pytest.approx(33 * 0.06), pytest.approx(34 * 0.06)]


def test_a_call_whose_note_cannot_be_made_is_not_sent_and_nobody_waits_for_it():
    budget = Budget(0.06, None, PRICES)

    def full_disk(usd, tokens):
        raise OSError(28, "No space left on device")

    held = budget.reserve(*CALL)
    budget.note_ahead(full_disk)

    async def calls():
        waiting = asyncio.gather(*(budget.reserve_soon(*CALL) for _ in range(3)), return_exceptions=True)
        threading.Timer(0.05, held.release).start()
        return await asyncio.wait_for(waiting, 10)

    assert [type(error) for error in asyncio.run(calls())] == [OSError] * 3
    assert not budget.is_spending


def test_a_part_of_a_budget_notes_only_what_goes_through_it_and_has_room_in_the_whole():
    whole = Budget(0.12, None, PRICES)
    part = BudgetWithin(whole, None, None)
    notes = Notes(part)
    whole.reserve(*CALL)
    part.reserve(*CALL).release()
    assert notes.last == (pytest.approx(33 * 0.06), 33 * 1500)
    part.reserve(*CALL)
    with pytest.raises(BudgetReached):
        part.reserve(*CALL)
    assert part.is_spending
