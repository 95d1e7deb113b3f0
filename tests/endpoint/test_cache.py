"""The response cache, with real files and real processes."""

import json
import logging
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.endpoint.cache import CachedReply, ResponseCache, cache_key, default_cache_path, open_cache
from skillmix_lightning.errors import InputError

HELLO = [{"role": "user", "content": "Hello"}]
REPLY = CachedReply("Hi.", "stop", {"prompt_tokens": 5, "completion_tokens": 2}, "m-0613")
REQUEST = {
    "base_url": "http://a/v1",
    "model": "m",
    "messages": HELLO,
    "options": {"temperature": 0.7, "max_tokens": 9, "response_format": {"type": "json_schema"}},
    "prompt_id": "paper-v1",
    "round": 0,
}

#: Writes the replies named on its command line: FILE NAME COUNT, keys 0…COUNT-1 for all and NAME-0… for itself.
WRITER = """
import sys
from skillmix_lightning.endpoint.cache import CachedReply, ResponseCache
path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
cache = ResponseCache(path)
for number in range(count):
    for key in (str(number), f"{name}-{number}"):
        cache.put(key, CachedReply(f"reply to {key}", "stop", {"prompt_tokens": number}, "m-0613"), "m")
        assert cache.get(key).text == f"reply to {key}"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "responses.sqlite"


def writer(path: Path, name: str, count: int) -> subprocess.Popen:
    command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def rows(path: Path) -> dict[str, dict]:
    with sqlite3.connect(path) as database:
        return {key: json.loads(reply) for key, reply in database.execute("SELECT key, reply FROM replies")}


def test_a_reply_comes_back_as_it_was_stored_and_survives_the_process(path):
    cache = ResponseCache(path)
    assert cache.get("k") is None
    cache.put("k", REPLY, "m")
    assert cache.get("k") == REPLY
    cache.close()
    assert ResponseCache(path).get("k") == REPLY


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> ResponseCache:
    return ResponseCache(tmp_path_factory.mktemp("cache") / "c.sqlite")


@given(text=st.text(st.characters(codec=None, exclude_categories=())).filter(str.strip))
def test_any_text_comes_back(shared, text):
    key = cache_key("http://a", "m", [{"role": "user", "content": text}], {})
    shared.put(key, CachedReply(text, "stop"), "m")
    assert shared.get(key) == CachedReply(text, "stop")


def test_the_first_reply_of_a_key_stays(path):
    cache = ResponseCache(path)
    cache.put("k", REPLY, "m")
    cache.put("k", CachedReply("Another.", "stop"), "m")
    assert cache.get("k") == REPLY


@pytest.mark.parametrize(("text", "reason"), [("Hi", "length"), ("Hi", ""), ("Hi", "content_filter"), (" \n", "stop")])
def test_what_is_not_complete_is_not_taken(path, text, reason):
    cache = ResponseCache(path)
    with pytest.raises(AssertionError, match="only complete replies"):
        cache.put("k", CachedReply(text, reason), "m")
    assert cache.models() == []


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "http://b/v1"},
        {"model": "m-0613"},
        {"messages": [{"role": "system", "content": "Hello"}]},
        {"messages": [*HELLO, *HELLO]},
        {"options": {**REQUEST["options"], "temperature": 0.8}},
        {"options": {**REQUEST["options"], "seed": 1}},
        {"options": {**REQUEST["options"], "response_format": {"type": "json_object"}}},
        {"options": {"temperature": 0.7}},
        {"prompt_id": "hardened-v1"},
        {"round": 1},
    ],
)
def test_whatever_can_change_a_reply_changes_its_key(change):
    assert cache_key(**{**REQUEST, **change}) != cache_key(**REQUEST)


def test_a_key_is_the_same_on_every_machine_and_for_every_order_of_settings():
    turned = {**REQUEST, "options": dict(reversed(REQUEST["options"].items())), "base_url": "http://a/v1/"}
    assert cache_key(**turned) == cache_key(**REQUEST)
    assert cache_key(**REQUEST) == "f50b17eb73d6e37ee42f2766659d26247e725692aa25729b6c5000802c74c9cf"


def test_the_default_place_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("SKILLMIX_CACHE", str(tmp_path / "here.sqlite"))
    assert default_cache_path() == tmp_path / "here.sqlite"
    assert open_cache(None).path == tmp_path / "here.sqlite"
    assert open_cache(str(tmp_path / "there.sqlite")).path == tmp_path / "there.sqlite"
    assert open_cache("off") is None


@pytest.mark.skipif(sys.platform != "linux", reason="the place differs by platform")
def test_the_default_place_is_the_users_cache_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("SKILLMIX_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_path() == tmp_path / "skillmix_lightning" / "responses.sqlite"


@pytest.mark.skipif(os.name == "nt", reason="permissions differ there")
def test_only_its_owner_can_read_it(path):
    cache = ResponseCache(path)
    cache.put("k", REPLY, "m")
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.glob("*.sqlite*") if file.stat().st_size} == {
        0o600
    }


def test_processes_that_start_at_once_and_write_the_same_keys_lose_nothing(path):
    writers = [writer(path, name, 60) for name in "abcd"]
    for process in writers:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[1] for process in writers]
    assert said == [""] * 4
    stored = rows(path)
    wanted = {str(n) for n in range(60)} | {f"{name}-{n}" for name in "abcd" for n in range(60)}
    assert set(stored) == wanted
    assert all(reply["text"] == f"reply to {key}" for key, reply in stored.items())


def test_a_killed_writer_leaves_a_cache_that_works(path):
    process = writer(path, "a", 100_000)
    process.stdin.write("go\n")
    process.stdin.flush()
    while not path.exists() or len(rows_or_none(path)) < 20:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    cache = ResponseCache(path)
    stored = rows(path)
    assert len(stored) >= 20
    assert cache.get("0").text == "reply to 0"
    cache.put("later", REPLY, "m")
    assert cache.get("later") == REPLY


def rows_or_none(path: Path) -> dict[str, dict]:
    try:
        return rows(path)
    except sqlite3.OperationalError:  # the table is not made yet
        return {}


def test_threads_share_a_cache(path):
    cache = ResponseCache(path)

    def work(name: str) -> None:
        for number in range(100):
            cache.put(f"{name}{number}", REPLY, "m")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rows(path)) == 400


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"this is no database at all, but it is long enough to be one" * 40, "file is not a database"),
        (None, "it is another program's database"),
    ],
)
def test_what_is_no_cache_is_refused_in_one_line_and_left_alone(tmp_path, content, said):
    path = tmp_path / "c.sqlite"
    if content is None:
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE songs (name TEXT)")
        content = path.read_bytes()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        ResponseCache(path)
    assert str(caught.value) == (
        f"the response cache {path} cannot be used ({said}); delete the file, or set --cache to another path or to off"
    )
    assert path.read_bytes() == content


def test_a_cache_of_another_format_is_refused(path):
    ResponseCache(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(InputError, match="it has format 99, and this version reads 1"):
        ResponseCache(path)


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be used"):
        ResponseCache(tmp_path / "file" / "c.sqlite")


def test_a_file_that_breaks_under_work_is_said_once_and_the_work_goes_on(path, caplog):
    cache = ResponseCache(path)
    for number in range(200):
        cache.put(f"{number}", CachedReply("x" * 500, "stop"), "m")
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * (size - 100))
    with caplog.at_level(logging.WARNING):
        assert cache.get("5") is None
        cache.put("new", REPLY, "m")
        assert cache.get("new") is None
    (record,) = caplog.records
    assert record.getMessage() == (
        f"the response cache {path} fails (database disk image is malformed); "
        "the work goes on, and what the cache cannot give is paid for"
    )


def test_a_row_that_cannot_be_read_is_a_miss(path, caplog):
    cache = ResponseCache(path)
    cache.put("k", REPLY, "m")
    with sqlite3.connect(path) as database:
        database.execute("""UPDATE replies SET reply = '{"text": 1, "colour": 2}'""")
    assert cache.get("k") is None
    assert cache.get("k") is None
    assert len(caplog.records) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="limits of file size differ elsewhere")
def test_a_full_disk_is_said_once_and_what_is_stored_can_still_be_read(path):
    # A limit on the size of files stands for the disk: the kernel refuses to write in the same way.
    script = """
