"""What the calls of a command may have cost when it was killed: `in_flight.json`, which is gone once it has ended.

A call under way at a kill may be billed and is in no record. So what is spent and may be is noted ahead of the calls
(`endpoint.watermark`), and a note that is still there counts.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from skillmix_lightning.errors import InputError
from skillmix_lightning.runs.jsonl import WriteError, sync_folder
from skillmix_lightning.runs.run import Run, write_json


@dataclass(frozen=True)
class InFlight:
    """The most that a run had cost when its last command was killed, batches left aside: those are on disk.

    Attributes:
        usd: in dollars.
        tokens: in tokens.
        batches: "student" or "grader", if it sends batches, to what its records had cost ("usd", "tokens") when the
            command began: costs that came on record since are of batches, and in neither of the other two.
    """

    usd: float
    tokens: int
    batches: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(cls, run: Run) -> "InFlight | None":
        """What a command left that did not end in order; None after one that did.

        Raises:
            InputError: the note cannot be read.
        """
        path = _file(run)
        try:
            note = json.loads(path.read_bytes())
            return cls(float(note["usd"]), int(note["tokens"]), dict(note["batches"]))
        except FileNotFoundError:
            return None
        except (OSError, LookupError, TypeError, ValueError) as error:
            raise InputError(
                f"{path}: cannot be read ({error}), and holds what calls under way at a kill may have cost; "
                "delete it if that need not count against the budget"
            ) from None

    def write(self, run: Run) -> None:
        """Notes it; it is on disk when this returns.

        Raises:
            WriteError: it is not.
        """
        write_json(_file(run), asdict(self))


def forget_in_flight(run: Run) -> None:
    """Takes the note away: the command ends in order, and what it spent is noted elsewhere.

    Raises:
        WriteError: it cannot be taken away.
    """
    path = _file(run)
    try:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise WriteError(error.errno, error.strerror, str(path)) from error


def _file(run: Run) -> Path:
    return run.folder / "in_flight.json"
