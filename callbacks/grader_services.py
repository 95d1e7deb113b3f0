"""A fit's paid grader: its budget and cache, and whether it answers at all, before any weights are loaded."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from skillmix_lightning.endpoint import ChatClient, EndpointUser, Services, in_order_of_completion
from skillmix_lightning.endpoint.budget import Budget
from skillmix_lightning.endpoint.cache import open_cache
from skillmix_lightning.endpoint.prices import load_prices
from skillmix_lightning.errors import InputError, Stopped
from skillmix_lightning.graders.base import Grader
from skillmix_lightning.pipeline.session import spent
from skillmix_lightning.runs import Run

CHECK_S = 60.0


@dataclass(frozen=True)
class Money:
    """What a fit may spend on grading, and how much of it is saved.

    Attributes:
        budget_usd: the cap in dollars; None for none.
        budget_tokens: the cap in tokens; None for none.
        prices: a file of prices; None for the known ones.
        cache: the path of the response cache, "off", or None for the default place.
    """

    budget_usd: float | None = None
    budget_tokens: int | None = None
    prices: str | None = None
    cache: str | None = None


def open_services(grader: Grader, money: Money, runs: Sequence[Run], usd: float = 0.0, tokens: int = 0) -> None:
    """Gives a grader that is behind a server its budget and its cache; others need none.

    Args:
        grader: the grader.
        money: the settings.
        runs: what is on record of earlier starts of this fit, whose costs count.
        usd: what earlier starts have spent by their own account, which counts where it is more.
        tokens: likewise.

    Raises:
        InputError: the cache cannot be used, a cap is none, or the budget cannot be kept with this model.
    """
    if not hasattr(grader, "services"):
        return
    paid: Any = grader
    on_record = [spent(run) for run in runs]
    budget = Budget(
        money.budget_usd,
        money.budget_tokens,
        load_prices(money.prices),
        max(usd, sum(each[0] for each in on_record)),
        max(tokens, sum(each[1] for each in on_record)),
    )
    budget.check(paid.model, getattr(paid, "max_tokens", None))
    paid.services = Services(open_cache(money.cache), budget)


def check_grader(grader: Grader) -> None:
    """Asks a grader behind a server for one word, as it will be asked for grades.

    Raises:
        InputError: it refuses, or does not answer within `CHECK_S`.
    """
    if not isinstance(grader, EndpointUser):
        return
    options = {name: getattr(grader, name) for name in ("temperature", "max_tokens") if hasattr(grader, name)}

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
