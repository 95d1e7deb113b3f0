"""What batches cost and may still cost: every request of a batch holds its room in the budget until the batch ends."""

from collections.abc import Iterable

from skillmix_lightning.endpoint.batches.journal import Submission
from skillmix_lightning.endpoint.batches.requests import Item
from skillmix_lightning.endpoint.batches.rows import Outcome
from skillmix_lightning.endpoint.budget import BudgetReached
from skillmix_lightning.endpoint.reservation import Reservation
from skillmix_lightning.endpoint.services import Services


class BatchMoney:
    """The requests of batches in the budget of a command, over all calls of one client.

    Attributes:
        reached: set when a batch that an earlier process sent finds no room. What it costs is beyond this budget, so
            nothing more is to be sent.
    """

    def __init__(self, services: Services) -> None:
        self.reached: BudgetReached | None = None
        self._services = services
        self._held: dict[tuple[str, str], Reservation] = {}
        self._counted: set[tuple[str, str]] = set()

    def check(self, items: Iterable[Item]) -> None:
        """Finds out whether these can be counted at all.

        Raises:
            InputError: as `Budget.check`.
        """
        budget = self._services.budget
        if budget is not None:
            for model, limit in {(item.request.model, item.at_most[1] is None) for item in items}:
                budget.check(model, None if limit else 0)

    def reserve(self, items: Iterable[Item]) -> tuple[list[Reservation | None], BudgetReached | None]:
        """Takes the most that requests can cost out of the budget.

        Returns:
            The room of those there is room for, in order, None where nobody counts; and why it was not all.
        """
        reserved: list[Reservation | None] = []
        for item in items:
            try:
                reserved.append(self._reserved(item.request.model, item.at_most))
            except BudgetReached as error:
                return reserved, error
        return reserved, None

    def hold(self, submission: Submission, reserved: Iterable[Reservation | None]) -> None:
        """Keeps the room of a batch's requests until it has ended."""
        for id, reservation in zip(submission.ids, reserved, strict=True):
            if reservation is not None:
                self._held[submission.key, id] = reservation

    def hold_again(self, submission: Submission) -> None:
        """Takes the room of a batch that an earlier call left under way."""
        for id, at_most in zip(submission.ids, submission.at_most, strict=True):
            if not self.holds(submission, id):
                try:
                    reservation = self._reserved(submission.model, at_most)
                except BudgetReached as error:
                    self.reached = error
                    return
                if reservation is not None:
                    self._held[submission.key, id] = reservation

    def holds(self, submission: Submission, id: str) -> bool:
        """Whether a request of a batch holds room."""
        return (submission.key, id) in self._held

    def release(self, submission: Submission) -> None:
        """Gives back the room of a batch that was not made."""
        for id in submission.ids:
            if reservation := self._held.pop((submission.key, id), None):
                reservation.release()

    def settle(
        self, submission: Submission, id: str, at_most: tuple[int, int | None], outcome: Outcome, lost: bool
    ) -> float:
        """Counts what a request of an ended batch has cost, once, and returns it in dollars.

        Args:
            submission: the batch.
            id: of the request.
            at_most: the tokens it could take.
            outcome: what the batch gave.
            lost: whether the server may bill it though the batch gave nothing.
        """
        budget = self._services.budget
        if budget is None:
            return 0.0
        reservation = self._held.pop((submission.key, id), None)
        if reservation is None and (submission.key, id) not in self._counted and (outcome.answered or lost):
            try:
                reservation = self._reserved(submission.model, at_most)
            except BudgetReached as error:
                self.reached = error
        self._counted.add((submission.key, id))
        usage = outcome.reply.usage if outcome.reply else {}
        if reservation is None:
            return budget.prices.cost(submission.model, usage, batch=True) or 0.0
        if outcome.answered:
            return reservation.settle(usage, outcome.reply.model if outcome.reply else "")
        if lost:
            return reservation.settle_lost()
        reservation.release()
        return 0.0

    def _reserved(self, model: str, at_most: tuple[int, int | None]) -> Reservation | None:
        budget = self._services.budget
        return None if budget is None else budget.reserve(model, *at_most, batch=True)
