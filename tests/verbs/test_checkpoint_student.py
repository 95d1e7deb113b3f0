"""A fit's checkpoint writes as the folder that is exported from it does, without that folder."""

import shutil
from pathlib import Path

import pytest
import torch

from skillmix_lightning.cli import main
from skillmix_lightning.models import load_causal_lm, load_tokenizer
from skillmix_lightning.runs import Run
from skillmix_lightning.training.export import export_checkpoint
from skillmix_lightning.verbs.checkpoint_student import load

SMALL = ["--combinations=2", "--generations=1", "--gradings=1", "--ks=[1,2]", "--splits=[train]"]
WRITING = ["--student.max_new_tokens=8", "--student.temperature=1", "--student.autocast=false"]


@pytest.fixture(scope="module")
def fits(exported_fits):
    return exported_fits


def evaluate(model: Path, out: Path) -> int:
    return main(["evaluate", f"--student.model={model}", *WRITING, *SMALL, f"--out={out}"])


def texts(run: Path) -> dict[str, str]:
    return {c.combination.id: c.turns[-1]["content"] for c in Run(run).compositions()}


@pytest.mark.parametrize("name", ["full", "lora"])
def test_weights_are_those_of_the_exported_folder(fits, tmp_path, name):
    checkpoint = fits / name / "checkpoints" / "last"
    export_checkpoint(checkpoint, tmp_path / "hf")
    model, tokenizer = load(checkpoint)
    expected = load_causal_lm(str(tmp_path / "hf"))
    assert model.state_dict().keys() == expected.state_dict().keys()
    for key, weight in expected.state_dict().items():
        assert torch.equal(model.state_dict()[key], weight), key
    assert model.generation_config.eos_token_id == expected.generation_config.eos_token_id
    assert not model.training
    assert tokenizer.chat_template == load_tokenizer(str(tmp_path / "hf")).chat_template


@pytest.mark.parametrize("name", ["full", "lora"])
def test_texts_are_those_of_the_exported_folder(fits, tmp_path, name):
    checkpoint = fits / name / "checkpoints" / "last"
    export_checkpoint(checkpoint, tmp_path / "hf")
    assert evaluate(tmp_path / "hf", tmp_path / "exported") == 0
    assert evaluate(checkpoint, tmp_path / "direct") == 0
    assert texts(tmp_path / "direct") == texts(tmp_path / "exported")
    assert len(set(texts(tmp_path / "direct").values())) == 4
    assert {c.student for c in Run(tmp_path / "direct").compositions()} == {str(checkpoint)}
    student = Run(tmp_path / "direct").manifest()["student"]
    assert student["settings"]["model"] == str(checkpoint)
    assert student["checkpoint"]["step"] == 3
    assert "checkpoint" not in Run(tmp_path / "exported").manifest()["student"]


def test_other_weights_under_the_same_name_are_refused(fits, tmp_path, capfd):
    link = tmp_path / "last"
    link.symlink_to((fits / "full" / "checkpoints" / "last").resolve())
    assert evaluate(link, tmp_path / "run") == 0
    assert evaluate(link, tmp_path / "run") == 0
    retrained = shutil.copytree(link.resolve(), tmp_path / "other")
    (shard,) = (retrained / "tensors").glob("__0_*")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    link.unlink()
    link.symlink_to(retrained)
    capfd.readouterr()
    assert evaluate(link, tmp_path / "run") == 2
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert "student.checkpoint.sha256: " in line


def test_a_folder_that_is_neither_is_one_line_and_leaves_no_run(fits, tmp_path, capfd):
    assert evaluate(fits / "full" / "checkpoints", tmp_path / "run") == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line == (
        f"error: {fits / 'full' / 'checkpoints'}: holds neither config.json nor complete.json, so it is neither a "
        "Hugging Face model folder nor a fit's checkpoint; give one of them, such as the `last` among a fit's "
        "checkpoints"
    )
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_that_is_not_whole_is_one_line_and_leaves_no_run(fits, tmp_path, capfd):
    cut = shutil.copytree((fits / "full" / "checkpoints" / "last").resolve(), tmp_path / "step=3")
    next((cut / "tensors").glob("__0_*")).write_bytes(b"")
    assert evaluate(cut, tmp_path / "run") == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "is missing or cut short" in line
    assert not (tmp_path / "run").exists()
