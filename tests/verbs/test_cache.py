"""`cache ls` and `cache prune`."""

import json
import sqlite3
import time

import pytest

from skillmix_lightning.endpoint.cache import CachedReply, ResponseCache
from skillmix_lightning.errors import InputError
from skillmix_lightning.verbs.cache import main

DAY = 86400


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Two replies of gpt-4, one of them 40 days old, and one of [m]."""
    path = tmp_path / "c.sqlite"
    monkeypatch.setenv("SKILLMIX_CACHE", str(path))
    cache = ResponseCache(path)
    cache.put("1", CachedReply("Hello", "stop"), "gpt-4")
    cache.put("2", CachedReply("Hello", "stop"), "gpt-4")
    cache.put("3", CachedReply("Hello", "stop"), "[m]")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE replies SET created = ? WHERE key = '1'", (time.time() - 40 * DAY,))
    return path


def listed(capsys) -> dict:
    main("cache", ["ls", "--json", "true"])
    return json.loads(capsys.readouterr().out)


def test_the_list_is_a_table_by_model(cache, capsys):
    main("cache", ["ls"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    found = {line[0]: line[1:3] for line in lines if len(line) > 2}
    assert found["gpt-4"][0] == "2"
    assert found["[m]"][0] == "1"
    assert found["all"][0] == "3"


def test_the_list_is_one_json_document(cache, capsys):
    document = listed(capsys)
    assert document["cache"] == str(cache)
    assert document["replies"] == 3
    assert [(each["model"], each["replies"]) for each in document["models"]] == [("[m]", 1), ("gpt-4", 2)]
    assert document["bytes"] == sum(each["bytes"] for each in document["models"])


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--older_than", "30d"], 2),
        (["--older_than", "960h"], 2),
        (["--older_than", "6w"], 3),
        (["--model", "gpt-4"], 1),
        (["--model", "gpt-4", "--older_than", "30d"], 2),
        (["--model", "[m]", "--older_than", "30d"], 3),
        (["--older_than", "0h"], 0),
    ],
)
def test_pruning_takes_what_every_option_applies_to(cache, capsys, options, left):
    main("cache", ["prune", *options])
    deleted = 3 - left
    assert capsys.readouterr().out == f"{cache}: {deleted} {'reply' if deleted == 1 else 'replies'} deleted\n"
    assert listed(capsys)["replies"] == left


def test_pruning_says_json_too(cache, capsys):
    main("cache", ["prune", "--model", "gpt-4", "--json", "true"])
    assert json.loads(capsys.readouterr().out) == {"cache": str(cache), "deleted": 2}


def test_a_cache_that_is_not_there_is_empty_and_is_not_made(tmp_path, capsys):
    path = tmp_path / "none" / "c.sqlite"
    main("cache", ["ls", "--cache", str(path), "--json", "true"])
    assert json.loads(capsys.readouterr().out)["replies"] == 0
    main("cache", ["prune", "--cache", str(path), "--older_than", "1d"])
    assert capsys.readouterr().out == f"{path}: 0 replies deleted\n"
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], 'cache "": give ls or prune'),
        (["rm"], 'cache "rm": give ls or prune'),
        (["prune"], "give --older_than or --model; --older_than 0h deletes every reply"),
        (
            ["prune", "--older_than", "a month"],
            "--older_than a month: give hours, days or weeks, such as 12h, 30d or 6w",
        ),
        (["ls", "--cache", "off"], "--cache off: there is nothing to look into"),
        (["ls", "--older_than", "1d"], "older_than"),
    ],
)
def test_bad_usage_is_said_in_one_line(cache, capsys, args, said):
    with pytest.raises(InputError) as caught:
        main("cache", args)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert listed(capsys)["replies"] == 3


def test_help_names_both(capsys):
    main("cache", ["--help"])
    said = capsys.readouterr().out
    assert "ls " in said
    assert "prune " in said
