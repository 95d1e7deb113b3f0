import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.errors import InputError
from skillmix_lightning.runs.jsonl import WriteError, append_rows, read_rows

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
rows_of_any_kind = st.lists(st.dictionaries(st.text(), json_values, max_size=3), max_size=6)


def rows(path: Path) -> list[dict]:
    return [row for _, row in read_rows(path)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jsonl")


@given(first=rows_of_any_kind, second=rows_of_any_kind)
def test_what_is_appended_is_read_with_its_line_numbers(folder: Path, first: list[dict], second: list[dict]) -> None:
    path = folder / "appended.jsonl"
    path.unlink(missing_ok=True)
    append_rows(path, first)
    append_rows(path, second)
    assert list(read_rows(path)) == list(enumerate(first + second, start=1))


@given(written=rows_of_any_kind, more=rows_of_any_kind.filter(bool), data=st.data())
def test_after_a_cut_at_any_byte_whole_lines_survive_and_appending_goes_on(
    folder: Path, written: list[dict], more: list[dict], data: st.DataObject
) -> None:
    path = folder / "cut.jsonl"
    path.write_bytes(b"")
    append_rows(path, written)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    survivors = written[: whole[:cut].count(b"\n")]
    assert rows(path) == survivors
    append_rows(path, more)
    assert rows(path) == survivors + more
    assert path.read_bytes().count(b"\n") == len(survivors + more)


def test_reading_leaves_a_torn_line_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "torn.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": 2')
    assert rows(path) == [{"a": 1}]
    assert path.read_bytes() == b'{"a": 1}\n{"a": 2'


def test_a_missing_file_has_no_rows_and_no_rows_make_no_file(tmp_path: Path) -> None:
    path = tmp_path / "none.jsonl"
    append_rows(path, [])
    assert rows(path) == []
    assert not path.exists()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"a": 1', "not valid JSON ("),
        (b"", "not valid JSON ("),
        (b'{"a": "\xff"}', "not valid JSON ("),
        (b"[1, 2]", "not a JSON object but a list"),
        (b"3", "not a JSON object but a int"),
    ],
)
def test_a_malformed_whole_line_is_named_by_file_and_number(tmp_path: Path, line: bytes, problem: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b'{"a": 1}\n' + line + b'\n{"a": 3}\n')
    with pytest.raises(InputError) as refused:
        list(read_rows(path))
    assert str(refused.value).startswith(f"{path}, line 2: {problem}")


def test_text_is_readable_in_the_file_and_half_a_surrogate_pair_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "text.jsonl"
    append_rows(path, [{"text": "naïve 蜂\u2028"}, {"text": "half \ud83d"}])
    assert "naïve 蜂" in path.read_text(encoding="utf-8")
    assert rows(path) == [{"text": "naïve 蜂\u2028"}, {"text": "half \ud83d"}]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)], capture_output=True)
    if mount.returncode:
        pytest.skip("mounting a small disk takes root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_loses_nothing_written_and_appending_goes_on_once_there_is_room(small_disk: Path) -> None:
    path = small_disk / "full.jsonl"
    written = [{"n": n, "text": "x" * 1000} for n in range(40)]
    append_rows(path, written)
    with pytest.raises(WriteError, match="No space left on device") as failed:
        append_rows(path, [{"n": n, "text": "y" * 1000} for n in range(40, 80)])
    assert failed.value.filename == str(path)
    kept = rows(path)
    assert kept[:40] == written
    assert [row["n"] for row in kept] == list(range(len(kept)))
    with pytest.raises(WriteError):
        append_rows(path, [{"text": "z" * 30_000}])
    assert rows(path) == kept
    subprocess.run(["mount", "-o", "remount,size=256k", str(small_disk)], check=True)
    append_rows(path, [{"text": "z" * 30_000}])
    assert rows(path) == [*kept, {"text": "z" * 30_000}]


def test_lost_permission_is_a_write_error_and_what_was_written_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    append_rows(path, [{"a": 1}])
    path.rename(tmp_path / "kept.jsonl")
    path.mkdir()  # what even root may not write to
    with pytest.raises(WriteError, match="Is a directory"):
        append_rows(path, [{"a": 2}])
    assert rows(tmp_path / "kept.jsonl") == [{"a": 1}]


def test_rows_are_on_disk_when_appending_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[int, bool]] = []
    fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda handle: (synced.append((os.fstat(handle).st_size, stat_is_folder(handle))), fsync(handle))
    )
    path = tmp_path / "a.jsonl"
    append_rows(path, [{"a": 1}])
    append_rows(path, [{"a": 2}, {"a": 3}])
    assert [size for size, is_folder in synced if not is_folder] == [9, 27]
    assert [is_folder for _, is_folder in synced] == [False, True, False]  # the name of a first file too


def stat_is_folder(handle: int) -> bool:
    return stat.S_ISDIR(os.fstat(handle).st_mode)
