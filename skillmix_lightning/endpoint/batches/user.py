"""Students and graders that may send their requests in batches."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from skillmix_lightning.endpoint.batches.client import BatchClient
from skillmix_lightning.endpoint.batches.requests import BatchProgress, BatchRequest, BatchResult
from skillmix_lightning.endpoint.user import EndpointUser
from skillmix_lightning.errors import InputError, Stopped


class BatchUser(EndpointUser):
    """Uses a served model call by call, or, where `batch` is set, through the Batch API.

    Args:
        model: as in `EndpointUser`, like the others that are not explained here.
        base_url: likewise.
        api_key_env: likewise.
        concurrency: likewise, of calls; batches have none.
        requests_per_minute: likewise.
        tokens_per_minute: likewise.
        timeout_s: likewise.
        batch: whether requests go in batches, which cost half and take up to a day.
        batch_poll_seconds: between two looks at the batches under way.

    Raises:
        InputError: the address, the key or a limit cannot work.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        api_key_env: str,
        concurrency: int | None = None,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        timeout_s: float = 300.0,
        batch: bool = False,
        batch_poll_seconds: float = 30.0,
    ) -> None:
        super().__init__(model, base_url, api_key_env, concurrency, requests_per_minute, tokens_per_minute, timeout_s)
        self.batch = batch
        self.batch_poll_seconds = batch_poll_seconds
        self._batches: BatchClient | None = None
        self._wanted: Sequence[object] = ()
        self._show: Callable[[BatchProgress], None] | None = None
        self._client_in(Path())  # says at the start what cannot work

    def keep_batches_in(self, folder: Path, show: Callable[[BatchProgress], None] | None = None) -> None:
        """Says where batches are recorded, and collects those that an earlier process left under way there.

        They are paid for already, so they are in the budget before anything else is sent: a command calls this for each
        of those at work, once they have its services, before any of them begins.

        Args:
            folder: kept as long as batches are under way.
            show: told after every look at the batches how far they are.

        Raises:
            InputError: the folder or the server cannot work.
            Unavailable: the server keeps failing.
        """
        self._show = show
        self._batches = self._client_in(folder)
        for _ in self._batches.complete_many([]):
            raise AssertionError("nothing was asked for")

    def ask_in_batches(self, requests: Sequence[BatchRequest], wanted: Sequence[object]) -> Iterator[BatchResult]:
        """Sends requests in batches and gives their results as they come.

        Args:
            requests: what is asked.
            wanted: what it is asked for. When its iteration ends at once, the work that they belong to is ending:
                batches can take a day, so they are not waited for, and stay under way for the next command.

        Raises:
            InputError: no folder was named, or as `BatchClient.complete_many`.
            Stopped: the work is ending, the server keeps failing, or the budget has no room for the rest.
        """
        if self._batches is None:
            raise InputError(f"{self.model}: batches need a folder in which they are found again; call keep_batches_in")
        self._wanted = wanted
        with closing(self._batches.complete_many(requests)) as results:
            yield from results

    def _client_in(self, folder: Path) -> BatchClient:
        return BatchClient(
            self.base_url,
            self.api_key_env,
            folder,
            self.services,
            self.batch_poll_seconds,
            timeout_s=self.timeout_s,
            progress=self._seen,
        )

    def _seen(self, progress: BatchProgress) -> None:
        if self._show is not None:
            self._show(progress)
        if progress.batches and progress.requests and not any(True for _ in self._wanted):
            raise Stopped(f"batches that stay under way at {self.base_url}: {progress.batches}; they are not lost")
