"""Exported folders are compared with the weights that the fit's own ranks left, never with the exporter's reading."""

import json
import os
import shutil
import stat
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from skillmix_lightning.errors import InputError
from skillmix_lightning.training.export import bytes_of, export_checkpoint

IDS = torch.arange(40)[None] % 37


@pytest.fixture(scope="module")
def fits(exported_fits):
    return exported_fits


@pytest.fixture(scope="module")
def full(fits, tmp_path_factory):
    out = tmp_path_factory.mktemp("full") / "hf"
    export_checkpoint(fits / "full" / "checkpoints" / "last", out, max_shard_size="40KB")
    return out


def trained(fits: Path, name: str) -> dict[str, torch.Tensor]:
    left = torch.load(fits / name / "rank=0.pt", weights_only=False)
    prefix = "weights/model."
    return {key.removeprefix(prefix): value for key, value in left.items() if key.startswith(prefix)}


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(IDS).logits


def test_a_sharded_checkpoint_has_the_logits_of_the_trained_model(fits, full):
    expected = AutoModelForCausalLM.from_pretrained(fits / "model")
    before = logits(expected)
    expected.load_state_dict(trained(fits, "full"), strict=False)
    loaded = AutoModelForCausalLM.from_pretrained(full)
    assert (logits(loaded) - logits(expected)).abs().max() < 1e-6
    assert (logits(loaded) - before).abs().max() > 1e-4
    assert loaded.lm_head.weight is loaded.model.embed_tokens.weight


def test_safetensors_alone_finds_every_trained_weight_once_where_the_index_says(fits, full):
    index = json.loads((full / "model.safetensors.index.json").read_text())
    found = {}
    for name, file in index["weight_map"].items():
        with safe_open(full / file, framework="pt") as tensors:
            found[name] = tensors.get_tensor(name)
    expected = trained(fits, "full")
    assert found.keys() == expected.keys()
    assert "lm_head.weight" not in found  # tied
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in expected.values())


def test_files_are_as_small_as_asked_for(full):
    files = list(full.glob("model-*.safetensors"))
    assert len(files) > 1
    for file in files:
        assert sum(tensor.nbytes for tensor in load_file(file).values()) <= 40_000 or len(load_file(file)) == 1


def test_the_tokenizer_config_and_card_are_there(fits, full):
    tokenizer, base = (AutoTokenizer.from_pretrained(folder) for folder in (full, fits / "model"))
    chat = [{"role": "user", "content": "Write."}]
    assert tokenizer.apply_chat_template(chat) == base.apply_chat_template(chat)
    assert json.loads((full / "config.json").read_text())["architectures"] == ["LlamaForCausalLM"]
    assert (full / "generation_config.json").exists()
    card = (full / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\n")
    assert "Optimizer steps: 3" in card
    assert "| global_batch_size | 4 |" in card
    assert str(fits) not in card


def test_the_card_has_the_scores_before_and_up_to_the_checkpoint(fits, tmp_path):
    row = {
        "split": "held_out",
        "k": 3,
        "combinations": 20,
        "full_marks": 0.25,
        "all_skills": None,
        "skill_fraction": 0.5,
    }
    for step, k in ((0, 3), (3, 3), (9, 7)):
        run = fits / "full" / "skillmix" / f"step={step:06d}"
        run.mkdir(parents=True)
        document = {"protocol": "paper", "over_generations": "max", "scores": [{**row, "k": k}]}
        (run / "scores.json").write_text(json.dumps(document))
    export_checkpoint(fits / "full" / "checkpoints" / "last", tmp_path / "hf")
    card = (tmp_path / "hf" / "README.md").read_text()
    assert card.count("| held_out | 3 | 20 | 0.250 | not scored | 0.500 |") == 2
    assert "| held_out | 7 |" not in card


def test_adapters_are_merged_into_the_base_weights(fits, tmp_path):
    export_checkpoint(fits / "lora" / "checkpoints" / "last", tmp_path / "hf")
    base = AutoModelForCausalLM.from_pretrained(fits / "model")
    adapters = trained(fits, "lora")
    assert adapters
    expected = dict(base.named_parameters())
    with torch.no_grad():
        for name in list(expected):
            layer = name.removesuffix(".weight")
            if f"{layer}.lora_A.default.weight" in adapters:
                a, b = (adapters[f"{layer}.lora_{part}.default.weight"] for part in "AB")
                assert b.any()
                expected[name] += 16 / 4 * b @ a
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "hf")
    assert (logits(loaded) - logits(base)).abs().max() < 1e-6
    assert load_file(tmp_path / "hf" / "model.safetensors").keys() == expected.keys()


def test_base_weights_that_the_adapters_were_not_trained_on_are_refused(fits, tmp_path):
    checkpoint, base = tmp_path / "checkpoint", tmp_path / "base"
    shutil.copytree(fits / "lora" / "checkpoints" / "last", checkpoint)
    shutil.copytree(fits / "model", base)
    weights = load_file(base / "model.safetensors")
    lost = max(weights)
    save_file({name: tensor for name, tensor in weights.items() if name != lost}, base / "model.safetensors")
    mark = checkpoint / "complete.json"
    mark.write_text(json.dumps({**json.loads(mark.read_text()), "model_name": str(base)}))
    with pytest.raises(InputError) as refused:
        export_checkpoint(checkpoint, tmp_path / "hf")
    said = f"{base}: is not what the adapters of {checkpoint} were trained on: has no {lost}"
    assert str(refused.value) == said


def test_weights_can_be_read_by_whoever_the_umask_lets(fits, tmp_path):
    before = os.umask(0o027)
    try:
        export_checkpoint(fits / "full" / "checkpoints" / "last", tmp_path / "hf", "auto", "20KB")
    finally:
        os.umask(before)
    files = list((tmp_path / "hf").glob("model*"))
    assert len(files) > 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o640}


def test_bfloat16_halves_the_size(fits, full, tmp_path):
    files = export_checkpoint(fits / "full" / "checkpoints" / "last", tmp_path / "hf", "bfloat16")
    weights = load_file(tmp_path / "hf" / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    for name, tensor in trained(fits, "full").items():
        assert torch.equal(weights[name], tensor.bfloat16())
    assert json.loads((tmp_path / "hf" / "config.json").read_text())["dtype"] == "bfloat16"
    assert files["model.safetensors"] < sum(file.stat().st_size for file in full.glob("model-*.safetensors")) * 0.6


def test_an_existing_folder_and_what_is_no_checkpoint_are_refused(fits, full, tmp_path):
    with pytest.raises(InputError, match="is there already"):
        export_checkpoint(fits / "full" / "checkpoints" / "last", full)
    with pytest.raises(InputError, match=r"holds no complete\.json"):
        export_checkpoint(fits / "model", tmp_path / "hf")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("size", "number"), [("5GB", 5 * 10**9), ("1.5 MiB", 1572864), ("300kb", 300_000), ("7", 7), ("0.1", None)]
)
def test_sizes(size, number):
    if number is None:
        assert bytes_of(size) == 1
    else:
        assert bytes_of(size) == number


@pytest.mark.parametrize("size", ["", "five", "0GB", "-1GB", "5TB"])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(InputError, match="is no size"):
        bytes_of(size)
