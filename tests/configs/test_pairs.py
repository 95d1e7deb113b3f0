"""Every config of configs/paper/ with every machine of configs/hardware/.

All 40 pairs are read as `fit` reads them. Trained for two steps is one pair of each kind, {Llama, Mistral} x {sharded,
adapters, whole}: what a pair has besides its kind is numbers (which texts, how many of them, which sizes).
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from examples import dataset_rows, write_dataset
from paper_models import save_family

from skillmix_lightning.cli import main
from skillmix_lightning.training.adapters import LoraSettings, add_lora
from skillmix_lightning.training.estimate import estimate_memory
from skillmix_lightning.training.estimate_models import shape_on_meta
from skillmix_lightning.verbs.estimate import fit_settings, read_config

CONFIGS = Path(__file__).parents[2] / "configs"
BASE = CONFIGS / "paper" / "base.yaml"
FITS = sorted(path for path in (CONFIGS / "paper").glob("*.yaml") if path != BASE)
MACHINES = sorted((CONFIGS / "hardware").glob("*.yaml"))
KS = {"d1": [1], "d12": [1, 2], "d123": [1, 2, 3], "d123_8000": [1, 2, 3]}
RANKS = {"fsdp2_4x80gb": 4, "qlora_1x80gb": 1, "qlora_1x24gb": 1, "many_nodes": 16, "cpu": 1}

by_name = pytest.mark.parametrize("fit", FITS, ids=lambda path: path.stem)
on_each = pytest.mark.parametrize("machine", MACHINES, ids=lambda path: path.stem)


@pytest.fixture(autouse=True)
def _no_command_line_of_pytests_own(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["skillmix_lightning"])


def composed(fit: Path, machine: Path):
    return read_config([f"--config={path}" for path in (BASE, fit, machine)])


def peak_gib(config) -> float:
    model = shape_on_meta(config.model.model)
    if config.model.lora is not None:
        add_lora(model, LoraSettings(**vars(config.model.lora)))
    ranks = int(config.trainer.devices) * config.trainer.num_nodes
    return estimate_memory(model, fit_settings(config, ranks)).peak / 2**30


def test_there_are_two_models_on_four_data_sets_and_five_machines():
    assert {path.stem for path in FITS} == {f"{model}_{data}" for model in ("llama2_13b", "mistral_7b") for data in KS}
    assert {path.stem for path in MACHINES} == set(RANKS)


@by_name
@on_each
def test_every_pair_is_the_papers_fit_on_that_machine(fit, machine):
    config = composed(fit, machine)
    family, data = fit.stem.split("_d")
    assert config.model.model.split("/")[1].lower().startswith(family[:5])
    assert config.data.tokenizer == config.model.model
    assert config.data.ks == KS[f"d{data}"]
    assert (config.data.subset, config.data.subset_mix) == ((8000, {3: 2000}) if "8000" in data else (None, None))
    assert (config.trainer.max_steps, config.data.global_batch_size, config.data.max_length) == (4000, 64, 1024)
    assert (config.model.warmup_steps, config.model.schedule) == (64, "constant")
    assert config.trainer.default_root_dir == f"checkpoints/{fit.stem}"
    assert int(config.trainer.devices) * config.trainer.num_nodes == RANKS[machine.stem]
    if config.model.lora is None:
        assert (config.model.learning_rate, config.model.optimizer) == (2e-5, "adam")


@pytest.mark.parametrize(
    ("machine", "gib"), [("fsdp2_4x80gb", 80), ("qlora_1x80gb", 80), ("qlora_1x24gb", 24), ("many_nodes", 80)]
)
def test_every_fit_fits_its_machine_and_the_header_says_how_well(machine, gib):
    path = CONFIGS / "hardware" / f"{machine}.yaml"
    said = re.search(
        r"says (\d+) GiB .*?for LLaMA-2-13B and (\d+) for Mistral-7B", path.read_text().replace("\n# ", " ")
    )
    peaks = [
        peak_gib(composed(CONFIGS / "paper" / f"{model}_d123.yaml", path)) for model in ("llama2_13b", "mistral_7b")
    ]
    assert max(peaks) < gib * 0.93 - 2
    assert [round(peak) for peak in peaks] == [int(number) for number in said.groups()]


@pytest.mark.parametrize("path", [BASE, *FITS, *MACHINES], ids=lambda path: path.stem)
def test_every_config_opens_with_a_command_that_names_it(path):
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    (command,) = [line for line in head if "-m skillmix_lightning fit" in line]
    named = re.findall(r"--config (\S+)", command)
    assert str(path.relative_to(CONFIGS.parent)) in named
    assert named[0] == "configs/paper/base.yaml"
    assert all((CONFIGS.parent / name).exists() for name in named)
    assert len(named) == 3


def test_the_slurm_script_is_sound():
    script = CONFIGS / "hardware" / "many_nodes.sbatch"
    assert subprocess.run(["bash", "-n", str(script)], capture_output=True).returncode == 0
    text = script.read_text()
    for setting in ("--nodes=2", "--ntasks-per-node=8", "--requeue", "--signal=USR1@"):
        assert f"#SBATCH {setting}" in text
    assert "--ckpt_path last" in text


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return {name: save_family(name, tmp_path_factory.mktemp(name)) for name in ("llama", "mistral")}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    rows = [row for k in (1, 2, 3) for row in dataset_rows(6, prompts="paper-v1", k=k)]
    return write_dataset(tmp_path_factory.mktemp("data") / "d.jsonl", rows)


@pytest.mark.parametrize(
    ("fit", "machine", "ranks"),
    [
        ("llama2_13b_d123_8000", "fsdp2_4x80gb", 2),
        ("llama2_13b_d12", "qlora_1x24gb", 1),
        ("llama2_13b_d1", "cpu", 1),
        ("mistral_7b_d123", "many_nodes", 2),
        ("mistral_7b_d123_8000", "qlora_1x80gb", 1),
        ("mistral_7b_d12", "cpu", 1),
    ],
)
def test_each_kind_of_pair_trains(fit, machine, ranks, models, dataset, tmp_path):
    here = {
        "model.model": models["llama" if fit.startswith("llama") else "mistral"],
        "data.dataset": dataset,
        "data.global_batch_size": 4,
        "data.validation_share": 0.1,
        "trainer.max_steps": 2,
        "trainer.default_root_dir": tmp_path,
        # What only a GPU has, and more than one machine.
        "trainer.accelerator": "cpu",
        "trainer.devices": ranks,
        "trainer.num_nodes": 1,
        "trainer.precision": "32-true",
        "model.quantization": "null",
    }
    if "qlora" in machine:
        here["model.optimizer"] = "adamw8bit"  # paged states need CUDA
    if "8000" in fit:
        here |= {"data.subset": 8, "data.subset_mix": "{3: 2}"}
    configs = [f"--config={CONFIGS / f'{name}.yaml'}" for name in ("paper/base", f"paper/{fit}", f"hardware/{machine}")]
    args = ["fit", *configs, *(f"--{name}={value}" for name, value in here.items())]
    if ranks == 1:
        assert main(args) == 0
    else:
        command = [sys.executable, "-m", "skillmix_lightning", *args]
        env = {**os.environ, "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=env)
        assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"step=0*2", " ".join(str(path) for path in tmp_path.rglob("*")))
