"""`merge`: the shards of a plan, joined, are the run that the whole plan makes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from skillmix_lightning.cli import main
from skillmix_lightning.runs import Run

Verb = Callable[..., tuple[int, str, str]]
EVALUATION = [
    "evaluate",
    "--student=TemplateStudent",
    "--combinations=5",
    "--generations=2",
    "--gradings=2",
    "--ks=[1,2]",
]
SYNTHESIS = ["synthesize", "--attempts={1: 12, 2: 7}"]


@pytest.fixture
def verb(capfd: pytest.CaptureFixture[str]) -> Verb:
    """Runs a verb; returns (exit status, standard output, standard error)."""

    def run(*args: object) -> tuple[int, str, str]:
        status = main([str(arg) for arg in args])
        return (status, *capfd.readouterr())

    return run


def shards(verb: Verb, folder: Path, command: list[str], of: int = 3) -> list[Path]:
    made = [folder / f"shard{number}" for number in range(1, of + 1)]
    for number, out in enumerate(made, start=1):
        assert verb(*command, f"--shard={number}/{of}", "--out", out)[0] == 0
    return made


def asked(folder: Path) -> dict:
    manifest = Run(folder).manifest()
    return {name: manifest[name] for name in ("plan", "catalogue_id", "prompts", "student", "grader")}


def test_merged_evaluations_are_the_whole_one(verb: Verb, tmp_path: Path) -> None:
    parts, whole, merged = shards(verb, tmp_path, EVALUATION), tmp_path / "whole", tmp_path / "merged"
    assert verb(*EVALUATION, "--out", whole)[0] == 0
    assert sum(len(Run(part).compositions()) for part in parts) == len(Run(whole).compositions()) == 2 * 2 * 5 * 2
    status, printed, _ = verb("merge", *reversed(parts), "--out", merged, "--json=true")
    assert status == 0
    assert json.loads(printed)["scores"] == json.loads((whole / "scores.json").read_text())["scores"]
    assert asked(merged) == asked(whole)
    texts = [{(c.combination.id, c.generation): c for c in Run(run).compositions()} for run in (whole, merged)]
    assert texts[0] == texts[1]
    before = Run(merged).grades_file.read_bytes()
    assert verb("merge", *parts, "--out", merged)[0] == 0
    assert verb(*EVALUATION, "--out", merged)[0] == 0  # nothing is left to do
    assert Run(merged).grades_file.read_bytes() == before


def test_merged_syntheses_are_the_data_set_of_the_whole_plan(verb: Verb, tmp_path: Path) -> None:
    parts, whole, merged = shards(verb, tmp_path, SYNTHESIS), tmp_path / "whole", tmp_path / "merged"
    assert verb(*SYNTHESIS, "--out", whole)[0] == 0
    status, printed, _ = verb("merge", parts[1], parts[0], parts[2], "--out", merged)
    assert status == 0
    assert "19 texts in" in printed
    for name in ("dataset.jsonl", "rejects.jsonl", "yield.json", "README.md"):
        assert (merged / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_merge_that_was_killed_is_gone_on_with(verb: Verb, tmp_path: Path) -> None:
    parts, merged = shards(verb, tmp_path, SYNTHESIS, of=2), tmp_path / "merged"
    assert verb("merge", *parts, "--out", merged)[0] == 0
    run = Run(merged)
    whole = {path: path.read_bytes() for path in (run.compositions_file, run.grades_file, merged / "dataset.jsonl")}
    for path, size in ((run.compositions_file, 3000), (run.grades_file, 500)):
        path.write_bytes(path.read_bytes()[:size])
    assert verb("merge", *parts, "--out", merged)[0] == 0
    assert {path: path.read_bytes() for path in whole} == whole


def test_what_does_not_belong_together_is_refused_with_one_line(verb: Verb, tmp_path: Path) -> None:
    parts, merged = shards(verb, tmp_path, SYNTHESIS), tmp_path / "merged"
    whole, other = tmp_path / "whole", tmp_path / "other"
    assert verb(*SYNTHESIS, "--out", whole)[0] == 0
    assert verb(*SYNTHESIS, "--seed=1", "--shard=3/3", "--out", other)[0] == 0
    for runs, problem in (
        (parts[:2], "merge: shard 3/3 is missing"),
        ([parts[0], parts[0], parts[2]], "shard 1/3 is given 2 times; shard 2/3 is missing"),
        ([*parts, whole], f"merge: {whole} is no shard"),
        ([*parts[:2], other], "plan.seed: 0 → 1"),
        ([*parts[:2], tmp_path / "nowhere"], "holds no run"),
    ):
        status, _, error = verb("merge", *runs, "--out", merged)
        assert status == 2
        assert problem in error
        assert len(error.splitlines()) == 1
        assert not merged.exists()
