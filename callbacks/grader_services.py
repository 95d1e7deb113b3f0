"""A fit's paid grader: its budgets and cache, and whether it answers at all, before any weights are loaded."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from skillmix_lightning.endpoint import ChatClient, EndpointUser, Services, in_order_of_completion
from skillmix_lightning.endpoint.budget import Budget
from skillmix_lightning.endpoint.budget_within import BudgetWithin
from skillmix_lightning.endpoint.cache import open_cache
from skillmix_lightning.endpoint.prices import load_prices
from skillmix_lightning.errors import InputError, Stopped
from skillmix_lightning.graders.base import Grader
from skillmix_lightning.pipeline.session import note_ahead, spent
from skillmix_lightning.runs import Run

CHECK_S = 60.0
_GRADING = ("grader",)
_OF_THE_FIT = ("--evaluation.budget_usd", "--evaluation.budget_tokens")
_OF_EACH = tuple(f"{option}_per_evaluation" for option in _OF_THE_FIT)


@dataclass(frozen=True)
class Money:
    """What a fit may spend on grading, and how much of it is saved.

    Attributes:
        budget_usd: the fit's cap in dollars; None for none.
        budget_tokens: the fit's cap in tokens; None for none.
        budget_usd_per_evaluation: each evaluation's cap in dollars; None for none.
        budget_tokens_per_evaluation: each evaluation's cap in tokens; None for none.
        prices: a file of prices; None for the known ones.
        cache: the path of the response cache, "off", or None for the default place.
    """

    budget_usd: float | None = None
    budget_tokens: int | None = None
    budget_usd_per_evaluation: float | None = None
    budget_tokens_per_evaluation: int | None = None
    prices: str | None = None
    cache: str | None = None

    def of_one(self) -> tuple[float | None, int | None]:
        """The caps in dollars and in tokens where a single evaluation is all there is."""
        usd = [cap for cap in (self.budget_usd, self.budget_usd_per_evaluation) if cap is not None]
        tokens = [cap for cap in (self.budget_tokens, self.budget_tokens_per_evaluation) if cap is not None]
        return min(usd, default=None), min(tokens, default=None)


class Spending:
    """What a fit's grader spends: the fit's budget, and within it one for each evaluation; for rank 0.

    A call is sent only if both have room for the most it can cost, so whichever cap is met first is kept. Graders that
    are behind no server spend nothing.

    Args:
        grader: the grader.
        money: the settings.
    """

    def __init__(self, grader: Grader, money: Money) -> None:
        self.grader: Any = grader
        self.money = money
        self._budget: Budget | None = None

    def open(self, runs: Sequence[Run], usd: float = 0.0, tokens: int = 0) -> None:
        """Gives the grader the fit's budget and its cache.

        Args:
            runs: what is on record of earlier starts of this fit, whose costs count.
            usd: what earlier starts have spent by their own account, which counts where it is more.
            tokens: likewise.

        Raises:
            InputError: the cache cannot be used, a cap is none, or the budgets cannot be kept with this model.
        """
        if not hasattr(self.grader, "services"):
            return
        on_record = [spent_on_grading(run) for run in runs]
        self._budget = Budget(
            self.money.budget_usd,
            self.money.budget_tokens,
            load_prices(self.money.prices),
            max(usd, sum(each[0] for each in on_record)),
            max(tokens, sum(each[1] for each in on_record)),
            _OF_THE_FIT,
        )
        for budget in (self._budget, self._of_one(self._budget, 0.0, 0)):
            budget.check(self.grader.model, getattr(self.grader, "max_tokens", None))
        self.grader.services = Services(open_cache(self.money.cache), self._budget)

    @property
    def spent(self) -> tuple[float, int]:
        """Dollars and tokens of the fit so far, earlier starts and lost calls included."""
        return (self._budget.spent_usd, self._budget.spent_tokens) if self._budget else (0.0, 0)

    @contextmanager
    def of(self, run: Run) -> Iterator[Budget | None]:
        """While one evaluation's run is graded, has the grader spend from that evaluation's budget; yields it.

        What the run cost in earlier starts counts. None where nothing is spent.
        """
        if self._budget is None:
            yield None
            return
        services = self.grader.services
        services.budget = self._of_one(self._budget, *spent_on_grading(run))
        note_ahead(run, services.budget, [self.grader], _GRADING)
        try:
            yield services.budget
        finally:
            services.budget = self._budget

    def _of_one(self, whole: Budget, usd: float, tokens: int) -> Budget:
        caps = (self.money.budget_usd_per_evaluation, self.money.budget_tokens_per_evaluation)
        return BudgetWithin(whole, *caps, usd, tokens, (_OF_EACH[0], _OF_EACH[1]))


def spent_on_grading(run: Run) -> tuple[float, int]:
    """What an evaluation's grading has cost, in dollars and tokens; the texts are the fit's own, and cost nothing."""
    return spent(run, _GRADING)


def check_grader(grader: Grader) -> None:
    """Asks a grader behind a server for one word, as it will be asked for grades.

    Raises:
        InputError: it refuses, or does not answer within `CHECK_S`.
    """
    if not isinstance(grader, EndpointUser):
        return
    options = getattr(grader, "sampling", {})

    async def ask(client: ChatClient, word: str) -> None:
        said = [{"role": "user", "content": f"Reply with {word}."}]
        await asyncio.wait_for(client.complete(said, grader.model, **options), CHECK_S)

    client = ChatClient(
        grader.base_url,
        grader.api_key_env,
        concurrency=1,
        timeout_s=min(grader.timeout_s, CHECK_S),
        services=Services(budget=grader.services.budget),
    )
    try:
        with closing(in_order_of_completion(client, ["OK"], ask)) as replies:
            for _ in replies:
                pass
    except TimeoutError:
        raise InputError(
            f"the grader {grader.model} at {grader.base_url} has not answered a first request of one line within "
            f"{CHECK_S:.0f} s; start its server, or set --evaluation.grader.base_url"
        ) from None
    except Stopped as error:
        raise InputError(f"the grader {grader.model} at {grader.base_url} cannot grade: {error}") from None
