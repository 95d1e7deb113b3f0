"""When a call is tried again, and when it is given up: the only retries there are."""

import random
from dataclasses import dataclass, field

from skillmix_lightning.endpoint.failures import Unavailable

ATTEMPTS = 8
REFUSALS = 100
GIVE_UP_S = 900.0
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
# A generator of its own: a fit, beside which calls are made, saves and restores the state of the common one.
_JITTER = random.Random()


@dataclass
class Retries:
    """What one call has gone through; times are given, in seconds.

    A fault of the server counts up to `ATTEMPTS`, a refusal because of too many requests up to `REFUSALS`: the second
    is no fault, and the pace is lowered for it. Both end `GIVE_UP_S` after the first. A fault while the server is known
    to be dead counts nothing, since the breaker decides how long to wait for it.

    Attributes:
        faults: how often it has failed.
        refusals: how often it was refused.
    """

    faults: int = 0
    refusals: int = 0
    _since: float | None = field(default=None, init=False)

    def wait(self, line: str, now: float, refused: bool, dead: bool, asked: float | None) -> float:
        """The seconds to wait before the next attempt: what the server asks for, else a doubling wait with full jitter.

        Args:
            line: what went wrong.
            now: the time.
            refused: whether the server refused it because of too many requests.
            dead: whether the server is known to be dead.
            asked: the seconds the server asks to wait, if it does.

        Raises:
            Unavailable: the call is given up.
        """
        if asked is not None and asked > LONGEST_WAIT_S:
            raise Unavailable(f"{line}; it asks to wait {asked:.0f} s")
        if dead:
            self._since = None
            return 0.0
        self._since = now if self._since is None else self._since
        if refused:
            self.refusals += 1
        else:
            self.faults += 1
        if self.faults >= ATTEMPTS or self.refusals >= REFUSALS:
            raise Unavailable(f"{line}; given up after {self.faults + self.refusals} attempts")
        if now - self._since > GIVE_UP_S:
            raise Unavailable(f"{line}; given up after {now - self._since:.0f} s")
        if asked is not None:
            return asked
        doubled = FIRST_WAIT_S * 2.0 ** min(20, self.faults + self.refusals - 1)
        return _JITTER.uniform(0, min(LONGEST_WAIT_S, doubled))
