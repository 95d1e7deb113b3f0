"""What `test` and `predict` have the model do: write into a run, outside a fit but on all of its ranks."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from rich.console import Console

from skillmix_lightning.callbacks.generation import Generation
from skillmix_lightning.callbacks.ranks import Ranks
from skillmix_lightning.errors import Stopped
from skillmix_lightning.report.progress import progress_bar
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.lock import writing
from skillmix_lightning.runs.resume import missing_requests
from skillmix_lightning.students.base import Request
from skillmix_lightning.training import SkillMixModule

_TIMEOUT = timedelta(hours=6)


def write_run(
    trainer: Trainer,
    module: SkillMixModule,
    folder: Path,
    manifest: Mapping[str, Any],
    requests: Sequence[Request],
    generation: Generation,
) -> None:
    """Has the model write the texts that a run lacks; every rank must call it.

    Each batch is on disk before the next is begun, so the same command goes on where it was stopped.

    Args:
        trainer: that has set the module up.
        module: who writes.
        folder: the run's; made if it is not there.
        manifest: what is asked, the same on every rank.
        requests: all texts, likewise.
        generation: how they are written.

    Raises:
        InputError: the folder cannot be written, or holds a run that was asked for something else.
        Stopped: ranks have failed, and texts are missing.
    """
    ranks = Ranks(_TIMEOUT)
    console = Console(stderr=True, quiet=ranks.rank > 0)
    run = Run(folder)
    with ExitStack() as stack:

        def begin() -> set[tuple[str, int]]:
            stack.enter_context(writing(folder))
            Run.start(folder, manifest)
            return {(r.combination.id, r.generation) for r in missing_requests(requests, run.compositions())}

        keys = ranks.from_zero(begin)
        missing = [request for request in requests if (request.combination.id, request.generation) in keys]
        missing.sort(key=lambda request: sum(map(len, request.turns)))
        at_once = generation.batch_size * ranks.size
        advance = stack.enter_context(progress_bar(console, f"writing {folder.name}", len(missing)))
        for start in range(0, len(missing), at_once):
            group = missing[start : start + at_once]
            written = generation.write(trainer, module, group, ranks)
            ranks.from_zero(partial(run.add_compositions, written.compositions))
            if written.failures:
                causes = "; ".join(f"rank {rank}: {cause}" for rank, cause in written.failures.items())
                left = len(missing) - start - len(written.compositions)
                raise Stopped(
                    f"{left:,} of {len(requests):,} texts are missing ({causes}); run the same command again to go on"
                )
            advance(len(group))
