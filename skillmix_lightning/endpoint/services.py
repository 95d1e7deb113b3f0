"""What the clients of one command share."""

from dataclasses import dataclass

from skillmix_lightning.endpoint.budget import Budget
from skillmix_lightning.endpoint.cache import ResponseCache


@dataclass
class Services:
    """What the student's and the grader's clients of one command share.

    Attributes:
        cache: where complete replies are kept; None for no cache.
        budget: what may be spent, and what has been; None where nobody counts.
    """

    cache: ResponseCache | None = None
    budget: Budget | None = None
