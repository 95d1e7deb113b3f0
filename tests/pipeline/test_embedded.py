import json
import multiprocessing
from pathlib import Path

import pytest

from skillmix_lightning.catalogue import load_catalogue
from skillmix_lightning.errors import InputError
from skillmix_lightning.pipeline import embedded
from skillmix_lightning.pipeline.embedded import embedded_dataset
from skillmix_lightning.runs import Run
from skillmix_lightning.students.template import TemplateStudent

NAME = "embedded:verifiable-d123"
SIZES = embedded.ATTEMPTS
FEW = {1: 100, 2: 100, 3: 100}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("checkpoints")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKILLMIX_CHECKPOINTS", str(folder))
        patch.setattr(embedded, "ATTEMPTS", {"d123": FEW})
        yield folder


def rows_of(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_at_least_95_of_100_texts_are_kept_and_all_are_different(checkpoints: Path) -> None:
    file, yields = embedded_dataset(NAME)
    assert file.is_relative_to(checkpoints / "embedded")
    assert [(row.k, row.written) for row in yields] == [(1, 100), (2, 100), (3, 100)]
    assert [row.k for row in yields if row.share < 0.95] == []
    texts = [row["text"] for row in rows_of(file)]
    assert len(set(texts)) == len(texts) == sum(row.kept for row in yields)


def test_every_row_is_a_conversation_that_ends_with_its_text(checkpoints: Path) -> None:
    catalogue = load_catalogue()
    for row in rows_of(embedded_dataset(NAME)[0]):
        assert set(row) == {*("messages", "id", "k", "split", "skills", "topic", "text", "grades", "provenance")}
        assert len(row["skills"]) == row["k"]
        assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
        assert row["messages"][-1]["content"] == row["text"]
        assert catalogue.topic(row["topic"]).split == "train"
        assert all(points["points"] == 1 for grade in row["grades"] for points in grade["points"])


def test_the_second_call_makes_nothing(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, yields = embedded_dataset(NAME)
    made = file.stat().st_mtime_ns
    monkeypatch.setattr(TemplateStudent, "write", lambda *_: pytest.fail("it wrote again"))
    assert embedded_dataset(NAME) == (file, yields)
    assert file.stat().st_mtime_ns == made


def test_its_run_holds_what_was_not_kept_too(checkpoints: Path) -> None:
    file, _ = embedded_dataset(NAME)
    run = Run(file.parent)
    assert len(run.compositions()) == len(run.grades()) == 300
    assert run.manifest()["plan"]["attempts"] == {"1": 100, "2": 100, "3": 100}


def test_what_was_left_unfinished_is_made_anew(checkpoints: Path) -> None:
    file, yields = embedded_dataset(NAME)
    before = file.read_bytes()
    (file.parent / "yield.json").unlink()
    file.write_text("half a li")
    assert embedded_dataset(NAME) == (file, yields)
    assert file.read_bytes() == before


def test_two_processes_at_once_make_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKILLMIX_CHECKPOINTS", str(tmp_path))
    monkeypatch.setattr(embedded, "ATTEMPTS", {"d1": {1: 40}})
    fork = multiprocessing.get_context("fork")  # a fresh process would import for so long that the two never meet
    start, made = fork.Barrier(2), fork.SimpleQueue()

    def make() -> None:
        start.wait()
        made.put(embedded_dataset("embedded:verifiable-d1"))

    both = [fork.Process(target=make) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(timeout=60)
    assert [process.exitcode for process in both] == [0, 0]
    here, there = made.get(), made.get()
    assert here == there
    folder = here[0].parent
    assert sorted(file.name for file in folder.parent.iterdir()) == [folder.name, f"{folder.name}.lock"]
    assert len(Run(folder).compositions()) == 40


def test_an_unknown_name_is_one_line_with_those_there_are() -> None:
    assert list(SIZES) == ["d1", "d12", "d123"]
    with pytest.raises(InputError) as refused:
        embedded_dataset("embedded:verifiable-d4")
    known = ", ".join(f"embedded:verifiable-{size}" for size in embedded.ATTEMPTS)
    assert str(refused.value) == f'no embedded data set is called "embedded:verifiable-d4"; there are {known}'


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SKILLMIX_CHECKPOINTS", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"cannot be written \(Not a directory\); set SKILLMIX_CHECKPOINTS$"):
        embedded_dataset(NAME)
