"""Stops a dead server from being hammered, and in the end says that it is dead.

After `FAILURES` failures in a row, over all calls, without a reply between them the server is tried by single requests
only, at growing intervals. A reply brings everything back. After `GIVE_UP_S` without one the work ends.

A failure here is no sign of life: no connection, no answer in time, a server error, a reply that cannot be read. A
refusal because of too many requests is neither a failure nor a success.
"""

from skillmix_lightning.endpoint.budget import Stopped

FAILURES = 20
GIVE_UP_S = 120.0
FIRST_PROBE_S = 1.0
LONGEST_PROBE_S = 15.0


class ServerDown(Stopped):
    """A server has been dead for so long that the work ends; running it again goes on where it stopped."""


class Breaker:
    """Counts the failures of one server; times are given, in seconds."""

    def __init__(self) -> None:
        self._failures = 0
        self._probes = 0
        self._open_since: float | None = None
        self._next_probe = 0.0

    @property
    def is_open(self) -> bool:
        """Whether only single requests are sent, to see whether the server is back."""
        return self._open_since is not None

    def wait(self, now: float, in_flight: int) -> float | None:
        """Seconds until the next request may start; 0 for at once, None for not before one under way has ended."""
        if self._open_since is None:
            return 0.0
        return None if in_flight else max(0.0, self._next_probe - now)

    def succeeded(self) -> None:
        """The server has answered."""
        self._failures = self._probes = 0
        self._open_since = None

    def failed(self, sent: float, now: float, line: str) -> None:
        """A request has failed.

        Args:
            sent: when it was sent.
            now: the time.
            line: what went wrong.

        Raises:
            ServerDown: this has been so for `GIVE_UP_S`.
        """
        self._failures += 1
        if self._failures < FAILURES:
            return
        if self._open_since is None:
            self._open_since = now
        elif sent < self._next_probe:
            return  # sent together with those that opened the breaker
        if now - self._open_since >= GIVE_UP_S:
            raise ServerDown(
                f"{line}; it has failed {self._failures} times in a row and not answered for "
                f"{now - self._open_since:.0f} s, so nothing more is sent; what is done is kept: "
                "run the same command again when it answers"
            )
        self._next_probe = now + min(LONGEST_PROBE_S, FIRST_PROBE_S * 2.0**self._probes)
        self._probes += 1
