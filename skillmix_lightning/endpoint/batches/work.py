"""The course of one `complete_many`: goes on with what an earlier process left, sends the rest, waits, collects."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile

from openai.types import Batch

from skillmix_lightning.endpoint.batches.calls import BatchCalls, Gone
from skillmix_lightning.endpoint.batches.journal import BatchJournal, Submission
from skillmix_lightning.endpoint.batches.ledger import BatchLedger, is_crowded, out_of_quota
from skillmix_lightning.endpoint.batches.money import BatchMoney
from skillmix_lightning.endpoint.batches.requests import BatchProgress, Item, parts
from skillmix_lightning.endpoint.batches.rows import count_rows
from skillmix_lightning.endpoint.budget import BudgetReached
from skillmix_lightning.endpoint.failures import Unavailable
from skillmix_lightning.errors import InputError

OUTAGE_S = 3600.0  # a poll may fail for so long: a batch takes hours, and looking at it costs nothing
_DOWNLOADS = 3
_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})


@dataclass(frozen=True)
class BatchLimits:
    """What one batch may hold, and how it is waited for; as in `BatchClient`."""

    max_requests: int
    max_bytes: int
    completion_window: str
    poll_seconds: float


class BatchWork:
    """One call's batches.

    Args:
        ledger: the call's requests.
        journal: of the folder.
        calls: to the server.
        money: the budget.
        limits: of batches.
        progress: told after every poll.
    """

    def __init__(
        self,
        ledger: BatchLedger,
        journal: BatchJournal,
        calls: BatchCalls,
        money: BatchMoney,
        limits: BatchLimits,
        progress: Callable[[BatchProgress], None] | None,
    ) -> None:
        self._ledger = ledger
        self._journal = journal
        self._calls = calls
        self._money = money
        self._limits = limits
        self._progress = progress
        self._most = limits.max_requests
        self._crowded = False
        self._open: list[Submission] = []
        self._waiting: list[Item] = []
        self._refusal: InputError | Unavailable | None = None
        self._last_contact = time.monotonic()

    def ended_items(self) -> Iterator[Item]:
        """The requests as they get a reply or are given up.

        Raises:
            InputError: the server refuses what is asked of it.
            Unavailable: it keeps failing, or has no room.
            BudgetReached: there is no room for the rest.
        """
        self._go_on()
        items = self._ledger.items.values()
        under_way = {id for submission in self._open for id in submission.ids}
        for item in items:
            if item.reply is None and not item.final and item.id not in under_way:
                self._ledger.find_in_cache(item)
                if item.reply is None:
                    self._waiting.append(item)
        yield from [item for item in items if item.reply is not None or item.final]
        while self._waiting or self._open:
            full = self._send()
            if not self._open:
                assert full is not None, "what waits is sent, or there is no room for it"
                raise full
            ended = self._poll()
            yield from ended
            if self._refusal is not None:
                raise self._refusal
            if self._open and not ended:
                time.sleep(self._limits.poll_seconds)

    def _go_on(self) -> None:
        """Finds out what became of every batch that is on disk."""
        submissions = list(self._journal.submissions.values())
        for submission in submissions:
            if submission.status:
                self._ledger.fold(submission)
        left = [submission for submission in submissions if not submission.status]
        for submission in left:
            may_be_made = submission.file_id and not submission.batch_id
            if may_be_made and (batch_id := self._calls.find(submission.key, submission.file_id)):
                self._journal.created(submission, batch_id)
            if submission.batch_id:
                self._money.hold_again(submission)
                self._open.append(submission)
        for submission in left:
            if not submission.batch_id:
                self._resume(submission)

    def _resume(self, submission: Submission) -> None:
        """Makes a batch that was planned and not made, if all that is in it is still asked for and there is room."""
        self._money.release(submission)
        items = [self._ledger.items.get(id) for id in submission.ids]
        wanted = [item for item in items if item is not None and item.reply is None and not item.final]
        if len(wanted) == len(items) and self._money.reached is None:
            reserved, full = self._money.reserve(wanted)
            if full is None:
                self._money.hold(submission, reserved)
                self._make(submission, wanted, is_resumed=True)
                return
            for reservation in reserved:
                if reservation is not None:
                    reservation.release()
        self._journal.dropped(submission)

    def _send(self) -> BudgetReached | None:
        """Makes batches of what waits, as far as there is room; says why it was not all."""
        for part in list(parts(self._waiting, self._most, self._limits.max_bytes)):
            if self._money.reached is not None:
                return self._money.reached
            if self._crowded and self._open:
                return None
            reserved, full = self._money.reserve(part)
            if reserved:
                taken = part[: len(reserved)]
                ids, at_most = [item.id for item in taken], [item.at_most for item in taken]
                submission = self._journal.plan(taken[0].request.model, ids, at_most)
                self._money.hold(submission, reserved)
                self._make(submission, taken)
                sent = set(ids)
                self._waiting = [item for item in self._waiting if item.id not in sent]
            if full is not None:
                return full
        return None

    def _make(self, submission: Submission, items: Sequence[Item], is_resumed: bool = False) -> None:
        """Uploads a planned batch's file and makes the batch; each id is on disk before the next step."""
        with TemporaryFile() as content:
            content.writelines(item.line() for item in items)
            name, size = submission.file_name, content.tell()
            file_id = self._calls.find_file(name, size) if is_resumed else None
            file_id = file_id or self._calls.upload(name, content)
        if file_id != submission.file_id:
            self._journal.uploaded(submission, file_id)
        self._journal.created(submission, self._calls.create(submission.key, file_id, self._limits.completion_window))
        self._open.append(submission)

    def _poll(self) -> list[Item]:
        """Looks at the batches under way and takes in those that have ended; returns requests that have a result."""
        ended: list[Item] = []
        answered = 0
        for submission in list(self._open):
            try:
                batch = self._look_at(submission)
            except Unavailable:
                if time.monotonic() - self._last_contact > OUTAGE_S:
                    raise
                continue
            if batch.status in _ENDED:
                ended += self._take_in(submission)
            else:
                answered += _counted(batch) or 0
        if self._progress is not None:
            items = self._ledger.items.values()
            done = sum(item.reply is not None or item.final for item in items)
            self._progress(BatchProgress(len(items), done, answered, len(self._open)))
        return ended

    def _look_at(self, submission: Submission) -> Batch:
        """How a batch stands; the results of one that has ended are on disk then."""
        try:
            batch = self._calls.retrieve(submission.batch_id)
        except Gone as error:
            raise self._gone(submission, f"batch {submission.batch_id}", error) from None
        if batch.status in _ENDED:
            self._collect(submission, batch)
        self._last_contact = time.monotonic()
        return batch

    def _collect(self, submission: Submission, batch: Batch) -> None:
        """Puts what a batch ended with on disk. A file with fewer rows than the server counts is asked for again."""
        output, errors = b"", b""
        for download in range(_DOWNLOADS):
            if download:
                time.sleep(self._limits.poll_seconds)
                batch = self._calls.retrieve(submission.batch_id)
            output = self._content(submission, batch.output_file_id)
            errors = self._content(submission, batch.error_file_id)
            answers = count_rows(output)
            # Where the server counts nothing, a completed batch has a row for every request.
            uncounted = len(submission.ids) - count_rows(errors) if batch.status == "completed" else 0
            counted = _counted(batch)
            claimed = uncounted if counted is None else counted
            if answers >= claimed:
                break
        self._journal.keep(submission, "output", output)
        self._journal.keep(submission, "errors", errors)
        said = (batch.errors.data or []) if batch.errors is not None else []
        reasons = [
            {"code": each.code, "line": each.line, "message": self._calls.struck(each.message or "")} for each in said
        ]
        self._journal.collected(submission, batch.status, reasons, lost=answers < claimed)

    def _content(self, submission: Submission, file_id: str | None) -> bytes:
        if not file_id:  # some servers say "" for no file
            return b""
        try:
            return self._calls.content(file_id)
        except Gone as error:
            raise self._gone(submission, f"result file {file_id}", error) from None

    def _take_in(self, submission: Submission) -> list[Item]:
        """Reads an ended batch; what is to be asked again waits, the rest is returned."""
        self._open.remove(submission)
        if said := out_of_quota(submission):
            line = f"the account behind the key is out of quota ({said}); add credit or set another key"
            self._refusal = InputError(line)
        if is_crowded(submission) and len(submission.ids) == 1:
            line = "the server has too many tokens waiting to take even one request; run the same command again later"
            self._refusal = Unavailable(line)
        elif is_crowded(submission):
            self._crowded = True
            self._most = max(1, min(self._most, len(submission.ids) // 2))
        items = self._ledger.fold(submission)
        self._waiting += [item for item in items if item.reply is None and not item.final]
        return [item for item in items if item.reply is not None or item.final]

    def _gone(self, submission: Submission, what: str, error: Gone) -> InputError:
        return InputError(
            f"{self._journal.folder}: the {what} is not at the server, so {len(submission.ids)} requests cannot be "
            f"collected ({error}); set the key of the account that sent them, or delete the folder to send all again"
        )


def _counted(batch: Batch) -> int | None:
    """How many requests the server says it has answered, None if it does not say."""
    completed = getattr(batch.request_counts, "completed", None)
    return completed if isinstance(completed, int) else None
