import json
from pathlib import Path

import pytest
import torch
from tiny import save_tiny_model

from skillmix_lightning.errors import InputError
from skillmix_lightning.models import load_causal_lm, load_tokenizer, resolve_model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny_model(tmp_path_factory.mktemp("tiny")))


def error_of(load, name: str) -> str:
    with pytest.raises(InputError) as refused:
        load(name)
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_a_model_folder_loads_in_fp32_and_in_evaluation_mode(tiny: str) -> None:
    model = load_causal_lm(tiny)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}
    assert not model.training


def test_dtype_and_attention_can_be_chosen(tiny: str) -> None:
    model = load_causal_lm(tiny, torch.bfloat16, "eager")
    assert model.dtype == torch.bfloat16
    assert model.config._attn_implementation == "eager"


def test_the_tokenizer_comes_with_its_chat_template(tiny: str) -> None:
    tokenizer = load_tokenizer(tiny)
    said = tokenizer.apply_chat_template([{"role": "user", "content": "Write."}], tokenize=False)
    assert said == "<|im_start|>user\nWrite.<|im_end|>\n"


def test_folders_and_hub_names_resolve_to_themselves(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_model(tiny) == tiny
    assert resolve_model("HuggingFaceTB/SmolLM2-135M-Instruct") == "HuggingFaceTB/SmolLM2-135M-Instruct"
    monkeypatch.setenv("HOME", str(Path(tiny).parent))
    assert resolve_model(f"~/{Path(tiny).name}") == tiny


@pytest.mark.parametrize("name", ["./models/mine", "/no/such/model", "~/no_such_model", "a/b/c", "models\\mine"])
def test_a_missing_folder_is_one_line(name: str) -> None:
    assert error_of(resolve_model, name) == (
        f"{name}: no such folder; give a model folder, a hub name, or embedded:smollm2-135m-instruct"
    )


def test_a_folder_without_a_config_is_one_line(tmp_path: Path) -> None:
    assert error_of(resolve_model, str(tmp_path)) == (
        f"{tmp_path}: the folder holds no config.json, so it is no Hugging Face model folder"
    )


def test_an_unknown_embedded_model_is_one_line() -> None:
    assert error_of(resolve_model, "embedded:llama") == (
        'no embedded model is called "embedded:llama"; there is embedded:smollm2-135m-instruct'
    )


@pytest.mark.parametrize(("load", "what"), [(load_causal_lm, "model"), (load_tokenizer, "tokenizer")])
@pytest.mark.parametrize("config", ["{}", "[]", "not json", '{"model_type": "nothing"}', '{"model_type": "llama"}'])
def test_a_broken_model_folder_is_one_line(tmp_path: Path, load, what: str, config: str) -> None:
    (tmp_path / "config.json").write_text(config)
    message = error_of(load, str(tmp_path))
    assert message.startswith(f"{tmp_path}: the {what} cannot be loaded (")
    assert message.endswith("); give a model folder or a hub name")


def test_a_hub_name_that_cannot_be_reached_is_one_line() -> None:
    message = error_of(load_causal_lm, "nobody/no-such-model")
    assert message.startswith("nobody/no-such-model: the model cannot be loaded (")


def test_damaged_weights_are_one_line(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path)
    (folder / "model.safetensors").write_bytes(b"damaged")
    assert error_of(load_causal_lm, str(folder)).startswith(f"{folder}: the model cannot be loaded (")


def with_config(folder: Path, **changed: object) -> str:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changed}))
    return str(folder)


@pytest.mark.parametrize("hidden_size", [64, "wide"])
def test_weights_that_do_not_fit_the_config_are_one_line(tmp_path: Path, hidden_size: object) -> None:
    folder = with_config(save_tiny_model(tmp_path), hidden_size=hidden_size)
    assert error_of(load_causal_lm, folder).startswith(f"{folder}: the model cannot be loaded (")


def test_missing_weights_are_refused_and_not_left_random(tmp_path: Path) -> None:
    folder = with_config(save_tiny_model(tmp_path), num_hidden_layers=3)
    assert error_of(load_causal_lm, folder) == (
        f"{folder}: 9 of the model's weights are not in its files, the first is "
        "model.layers.2.input_layernorm.weight; give a complete model folder"
    )
