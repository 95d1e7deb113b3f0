from types import SimpleNamespace

import pytest
from records import composition

from skillmix_lightning.callbacks.generation import Written
from skillmix_lightning.callbacks.standalone import write_run
from skillmix_lightning.errors import InputError, Stopped
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.lock import writing
from skillmix_lightning.students.base import Request

TEXTS = [composition(f"c{n}") for n in range(5)]
REQUESTS = [Request(text.combination, 0, ("Write.",)) for text in TEXTS]


class Writer:
    """Writes two texts at a time; from the call numbered `fails_at` on, only the first of them."""

    batch_size = 2

    def __init__(self, fails_at: int | None = None) -> None:
        self.fails_at = fails_at
        self.asked = []

    def write(self, trainer, module, requests, ranks):
        self.asked.append([request.combination.id for request in requests])
        failed = self.fails_at is not None and len(self.asked) > self.fails_at
        texts = [next(text for text in TEXTS if text.combination == each.combination) for each in requests]
        return Written(texts[:1] if failed else texts, {0: "RuntimeError: no memory"} if failed else {}, 1.0)


def write(folder, writer, manifest=None):
    write_run(SimpleNamespace(), SimpleNamespace(), folder, manifest or {"a": 1}, REQUESTS, writer)


def ids(folder):
    return [text.combination.id for text in Run(folder).compositions()]


def test_texts_are_on_disk_batch_by_batch(tmp_path):
    writer = Writer()
    write(tmp_path / "run", writer)
    assert writer.asked == [["c0", "c1"], ["c2", "c3"], ["c4"]]
    assert ids(tmp_path / "run") == ["c0", "c1", "c2", "c3", "c4"]


def test_a_rank_that_fails_stops_the_work_and_what_is_written_stays(tmp_path):
    with pytest.raises(Stopped) as caught:
        write(tmp_path / "run", Writer(fails_at=1))
    assert str(caught.value) == (
        "2 of 5 texts are missing (rank 0: RuntimeError: no memory); run the same command again to go on"
    )
    assert ids(tmp_path / "run") == ["c0", "c1", "c2"]
    again = Writer()
    write(tmp_path / "run", again)
    assert again.asked == [["c3", "c4"]]


def test_a_run_that_was_asked_for_something_else_is_refused(tmp_path):
    write(tmp_path / "run", Writer())
    with pytest.raises(InputError, match="holds a run that was asked for something else"):
        write(tmp_path / "run", Writer(), {"a": 2})


def test_a_run_that_another_process_writes_is_refused(tmp_path):
    with writing(tmp_path / "run"), pytest.raises(InputError, match="another process is writing this run"):
        write(tmp_path / "run", Writer())
