"""A note of what may have been spent, made before it is, so that a budget is kept over a kill too.

A process that is killed takes along what it knew of the calls under way, and their servers bill them all the same. A
note outlives it, and its next start counts what it says.
"""

from collections.abc import Callable

from skillmix_lightning.endpoint.reservation import PICO, Amount

#: Writes dollars and tokens down; they outlive the process, and a power cut, when it returns.
Note = Callable[[float, int], None]

_CALLS = 32  # covered ahead by one writing, which takes milliseconds
_SHARE = 64  # of a cap: a kill costs a small budget no more than this beside the calls under way


class Watermark:
    """Keeps a note that is never less than what is spent and what calls under way may still cost.

    It is written ahead, in blocks of some calls, so most calls write nothing; and again when it is far too high.

    Args:
        write: makes the note.
        usd: the cap in picodollars, None for no cap.
        tokens: the cap in tokens, likewise.
    """

    def __init__(self, write: Note, usd: int | None, tokens: int | None) -> None:
        self._write = write
        self._caps = (usd, tokens)
        self._block = Amount(0, 0)
        self._noted: Amount | None = None

    def cover(self, at_most: Amount, call: Amount) -> None:
        """Makes sure that the note covers an amount.

        Args:
            at_most: what is spent and what calls under way may cost, the next one with them.
            call: the most that the next one can cost.

        Raises:
            OSError: the note cannot be written; the call must not be sent.
        """
        self._block = Amount(*map(_block, self._block, call, self._caps))
        noted = self._noted
        if noted is not None and all(map(_is_covered, at_most, noted, self._block)):
            return
        ahead = Amount(*map(_ahead, at_most, self._block, self._caps))
        self._write(ahead.usd / PICO, ahead.tokens)
        self._noted = ahead

    def forget(self) -> None:
        """Has the next call note anew: the note is gone."""
        self._noted = None


def _block(before: int, call: int, cap: int | None) -> int:
    calls = max(before, _CALLS * call)
    return calls if cap is None else min(calls, cap // _SHARE)


def _is_covered(at_most: int, noted: int, block: int) -> bool:
    return at_most <= noted <= at_most + 4 * block


def _ahead(at_most: int, block: int, cap: int | None) -> int:
    return at_most + block if cap is None else max(at_most, min(at_most + block, cap))
