"""`synthesize` as a user meets it: what is in the folder and what is printed, however often it is killed."""

import hashlib
import json
import math
import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from batch_server import BatchServer
from chat_server import Answer, ChatServer, routes, says, serving
from killing import Forge, forge
from tiny import save_tiny_model, tiny_tokenizer

from skillmix_lightning.cli import main
from skillmix_lightning.data.dataset import read_dataset
from skillmix_lightning.runs import Run
from skillmix_lightning.verbs.parser import parse
from skillmix_lightning.verbs.synthesize import make_dataset

Verb = Callable[..., tuple[int, str, str]]
KILLS = 10
CONFIGS = Path(__file__).parents[2] / "configs" / "data"


@pytest.fixture
def verb(capfd: pytest.CaptureFixture[str]) -> Verb:
    """Runs a verb; returns (exit status, standard output, standard error)."""

    def run(*args: object) -> tuple[int, str, str]:
        status = main([str(arg) for arg in args])
        return (status, *capfd.readouterr())

    return run


@pytest.fixture(scope="module")
def started() -> Iterator[Forge]:
    with forge() as process:
        yield process


def answer(call: dict) -> Answer:
    """A text or a table, decided by the request alone; a quarter of the texts repeat each other, half of them fail."""
    said = call["messages"][-1]["content"]
    number = int(hashlib.sha256(json.dumps(call["messages"], sort_keys=True).encode()).hexdigest(), 16)
    if call["model"] == "writer":
        text = "The same text again." if number % 4 == 0 else f"Text {number % 10**6}."
        return says(f"Answer: {text}\nExplanation: none.", model="writer-0613")
    criteria = re.findall(r"(?m)^- ((?:Correctly|Pertains|Text makes|At most) .*)$", said)
    lost = number % (2 * len(criteria))
    rows = "\n".join(f"| {criterion} | {int(place != lost)} |" for place, criterion in enumerate(criteria))
    return says(f"Here is the grading table:\n| Criteria | Points Earned |\n|---|---|\n{rows}\n", model="judge-0613")


def served(server: ChatServer | BatchServer, folder: Path, cache: str | Path, *more: str) -> list[str]:
    settings = [f"base_url={server.base_url}", "api_key_env=TEST_KEY", "concurrency=4"]
    student = ["--student=EndpointStudent", "--student.model=writer", *(f"--student.{each}" for each in settings)]
    grader = ["--grader=EndpointGrader", "--grader.model=judge", *(f"--grader.{each}" for each in settings)]
    return ["synthesize", "--catalogue=language", *student, *grader, f"--out={folder}", f"--cache={cache}", *more]


def files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("dataset.jsonl", "rejects.jsonl", "README.md")}


@pytest.mark.parametrize("asked", ["--attempts={1: 6, 2: 12, 3: 12}", "--accepted={1: 3, 2: 5, 3: 5}"])
def test_killed_at_10_random_moments_it_ends_with_the_same_bytes(
    server: ChatServer, started: Forge, tmp_path: Path, asked: str
) -> None:
    server.respond, server.delay_s = answer, 0.03
    output = tmp_path / "output"
    assert started.run(served(server, tmp_path / "whole", "off", asked, "--gradings=2"), output) == 0, (
        output.read_text()
    )
    whole = files(tmp_path / "whole")
    assert whole["dataset.jsonl"]
    assert {json.loads(line)["outcome"] for line in whole["rejects.jsonl"].splitlines()} >= {"failed", "duplicate"}

    draw = random.Random(asked)
    kills = runs = 0
    while kills < KILLS:  # a run that gets to its end is followed by another one
        runs += 1
        folder, cache = tmp_path / f"run{runs}", tmp_path / f"cache{runs}.sqlite"
        status = -9
        while status != 0:
            seen = len(server.calls)
            pid = started.start(served(server, folder, cache, asked, "--gradings=2"), output)
            if kills < KILLS:
                end = time.monotonic() + 3.0
                wanted = seen + draw.randint(0, 25)
                while len(server.calls) < wanted and time.monotonic() < end:
                    time.sleep(0.002)
                status = started.kill_after(pid, draw.uniform(0, 0.06))
                kills += status == -9
            else:
                status = started.wait(pid)
            assert status in (0, -9), output.read_text()
        assert files(folder) == whole


