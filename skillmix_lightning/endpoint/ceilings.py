"""Ceilings per minute, as providers state them: requests and tokens."""

from skillmix_lightning.errors import InputError

_BURST_S = 1.0


class PerMinute:
    """A token bucket that holds one second's worth, so that no minute has noticeably more than its number.

    Something larger than the bucket may start when the bucket is full, and leaves a debt that later ones wait for.

    Args:
        number: what may be used in a minute.
        now: the time, in seconds.

    Raises:
        InputError: the number is below 1.
    """

    def __init__(self, number: int, now: float = 0.0) -> None:
        if number < 1:
            raise InputError(f"a ceiling per minute is {number}; it has to be at least 1")
        self.per_second = number / 60
        self._most = max(1.0, self.per_second * _BURST_S)
        self._level = self._most
        self._filled_at = now

    def wait(self, amount: float, now: float) -> float:
        """Seconds until an amount may be used."""
        self._fill(now)
        return max(0.0, (min(amount, self._most) - self._level) / self.per_second)

    def use(self, amount: float, now: float) -> None:
        """Uses an amount; a negative one gives back what was used in vain."""
        self._fill(now)
        self._level = min(self._most, self._level - amount)

    def _fill(self, now: float) -> None:
        self._level = min(self._most, self._level + (now - self._filled_at) * self.per_second)
        self._filled_at = now
