"""A part of a budget with a cap of its own."""

import asyncio

import pytest

from skillmix_lightning.endpoint.budget import Budget, BudgetReached
from skillmix_lightning.endpoint.budget_within import BudgetWithin
from skillmix_lightning.endpoint.prices import load_prices

PRICES = load_prices()
#: gpt-4: 30 and 60 dollars a million; a call of 1,000 and 500 tokens can cost up to 6 cents.
CALL = ("gpt-4", 1000, 500)
FULL = {"prompt_tokens": 1000, "completion_tokens": 500}
NAMES = ("--each_usd", "--each_tokens")


def test_what_is_spent_counts_in_both():
    whole = Budget(1.0, None, PRICES, 0.2, 100)
    part = BudgetWithin(whole, 0.5, None, 0.1, 10)
    part.reserve(*CALL).settle(FULL)
    assert (part.spent_usd, part.spent_tokens) == (0.16, 1510)
    assert (whole.spent_usd, whole.spent_tokens) == (0.26, 1600)
    part.reserve(*CALL).release()
    assert (part.spent_usd, whole.spent_usd) == (0.16, 0.26)


def test_the_cap_that_is_met_first_binds_and_is_named():
    whole = Budget(1.0, None, PRICES, already_usd=0.8)
    narrow = BudgetWithin(whole, 0.12, None, options=NAMES)
    for _ in range(2):
        narrow.reserve(*CALL).settle(FULL)
    with pytest.raises(BudgetReached, match=r"the budget of \$0.1200 is reached: .* raise --each_usd and"):
        narrow.reserve(*CALL)
    wide = BudgetWithin(whole, 0.5, None, options=NAMES)
    wide.reserve(*CALL).settle(FULL)
    with pytest.raises(BudgetReached, match=r"the budget of \$1.00 is reached: .* raise --budget_usd and"):
        wide.reserve(*CALL)
    assert (narrow.spent_usd, wide.spent_usd, whole.spent_usd) == (0.12, 0.06, 0.98)


def test_tokens_are_capped_by_each_likewise():
    part = BudgetWithin(Budget(None, 10_000, PRICES), None, 3000, options=NAMES)
    for _ in range(2):
        part.reserve("nobody-knows", 1000, 500).settle(FULL)
    with pytest.raises(BudgetReached, match=r"the budget of 3,000 tokens is reached: .* raise --each_tokens and"):
        part.reserve("nobody-knows", 1, 0)


def test_a_call_that_finds_no_room_in_the_whole_holds_none_in_the_part():
    whole = Budget(0.06, None, PRICES)
    part = BudgetWithin(whole, 0.12, None)
    held = part.reserve(*CALL)
    with pytest.raises(BudgetReached):
        part.reserve(*CALL)
    held.release()
    part.reserve(*CALL).settle(FULL)
    with pytest.raises(BudgetReached):
        part.reserve("gpt-4", 1, 0)
    assert (part.spent_usd, whole.spent_usd) == (0.06, 0.06)


@pytest.mark.parametrize(("whole_usd", "part_usd"), [(0.12, None), (None, 0.12), (0.12, 0.12)])
def test_calls_wait_for_the_room_that_calls_under_way_give_back_in_either(whole_usd, part_usd):
    whole = Budget(whole_usd, None, PRICES)
    part = BudgetWithin(whole, part_usd, None)
    under_way, most = 0, 0

    async def call():
        nonlocal under_way, most
        reservation = await part.reserve_soon(*CALL)
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        reservation.settle({"prompt_tokens": 100, "completion_tokens": 0})

    async def calls(number):
        return await asyncio.wait_for(asyncio.gather(*(call() for _ in range(number)), return_exceptions=True), 10)

    # A call can cost 6 cents and costs 0.3: two have room at once, then one, and after 21 none.
    assert asyncio.run(calls(21)) == [None] * 21
    assert most == 2
    assert (part.spent_usd, whole.spent_usd) == (0.063, 0.063)
    [end] = asyncio.run(calls(1))
    assert isinstance(end, BudgetReached)