def test_the_accepted_texts_are_as_many_as_were_asked_for(server: ChatServer, started: Forge, tmp_path: Path) -> None:
    server.respond = answer
    output = tmp_path / "output"
    args = served(server, tmp_path / "run", "off", "--accepted={1: 3, 2: 5}", "--json=true")
    assert started.run(args, output) == 0, output.read_text()
    document = json.loads(output.read_text())
    assert document["kept"] == 8
    rows = read_dataset(tmp_path / "run" / "dataset.jsonl")
    assert [row.k for row in rows] == [1] * 3 + [2] * 5
    assert [len(row.messages) for row in rows] == [4] * 8  # two turns
    assert len({row.text for row in rows}) == 8


def test_a_budget_stops_it_with_one_line_and_the_data_set_of_what_there_is(
    server: ChatServer, started: Forge, tmp_path: Path
) -> None:
    server.respond = answer
    output, prices = tmp_path / "output", tmp_path / "prices.yaml"
    prices.write_text("writer: {input: 100, output: 1000}\njudge: {input: 100, output: 1000}\n")
    args = served(server, tmp_path / "run", "off", "--attempts={2: 60}", f"--prices={prices}")
    assert started.run([*args, "--budget_usd=1.1"], output) == 1
    (line,) = output.read_text().splitlines()
    assert line.startswith("stopped: the budget of $1.1")
    some = (tmp_path / "run" / "dataset.jsonl").read_bytes()
    assert started.run([*args, "--budget_usd=20"], output) == 0
    all_of_them = (tmp_path / "run" / "dataset.jsonl").read_bytes()
    assert some.count(b"\n") < all_of_them.count(b"\n")
    (k2,) = json.loads((tmp_path / "run" / "yield.json").read_text())["ks"]
    assert k2["cost_usd"] == pytest.approx(60 * 3 * 0.004)
    assert "spent: $0.7200, " in output.read_text()


def test_batches_are_sent_wave_by_wave_and_make_the_same_data_set(
    server: ChatServer, started: Forge, tmp_path: Path
) -> None:
    batches = BatchServer()
    server.respond = batches.respond = answer
    output, asked = tmp_path / "output", ["--accepted={1: 3, 2: 5}", "--gradings=2"]
    assert started.run(served(server, tmp_path / "whole", "off", *asked), output) == 0, output.read_text()
    settings = ("batch=true", "batch_poll_seconds=0.01")
    batch = [f"--{part}.{setting}" for part in ("student", "grader") for setting in settings]
    with serving(batches.routes() + routes(server)) as batches.base_url:
        args = served(batches, tmp_path / "batched", "off", *asked, *batch)
        assert started.run(args, output) == 0, output.read_text()
    assert files(tmp_path / "batched")["dataset.jsonl"] == files(tmp_path / "whole")["dataset.jsonl"]
    assert len(batches.batches) > 3
    assert len(batches.batches) % 3 == 0  # two turns and a grading in each wave


