"""Which request has which answer: the ended batches of a folder, read into the requests of one call.

What is read from disk after a restart and what has just come from the server go through the same `BatchLedger.fold`, so
that both lead to the same results.
"""

from collections.abc import Mapping
from dataclasses import replace

from skillmix_lightning.endpoint.batches.journal import BatchJournal, Submission
from skillmix_lightning.endpoint.batches.money import BatchMoney
from skillmix_lightning.endpoint.batches.requests import Item
from skillmix_lightning.endpoint.batches.rows import Outcome, is_out_of_quota, quoted, read_outcomes
from skillmix_lightning.endpoint.cache import CachedReply, ResponseCache
from skillmix_lightning.endpoint.reply import Reply

_CROWDED = "token_limit_exceeded"


class BatchLedger:
    """The requests of one call and how they stand.

    Args:
        items: by id.
        journal: of the folder.
        money: what they cost.
        cache: where complete replies are put.
        max_attempts: in how many batches a request may be.
    """

    def __init__(
        self,
        items: Mapping[str, Item],
        journal: BatchJournal,
        money: BatchMoney,
        cache: ResponseCache | None,
        max_attempts: int,
    ) -> None:
        self.items = items
        self._journal = journal
        self._money = money
        self._cache = cache
        self._max_attempts = max_attempts

    def fold(self, submission: Submission) -> list[Item]:
        """Reads an ended batch into its requests; those of them that this call asks for are returned."""
        wanted = [self.items[id] for id in submission.ids if self._counts(submission, id)]
        contents = (self._journal.kept(submission, kind) for kind in ("output", "errors"))
        outcomes = read_outcomes(*contents) | _refused(submission)
        none = Outcome(failure=_why_nothing(submission), can_pass=True)
        is_attempt = _is_attempt(submission)
        for id, at_most in zip(submission.ids, submission.at_most, strict=True):
            outcome = outcomes.get(id, none)
            is_wanted = self._counts(submission, id)
            if not (is_wanted or self._money.holds(submission, id)):
                continue  # read and counted by an earlier call, whose caller has it
            cost = self._money.settle(submission, id, at_most, outcome, submission.lost and outcome is none)
            if outcome.reply:
                self._put(id, outcome.reply, submission.model)
            if is_wanted:
                self._note(self.items[id], outcome, cost, submission.model, is_attempt)
        return wanted

    def find_in_cache(self, item: Item) -> None:
        """Gives a request the reply it got at another time, if there is one."""
        found = None if self._cache is None else self._cache.get(item.id)
        if found is not None:
            item.reply = Reply(found.text, found.finish_reason, found.usage, found.model, cached=True, attempts=0)

    def _counts(self, submission: Submission, id: str) -> bool:
        """Whether a batch counts for a request: not if the caller was told of its failure and asks again."""
        return id in self.items and submission.number >= self._journal.told.get(id, 0)

    def _note(self, item: Item, outcome: Outcome, cost: float, model: str, is_attempt: bool) -> None:
        item.cost += cost
        item.attempts += is_attempt
        if outcome.reply is not None:
            item.reply = replace(
                outcome.reply, model=outcome.reply.model or model, cost_usd=item.cost, attempts=item.attempts
            )
        else:
            item.failure = outcome.failure
            item.final = not outcome.can_pass or item.attempts >= self._max_attempts
            if outcome.can_pass and item.final:
                item.failure += f"; given up after {item.attempts} batches"

    def _put(self, id: str, reply: Reply, model: str) -> None:
        if self._cache is not None and reply.is_complete:
            cached = CachedReply(reply.text, reply.finish_reason, reply.usage, reply.model or model)
            self._cache.put(id, cached, model)


def is_crowded(submission: Submission) -> bool:
    """Whether a batch failed because too many tokens were waiting at the server."""
    return any(error.get("code") == _CROWDED for error in submission.errors)


def out_of_quota(submission: Submission) -> str:
    """What the server said if a batch failed because the account has to pay first, else nothing."""
    said = [quoted(each.get("message")) for each in submission.errors if is_out_of_quota(each.get("code"))]
    return said[0] if said else ""


def _is_attempt(submission: Submission) -> bool:
    """Whether a batch counts as one for its requests: not if it never began, for a reason that more of them share."""
    if submission.status != "failed":
        return True
    return not (out_of_quota(submission) or is_crowded(submission) or _refused(submission))


def _refused(submission: Submission) -> dict[str, Outcome]:
    """The requests that a batch's file failed for, where the server names their lines."""
    refused = {}
    for error in submission.errors:
        line = error.get("line")
        if isinstance(line, int) and 1 <= line <= len(submission.ids):
            failure = f"the server refuses it: {quoted(error.get('message') or error.get('code'))}"
            refused[submission.ids[line - 1]] = Outcome(failure=failure)
    return refused


def _why_nothing(submission: Submission) -> str:
    said = "; ".join(quoted(error.get("message") or error.get("code")) for error in submission.errors[:1])
    return f"its batch ended as {submission.status} without an answer to it" + (f" ({said})" if said else "")