import resource, sys
from skillmix_lightning.endpoint.cache import CachedReply, ResponseCache
cache = ResponseCache(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
for number in range(300):
    cache.put(str(number), CachedReply("x" * 1000, "stop"), "m")
print(sum(cache.get(str(number)) is not None for number in range(300)))
"""
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert 0 < int(done.stdout) < 300
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"the response cache {path} fails (")
    assert len(rows(path)) == int(done.stdout)


def test_pruning_deletes_by_age_and_model_and_gives_room_back(path):
    cache = ResponseCache(path)
    for number in range(300):
        cache.put(f"a{number}", CachedReply("x" * 1000, "stop"), "gpt-4")
    cache.put("b", REPLY, "m")
    before = time.time()
    assert cache.prune(before=before - 3600) == 0
    assert cache.prune(model="nobody") == 0
    assert cache.prune(before=before + 1, model="gpt-4") == 300
    assert [(each.model, each.replies) for each in cache.models()] == [("m", 1)]
    assert cache.get("b") == REPLY
    assert path.stat().st_size < 50_000
    assert cache.prune() == 1


def test_the_list_says_what_there_is_of_each_model(path):
    cache = ResponseCache(path)
    assert cache.models() == []
    start = time.time()
    cache.put("1", REPLY, "m")
    cache.put("2", REPLY, "m")
    cache.put("3", REPLY, "gpt-4")
    four, m = cache.models()
    assert (four.model, four.replies, m.model, m.replies) == ("gpt-4", 1, "m", 2)
    assert m.size == 2 * four.size
    assert start <= m.oldest <= m.newest <= time.time()
