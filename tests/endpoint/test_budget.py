"""The cap that is never passed."""

import asyncio
import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.endpoint.budget import Budget, BudgetReached, Stopped, dollars, projected
from skillmix_lightning.endpoint.prices import load_prices
from skillmix_lightning.errors import InputError

PRICES = load_prices()
#: gpt-4: 30 and 60 dollars a million; a call of 1,000 and 500 tokens can cost up to 6 cents.
CALL = ("gpt-4", 1000, 500)


def usage(prompt: int, completion: int, **more: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, **more}


def test_a_call_counts_at_its_most_until_its_usage_is_known():
    budget = Budget(0.10, None, PRICES)
    first = budget.reserve(*CALL)
    assert first.usd == pytest.approx(0.06)
    assert budget.spent_usd == 0
    with pytest.raises(BudgetReached):
        budget.reserve(*CALL)
    assert first.settle(usage(200, 100)) == pytest.approx(0.012)
    assert budget.spent_usd == pytest.approx(0.012)
    assert budget.spent_tokens == 300
    budget.reserve(*CALL).release()
    assert budget.spent_usd == pytest.approx(0.012)


def test_a_budget_can_be_spent_to_the_last_cent():
    budget = Budget(0.18, None, PRICES)
    for _ in range(3):
        budget.reserve(*CALL).settle(usage(1000, 500))
    assert budget.spent_usd == 0.18
    with pytest.raises(BudgetReached):
        budget.reserve("gpt-4", 1, 0)
    Budget(0, None, PRICES).reserve("gpt-4", 0, 0)


def test_tokens_have_a_cap_of_their_own_and_need_no_price():
    budget = Budget(None, 2000, PRICES)
    budget.reserve("nobody-knows", 1000, 500).settle(usage(400, 100))
    assert (budget.spent_usd, budget.spent_tokens) == (0.0, 500)
    budget.reserve("nobody-knows", 1000, 500)
    with pytest.raises(BudgetReached):
        budget.reserve("nobody-knows", 1, 0)


def test_reaching_it_says_what_is_spent_and_what_to_do():
    budget = Budget(1.0, None, PRICES, already_usd=0.98)
    with pytest.raises(Stopped) as caught:
        budget.reserve(*CALL)
    assert str(caught.value) == (
        "the budget of $1.00 is reached: $0.9800 is spent, and the next call can cost up to $0.0600; "
        "raise --budget_usd and run the same command again to go on"
    )
    budget = Budget(None, 5000, PRICES)
    budget.reserve(*CALL).settle(usage(900, 500))
    budget.reserve(*CALL)
    with pytest.raises(Stopped) as caught:
        budget.reserve("gpt-4", 2000, 500)
    assert str(caught.value) == (
        "the budget of 5,000 tokens is reached: 1,400 are spent, calls under way up to 1,500, "
        "and the next call can take up to 2,500; raise --budget_tokens and run the same command again to go on"
    )


def test_what_a_run_spent_before_counts():
    budget = Budget(1.0, 10_000, PRICES, already_usd=0.5, already_tokens=9_000)
    assert (budget.spent_usd, budget.spent_tokens) == (0.5, 9_000)
    with pytest.raises(BudgetReached, match="tokens"):
        budget.reserve(*CALL)
    budget.reserve("gpt-4", 500, 500)


def test_without_a_cap_it_only_counts():
    budget = Budget(None, None, PRICES)
    assert not budget.capped
    assert budget.reserve("nobody-knows", 10**9, None).settle(usage(5, 5)) == 0.0
    assert budget.reserve("gpt-4", 1000, None).settle(usage(1000, 1000)) == pytest.approx(0.09)
    assert budget.spent_usd == pytest.approx(0.09)


def test_an_unknown_price_is_an_error_only_under_a_cap_in_dollars():
    with pytest.raises(
        InputError, match="--budget_usd 2: no price is known for the model llama; give a file"
    ) as caught:
        Budget(2, None, PRICES).reserve("llama", 1, 1)
    assert "as --prices" in str(caught.value)
    Budget(None, 100, PRICES).reserve("llama", 1, 1)


