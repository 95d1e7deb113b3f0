"""The command line as a user meets it: exit status, one line for a mistake, every shipped config."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from examples import dataset_rows, write_dataset
from tiny import CHATML, save_tiny_model

from skillmix_lightning.cli import VERBS, main
from skillmix_lightning.verbs.fitting import FitCLI

CONFIGS = Path(__file__).parents[2] / "configs"
ALONE = sorted((CONFIGS / "verifiable").rglob("*.yaml"))  # tests/configs composes the others


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(save_tiny_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data") / "d.jsonl", dataset_rows(12))


@pytest.fixture(autouse=True)
def _no_command_line_of_pytests_own(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["skillmix_lightning"])


@pytest.fixture
def fit(model, dataset, tmp_path, capfd):
    """Runs `fit` for two steps on the tiny model; returns (exit status, standard error)."""

    def run(*args: str) -> tuple[int, str]:
        settings = {
            "--model.model": model,
            "--data.dataset": str(dataset),
            "--trainer.default_root_dir": str(tmp_path / "out"),
            "--trainer.accelerator": "cpu",
            "--trainer.max_steps": "2",
            "--data.global_batch_size": "4",
            "--evaluation.combinations": "1",
            "--evaluation.max_new_tokens": "4",
        }
        given = {arg.split("=")[0] for arg in args}
        defaults = [f"{name}={value}" for name, value in settings.items() if name not in given]
        configs = [arg for arg in args if arg.startswith("--config")]
        status = main(["fit", *configs, *defaults, *(arg for arg in args if arg not in configs)])
        return status, capfd.readouterr().err

    return run


def assert_one_clear_line(result: tuple[int, str], *parts: str) -> None:
    status, stderr = result
    lines = [line for line in stderr.splitlines() if line.startswith("error:")]
    assert status == 2, stderr
    assert len(lines) == 1, stderr
    assert stderr.rstrip().endswith(lines[0]), stderr
    assert "Traceback" not in stderr
    for part in parts:
        assert part in lines[0]


@pytest.mark.parametrize("config", ALONE, ids=lambda path: path.stem)
def test_every_shipped_config_runs(fit, config, tmp_path):
    status, stderr = fit(f"--config={config}")
    assert status == 0, stderr
    assert list((tmp_path / "out").rglob("checkpoints/last"))
    evaluates = yaml.safe_load(config.read_text())["evaluation"]["splits"] != []
    assert bool(list((tmp_path / "out").rglob("skillmix/step=000002/scores.json"))) == evaluates
    assert list((tmp_path / "out").rglob("events.out.tfevents.*"))


@pytest.mark.parametrize("config", ALONE, ids=lambda path: path.stem)
def test_every_shipped_config_opens_with_its_command(config):
    head = config.read_text().splitlines()[:3]
    assert any(f"--config {config.relative_to(CONFIGS.parent)}" in line for line in head)


def test_a_value_given_on_the_command_line_wins_over_the_config(capfd):
    config = ALONE[0]
    with pytest.raises(SystemExit) as done:
        main(["fit", f"--config={config}", "--model.learning_rate=0.125", "--print_config"])
    assert done.value.code == 0
    assert "learning_rate: 0.125" in capfd.readouterr().out


def test_an_unknown_skill_in_a_data_set(fit, tmp_path):
    rows = dataset_rows(3)
    rows[2]["skills"] = ["anafora"]
    path = write_dataset(tmp_path / "d.jsonl", rows)
    result = fit(f"--data.dataset={path}", "--data.catalogue=verifiable")
    assert_one_clear_line(result, f"{path}, line 3", '"anafora"', 'did you mean "anaphora"')


def test_a_malformed_line(fit, tmp_path):
    rows = dataset_rows(3)
    rows[1]["messages"] = "Write."
    path = write_dataset(tmp_path / "d.jsonl", rows)
    assert_one_clear_line(fit(f"--data.dataset={path}"), f"{path}, line 2, field messages")


def test_a_chat_template_without_assistant_turns(fit, tmp_path):
    template = CHATML.replace("{% for", "{% for", 1).replace(
        "in messages %}", "in messages if message['role'] == 'user' %}"
    )
    model = save_tiny_model(tmp_path / "model", template)
    assert_one_clear_line(fit(f"--model.model={model}"), "the chat template writes no assistant turns")


def test_an_example_without_target_tokens(fit, tmp_path):
    rows = dataset_rows(3)
    rows[0]["messages"][1]["content"] = "  "
    path = write_dataset(tmp_path / "d.jsonl", rows)
    assert_one_clear_line(fit(f"--data.dataset={path}"), f"id {rows[0]['id']}", "assistant's turn is empty")


def test_a_missing_model_folder(fit):
    assert_one_clear_line(fit("--model.model=./no/such/model"), "./no/such/model: no such folder")


def test_a_missing_data_set(fit, tmp_path):
    assert_one_clear_line(fit(f"--data.dataset={tmp_path}/none.jsonl"), "none.jsonl: the data set cannot be read")


def test_an_unwritable_output_folder(fit, tmp_path):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "out"
    result = fit(f"--trainer.default_root_dir={folder}")
    assert_one_clear_line(result, str(folder), "the output folder cannot be written", "--trainer.default_root_dir")


def test_an_unknown_key_in_a_config(fit, tmp_path):
    config = tmp_path / "mine.yaml"
    config.write_text("model:\n  learning_rat: 0.1\n")
    assert_one_clear_line(fit(f"--config={config}"), "learning_rat")


def test_a_value_of_the_wrong_type(fit):
    assert_one_clear_line(fit("--model.warmup_steps=many"), "warmup_steps", "many")


def test_a_missing_config(fit, tmp_path):
    assert_one_clear_line(fit(f"--config={tmp_path}/none.yaml"), "none.yaml")


def test_an_evaluation_that_cannot_be_carried_out(fit):
    assert_one_clear_line(fit("--evaluation.ks=[9]"), "k=9", "k can be 1 to 8")


@pytest.mark.parametrize(("bf16_hardware", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_the_precision_is_the_fastest_of_the_machine(fit, monkeypatch, bf16_hardware, precision):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16_hardware)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    made = []
    monkeypatch.setattr(FitCLI, "before_fit", lambda cli: made.append(cli.trainer.precision))
    assert fit()[0] == 0
    assert made == [precision]


def test_a_precision_that_is_set_is_kept(fit, monkeypatch):
    made = []
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(FitCLI, "before_fit", lambda cli: made.append(cli.trainer.precision))
    assert fit("--trainer.precision=32-true")[0] == 0
    assert made == ["32-true"]


def test_a_fit_without_a_progress_bar(fit):
    status, stderr = fit("--trainer.enable_progress_bar=false")
    assert status == 0, stderr


def test_the_list_of_verbs(capfd):
    assert main(["--help"]) == 0
    out = capfd.readouterr().out
    assert all(verb in out for verb in VERBS)


def test_an_unknown_verb(capfd):
    status = main(["fti"])
    assert_one_clear_line((status, capfd.readouterr().err), "fti")


@pytest.mark.parametrize(
    ("setting", "mend"),
    [
        ("--trainer.max_steps=-1", "give their number"),
        ("--trainer.accumulate_grad_batches=2", "--data.global_batch_size"),
        ("--trainer.gradient_clip_val=1.0", "--model.gradient_clip"),
        ("--trainer.precision=bf16-true", "use bf16-mixed or 32-true"),
    ],
)
def test_trainer_settings_that_do_not_fit_this_package(fit, setting, mend):
    assert_one_clear_line(fit(setting), mend)


def test_validate_gives_the_loss_of_a_checkpoint(fit, model, dataset, tmp_path, capfd):
    assert fit("--data.validation_share=0.3")[0] == 0
    (checkpoint,) = (tmp_path / "out").rglob("checkpoints/last")
    args = [f"--model.model={model}", f"--data.dataset={dataset}", "--data.validation_share=0.3"]
    args += ["--trainer.accelerator=cpu", f"--trainer.default_root_dir={tmp_path}/val", f"--ckpt_path={checkpoint}"]
    assert main(["validate", *args]) == 0
    assert "val/loss" in capfd.readouterr().out


@pytest.mark.parametrize("checkpoint", ["last", "best"])
def test_a_fit_goes_on_from_its_own_checkpoint(fit, tmp_path, checkpoint):
    assert fit()[0] == 0
    status, stderr = fit("--trainer.max_steps=3", f"--ckpt_path={checkpoint}")
    assert status == 0, stderr
    saved = {path.name for path in (tmp_path / "out").rglob("checkpoints/step=*")}
    assert saved == {"step=000002", "step=000003"}
    assert len(list((tmp_path / "out").rglob("skillmix/step=000000"))) == 1  # the resumed fit has evaluated its start


def test_a_best_checkpoint_that_is_not_there(fit):
    assert_one_clear_line(fit("--ckpt_path=best"), "--ckpt_path best", "name a folder")


def test_a_checkpoint_that_is_not_there(fit):
    assert_one_clear_line(fit("--ckpt_path=no/such/step"), "no/such/step: no checkpoint folder")


def test_the_module_runs_as_a_program(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "skillmix_lightning", "fit", "--model.warmup_steps", "many"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error:")


def test_no_verb():
    done = subprocess.run([sys.executable, "-m", "skillmix_lightning"], capture_output=True, text=True)
    assert_one_clear_line((done.returncode, done.stderr), "a verb is missing; give one of fit, validate, test")


def test_whoever_reads_the_output_may_stop_reading():
    verb = subprocess.Popen(
        [sys.executable, "-m", "skillmix_lightning", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    verb.stdout.close()
    assert verb.stderr.read() == b""
    assert verb.wait() == 1


def test_the_texts_of_an_evaluation_are_readable_json(fit, tmp_path):
    assert fit()[0] == 0
    (file,) = (tmp_path / "out").rglob("step=000002/compositions.jsonl")
    for line in file.read_text().splitlines():
        assert {"combination_id", "k", "split", "skills", "topic", "turns", "text", "student"} <= json.loads(
            line
        ).keys()