def test_offline_it_takes_no_more_than_how_many(verb: Verb, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    status, printed, error = verb("synthesize", "--attempts={1: 20, 2: 20}", "--out", folder)
    assert (status, error) == (0, "")
    assert f"40 texts in {folder}/dataset.jsonl" in printed
    assert len(read_dataset(folder / "dataset.jsonl")) == 40
    manifest = Run(folder).manifest()
    assert manifest["student"] == {"class": "TemplateStudent", "settings": {"catalogue": "verifiable", "seed": 0}}
    assert manifest["plan"]["attempts"] == {"1": 20, "2": 20}
    again = verb("synthesize", "--attempts={1: 20, 2: 20}", "--out", folder, "--json=true")
    assert json.loads(again[1])["kept"] == 40


def test_a_full_disk_ends_it_with_one_line_and_it_goes_on_from_there(started: Forge, tmp_path: Path) -> None:
    output, args = tmp_path / "output", ["synthesize", "--attempts={2: 40}", f"--out={tmp_path / 'run'}"]
    for limit_bytes, status in ((400, 2), (8_000, 1), (35_000, 1)):  # the manifest, the records, the data set
        assert started.run(args, output, limit_bytes=limit_bytes) == status
        (line,) = output.read_text().splitlines()
        assert "cannot be written (File too large)" in line
    assert started.run(args, output) == 0, output.read_text()
    whole = ["synthesize", "--attempts={2: 40}", f"--out={tmp_path / 'whole'}"]
    assert started.run(whole, output) == 0
    assert files(tmp_path / "run") == files(tmp_path / "whole")


def test_a_run_that_was_asked_for_something_else_is_refused(verb: Verb, tmp_path: Path) -> None:
    assert verb("synthesize", "--attempts={1: 4}", "--out", tmp_path / "run")[0] == 0
    status, _, error = verb("synthesize", "--attempts={1: 5}", "--out", tmp_path / "run")
    assert status == 2
    assert "plan.attempts.1: 4 → 5" in error


def test_the_same_model_may_write_and_grade_only_where_that_is_said(
    server: ChatServer, started: Forge, tmp_path: Path
) -> None:
    server.respond, output = answer, tmp_path / "output"
    args = served(server, tmp_path / "run", "off", "--attempts={1: 1}", "--grader.model=writer")
    assert started.run(args, output) == 2
    assert "its own grader" in output.read_text()
    assert server.calls == []


def test_datasets_loads_the_file_and_the_folder_as_they_are(verb: Verb, tmp_path: Path) -> None:
    import datasets

    folder = tmp_path / "run"
    assert verb("synthesize", "--attempts={1: 15, 2: 15, 3: 15}", "--gradings=2", "--out", folder)[0] == 0
    cache = str(tmp_path / "cache")
    loaded = datasets.load_dataset("json", data_files=str(folder / "dataset.jsonl"), split="train", cache_dir=cache)
    assert loaded.num_rows == 45
    assert [row["messages"] for row in loaded] == [row.chat() for row in read_dataset(folder / "dataset.jsonl")]
    assert datasets.load_dataset(str(folder), cache_dir=cache)["train"].num_rows == 45


def test_trl_trains_on_the_file_as_it_is(verb: Verb, tmp_path: Path) -> None:
    import datasets
    import trl  # costs seconds: only where this test is asked for

    assert verb("synthesize", "--attempts={1: 4, 2: 4}", "--prompts=paper-v1", "--out", tmp_path / "run")[0] == 0
    file, cache = str(tmp_path / "run" / "dataset.jsonl"), str(tmp_path / "cache")
    rows = datasets.load_dataset("json", data_files=file, split="train", cache_dir=cache)
    settings = trl.SFTConfig(
        output_dir=str(tmp_path / "fit"),
        max_steps=1,
        per_device_train_batch_size=2,
        max_length=None,  # 1,024 by default; prompts of two turns are longer
        report_to=[],
        use_cpu=True,
    )
    trainer = trl.SFTTrainer(model=str(save_tiny_model(tmp_path / "model")), args=settings, train_dataset=rows)
    chats = [tiny_tokenizer().apply_chat_template(row["messages"], tokenize=False) for row in rows]
    assert [trainer.processing_class.decode(row["input_ids"]) for row in trainer.train_dataset] == chats
    done = trainer.train()
    assert done.global_step == 1
    assert math.isfinite(done.training_loss)


@pytest.mark.parametrize("config", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_configs_are_read_as_they_are(config: Path) -> None:
    read = parse(
        "synthesize", make_dataset, ["--config", str(config)], {}, {"student": "TemplateStudent", "grader": None}
    )
    assert list(read["attempts"]) == [1, 2, 3]
    assert read["out"] == f"data/{config.stem}"
    assert config.read_text().count(f"--config configs/data/{config.name}") == 1