def test_under_a_cap_every_reply_needs_a_limit():
    for budget in (Budget(2, None, PRICES), Budget(None, 2, PRICES)):
        with pytest.raises(InputError, match="set max_tokens"):
            budget.check("gpt-4", None)


@pytest.mark.parametrize("cap", [-1, float("nan"), float("inf")])
def test_a_cap_is_a_number_from_zero_up(cap):
    with pytest.raises(
        InputError, match=r"the budget: --budget_usd is .*; --budget_tokens is -5, and must be a number"
    ):
        Budget(cap, -5, PRICES)


def test_batches_are_reserved_and_billed_at_their_price():
    budget = Budget(1.0, None, PRICES)
    reservation = budget.reserve(*CALL, batch=True)
    assert reservation.usd == pytest.approx(0.03)
    assert reservation.settle(usage(1000, 500)) == pytest.approx(0.03)


def test_tokens_from_the_providers_cache_cost_less():
    budget = Budget(1.0, None, PRICES)
    assert budget.reserve("gpt-4o", 1000, 0).settle(usage(1000, 0, cached_tokens=1000)) == pytest.approx(0.00125)


def test_the_model_that_answered_sets_the_price_if_it_has_one():
    budget = Budget(None, None, PRICES)
    assert budget.reserve("gpt-4o", 1000, 0).settle(usage(1000, 0), "gpt-4o-2024-05-13") == pytest.approx(0.005)
    assert budget.reserve("gpt-4o", 1000, 0).settle(usage(1000, 0), "nobody-knows") == pytest.approx(0.0025)


@pytest.mark.parametrize(
    ("counted", "cents"), [({}, 6.0), ({"prompt_tokens": 100}, 3.3), ({"completion_tokens": 100}, 3.6)]
)
def test_what_a_server_does_not_count_is_taken_to_be_the_most_it_can_be(counted, cents):
    assert Budget(1.0, None, PRICES).reserve(*CALL).settle(counted) == pytest.approx(cents / 100)


def test_a_lost_reply_may_be_billed_and_counts_in_full():
    budget = Budget(1.0, None, PRICES)
    assert budget.reserve(*CALL).settle_lost() == pytest.approx(0.06)
    assert (budget.spent_usd, budget.spent_tokens) == (pytest.approx(0.06), 1500)


@pytest.mark.parametrize(("taken", "model"), [(usage(1001, 0), ""), (usage(0, 501), ""), (usage(9, 9), "gpt-5")])
def test_a_server_that_bills_more_than_was_possible_is_counted_and_stops_the_budget(taken, model, tmp_path):
    (tmp_path / "p.yaml").write_text("gpt-5: {input: 1000000, output: 1}")
    budget = Budget(100.0, None, load_prices(str(tmp_path / "p.yaml")))
    cost = budget.reserve(*CALL).settle(taken, model)
    assert budget.spent_usd == pytest.approx(cost)
    with pytest.raises(Stopped, match="no budget can be kept with this server"):
        budget.reserve("gpt-4", 1, 1)


def test_without_a_cap_a_server_may_bill_what_it_likes():
    budget = Budget(None, None, PRICES)
    budget.reserve("gpt-4", 10, 10).settle(usage(1000, 1000))
    budget.reserve("gpt-4", 10, 10).settle(usage(10, 10))


def test_a_reservation_ends_once():
    reservation = Budget(None, None, PRICES).reserve(*CALL)
    reservation.release()
    with pytest.raises(AssertionError, match="ends once"):
        reservation.settle(usage(1, 1))


async def work(budget: Budget, rng: random.Random, calls: int, lost: float = 0.1) -> tuple[int, float]:
    """Calls one after the other until they are done or the budget is; how many were sent, and the bill for them."""
    bill = 0.0
    for done in range(calls):
        prompt, completion = rng.randint(1, 2000), rng.randint(1, 500)
        try:
            reservation = await budget.reserve_soon("gpt-4", prompt, completion)
        except BudgetReached:
            return done, bill
        await asyncio.sleep(rng.random() * 0.002)
        if rng.random() < lost:
            taken = usage(prompt, completion) if rng.random() < 0.5 else usage(0, 0)
            reservation.settle_lost()
        else:
            taken = usage(rng.randint(0, prompt), rng.randint(0, completion))
            reservation.settle(taken)
        bill += PRICES.cost("gpt-4", taken)
    return calls, bill


