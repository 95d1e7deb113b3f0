"""A key that is planted in the environment is in nothing that is written or said, whatever the server does with it."""

import asyncio
import base64
import os
import pickle
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from chat_server import KEY, ChatServer, refuses, says
from examples import dataset_rows, write_dataset
from tiny import save_tiny_model

from skillmix_lightning.cli import main
from skillmix_lightning.endpoint import ChatClient
from skillmix_lightning.errors import InputError, Stopped
from skillmix_lightning.graders.endpoint import EndpointGrader
from skillmix_lightning.students.endpoint import EndpointStudent

FORMS = {KEY.encode(), KEY[::-1].encode(), base64.b64encode(KEY.encode()), KEY.encode("utf-16-le")}
ECHO = f"Incorrect API key provided: {KEY} (Authorization: Bearer {KEY})"
EVALUATE = [
    *("evaluate", "--catalogue", "verifiable", "--splits", "[train]", "--ks", "[2]", "--combinations", "3"),
    *("--generations", "1", "--gradings", "1", "--budget_tokens", "1000000"),
]


def part(option: str, kind: str, model: str, base_url: str) -> list[str]:
    settings = {"": kind, ".model": model, ".base_url": base_url, ".api_key_env": "TEST_KEY"}
    return [word for name, value in settings.items() for word in (f"--{option}{name}", value)]


def words(base_url: str, folder: Path) -> list[str]:
    parts = part("student", "EndpointStudent", "writer", base_url) + part("grader", "EndpointGrader", "judge", base_url)
    return [*EVALUATE, *parts, "--out", str(folder / "run"), "--cache", str(folder / "cache.sqlite")]


def evaluate(server: ChatServer, folder: Path, *more: str) -> subprocess.CompletedProcess[bytes]:
    """Runs the verb in a process of its own, with every library telling all it can."""
    command = [sys.executable, "-m", "skillmix_lightning", *words(server.base_url, folder), *more]
    loud = {**os.environ, "OPENAI_LOG": "debug", "HTTPX_LOG_LEVEL": "trace"}
    done = subprocess.run(command, capture_output=True, env=loud, timeout=120, cwd=folder)
    (folder / "said").write_bytes(done.stdout + done.stderr)
    return done


def leaks(folder: Path) -> list[str]:
    """The files that hold the key in one of its forms."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [str(path) for path in files if any(form in path.read_bytes() for form in FORMS)]


def test_a_run_with_failures_that_quote_the_key_does_not_hold_it(server, tmp_path):
    server.script = [refuses(500, ECHO, Retry_After="0"), says("Answer: A text."), refuses(429, ECHO, Retry_After="0")]
    done = evaluate(server, tmp_path)
    assert {f"Bearer {KEY}"} == set(server.keys)
    assert b"HTTP Request" in done.stderr  # the logs are on
    assert (tmp_path / "run" / "manifest.json").exists()
    assert (tmp_path / "run" / "grades.jsonl").exists()
    assert (tmp_path / "cache.sqlite").exists()
    assert leaks(tmp_path) == []


@pytest.mark.parametrize("status", [400, 401])
def test_a_refusal_that_quotes_the_key_is_told_without_it(server, tmp_path, status):
    server.default = refuses(status, ECHO)
    done = evaluate(server, tmp_path)
    assert done.returncode == 2
    assert b"Incorrect API key provided: ***" in done.stderr
    assert leaks(tmp_path) == []


def test_a_printed_config_holds_the_variables_name_only(server, tmp_path):
    done = evaluate(server, tmp_path, "--print_config")
    assert b"api_key_env: TEST_KEY" in done.stdout
    assert leaks(tmp_path) == []


def test_a_fit_with_an_endpoint_grader_writes_the_key_nowhere(server, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["skillmix_lightning"])
    server.script = [says("OK")]  # the question whether it is there; the key is revoked later
    server.default = refuses(401, ECHO)
    grader = part("evaluation.grader", "skillmix_lightning.graders.endpoint.EndpointGrader", "judge", server.base_url)
    dataset = write_dataset(tmp_path / "d.jsonl", dataset_rows(12))
    settings = {
        "--model.model": str(save_tiny_model(tmp_path / "model")),
        "--data.dataset": str(dataset),
        "--trainer.default_root_dir": str(tmp_path / "out"),
        "--trainer.accelerator": "cpu",
        "--trainer.max_steps": "2",
        "--trainer.log_every_n_steps": "1",
        "--data.global_batch_size": "4",
        "--evaluation.combinations": "1",
        "--evaluation.ks": "[1]",
        "--evaluation.max_new_tokens": "4",
        "--evaluation.at_start": "false",
        "--evaluation.grader.catalogue": "verifiable",
    }
    words = [word for name, value in settings.items() for word in (name, value)]
    main(["fit", *grader, *words])
    out, err = capfd.readouterr()
    (tmp_path / "said").write_text(out + err)
    written = list((tmp_path / "out").rglob("*"))
    assert {"config.yaml", "hparams.yaml"} <= {path.name for path in written}
    assert any(path.is_file() and "checkpoints" in path.parts for path in written)
    assert leaks(tmp_path) == []


@pytest.mark.parametrize("kind", [EndpointStudent, EndpointGrader])
def test_neither_a_copy_nor_a_description_of_a_part_holds_the_key(server, kind):
    made = kind("m", base_url=server.base_url, api_key_env="TEST_KEY")
    assert KEY.encode() not in pickle.dumps(made)
    assert KEY not in f"{made!r} {vars(made)}"
    assert KEY not in repr(made.client())


@pytest.mark.parametrize("status", [400, 401, 500])
def test_no_traceback_with_all_its_local_variables_holds_the_key(server, status):
    server.default = refuses(status, ECHO, Retry_After="100")

    async def ask() -> None:
        async with ChatClient(server.base_url, "TEST_KEY") as client:
            await client.complete([{"role": "user", "content": "Hello"}], "m")

    with pytest.raises((InputError, Stopped)) as caught:
        asyncio.run(ask())
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert KEY not in "".join(told.format())


@pytest.mark.parametrize("option", ["student", "grader"])
@pytest.mark.parametrize(
    "address", ["http://me:hidden-word@127.0.0.1:9/v1", "http://127.0.0.1:9/v1?api_key=hidden-word"]
)
def test_an_address_with_a_secret_in_it_is_refused_before_anything_is_written(tmp_path, capfd, option, address):
    status = main([*words("http://127.0.0.1:9/v1", tmp_path), f"--{option}.base_url", address])
    out, err = capfd.readouterr()
    assert status == 2
    assert "base_url holds" in err
    assert "hidden-word" not in out + err
    assert list(tmp_path.iterdir()) == []
