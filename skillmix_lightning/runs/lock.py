"""One writer at a time: two processes that append to one run would grade, and pay for, everything twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from skillmix_lightning.errors import InputError


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Holds a run's folder for this process while the body runs; makes the folder if it is not there.

    The system lets go of the lock when the process ends, however it ends.

    Raises:
        InputError: another process writes this run, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{folder}: another process is writing this run; wait until it has ended, or give a folder of its own"
        ) from None
    except OSError as error:
        raise InputError(f"{folder}: the run's folder cannot be written ({error.strerror})") from None
    try:
        yield
    finally:
        lock.release()