@pytest.mark.parametrize("seed", range(50))
def test_no_schedule_of_concurrent_calls_passes_the_cap_or_leaves_much_of_it(seed):
    rng = random.Random(seed)
    budget = Budget(1.0, None, PRICES, already_usd=rng.choice([0.0, 0.4]))
    before = budget.spent_usd

    async def all_at_once() -> list[tuple[int, float]]:
        return await asyncio.gather(
            *(work(budget, random.Random(rng.random()), 200) for _ in range(rng.randint(1, 60)))
        )

    results = asyncio.run(asyncio.wait_for(all_at_once(), 60))
    billed = sum(bill for _, bill in results)
    assert before + billed <= budget.spent_usd + 1e-9 <= 1.0 + 1e-9
    assert budget.spent_usd <= 1.0
    if any(done < 200 for done, _ in results):
        assert budget.spent_usd > 1.0 - 0.09 - 1e-9  # no call costs more than 9 cents, so none less is left unspent


def test_threads_with_loops_of_their_own_share_a_budget():
    budget, results = Budget(1.0, None, PRICES), []

    def in_thread(seed: int) -> None:
        async def ten() -> list[tuple[int, float]]:
            return await asyncio.gather(*(work(budget, random.Random(seed * 10 + n), 100) for n in range(10)))

        results.extend(asyncio.run(ten()))

    threads = [threading.Thread(target=in_thread, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(results) == 40
    assert 0.9 < budget.spent_usd <= 1.0


def test_waiting_calls_come_in_line_and_a_cancelled_one_holds_nobody_up():
    budget, order = Budget(0.06, None, PRICES), []

    async def call(name: str) -> None:
        reservation = await budget.reserve_soon(*CALL)
        order.append(name)
        await asyncio.sleep(0.001)
        reservation.release()

    async def run() -> None:
        held = budget.reserve(*CALL)
        tasks = [asyncio.create_task(call(name)) for name in "abcdef"]
        await asyncio.sleep(0.01)
        tasks[1].cancel()
        held.release()
        tasks[0].cancel()  # it has been told that there is room, and has not run yet
        await asyncio.wait(tasks, timeout=5)
        assert all(task.done() for task in tasks)

    asyncio.run(run())
    assert order == list("cdef")


def test_a_call_that_can_never_fit_does_not_wait_for_others():
    budget = Budget(0.10, None, PRICES)
    budget.reserve(*CALL)

    async def too_large() -> None:
        await budget.reserve_soon("gpt-4", 10_000, 0)

    with pytest.raises(BudgetReached):
        asyncio.run(asyncio.wait_for(too_large(), 5))


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=40), st.floats(0, 20))
def test_sums_are_exact(calls, cap):
    budget = Budget(cap, None, PRICES)
    spent = 0
    for prompt, completion in calls:
        fits = spent + prompt * 30 + completion * 60 <= cap * 1e6
        try:
            budget.reserve("gpt-4", prompt, completion).settle(usage(prompt, completion))
        except BudgetReached:
            assert not fits
        else:
            assert fits
            spent += prompt * 30 + completion * 60
    assert budget.spent_usd == spent / 1e6


def test_the_projection_is_by_what_is_done():
    assert projected(0.0, 0, 100) is None
    assert projected(0.5, 25, 100) == 2.0
    assert projected(0.5, 100, 100) == 0.5
    assert projected(1.5, 10, 20, before_usd=1.0) == 2.0


def test_amounts_are_shown_with_the_digits_that_matter():
    assert [dollars(usd) for usd in (0, 0.0123456, 1, 1234.5)] == ["$0.00", "$0.0123", "$1.00", "$1,234.50"]
