"""`fit`'s manifest, and `test` and `predict` on its checkpoints."""

import hashlib
import json
import os
import socket
import subprocess
import sys

import pytest
from chat_server import refuses, says
from examples import dataset_rows, write_dataset
from tiny import save_tiny_model

from skillmix_lightning.errors import InputError
from skillmix_lightning.runs import Run
from skillmix_lightning.verbs import fitting, writing

TEST = "import sys; from skillmix_lightning.verbs import writing; writing.main('test', sys.argv[1:])"


@pytest.fixture(autouse=True)
def _no_command_line_of_pytests_own(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["skillmix_lightning"])


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """What all verbs are told: a tiny model, its data set, and two combinations of two cells."""
    model = save_tiny_model(tmp_path_factory.mktemp("model"))
    dataset = write_dataset(tmp_path_factory.mktemp("data") / "d.jsonl", dataset_rows(12))
    return {
        "--model.model": str(model),
        "--model.learning_rate": "0.05",
        "--model.warmup_steps": "0",
        "--data.dataset": str(dataset),
        "--data.global_batch_size": "4",
        "--data.validation_share": "0",
        "--trainer.accelerator": "cpu",
        "--trainer.precision": "32-true",
        "--evaluation.combinations": "2",
        "--evaluation.ks": "[1,2]",
        "--evaluation.splits": "[held_out]",
        "--evaluation.max_new_tokens": "6",
        "--evaluation.batch_size": "3",
    }


@pytest.fixture(scope="module")
def fit_folder(settings, tmp_path_factory):
    """A fit of three steps, with its evaluations and its checkpoint; its log folder."""
    root = tmp_path_factory.mktemp("fit")
    before = sys.argv
    sys.argv = ["skillmix_lightning"]
    fitting.main("fit", command(settings, {"--trainer.default_root_dir": str(root), "--trainer.max_steps": "3"}))
    sys.argv = before
    (folder,) = (root / "lightning_logs").iterdir()
    return folder


def command(settings, more):
    return [f"{name}={value}" for name, value in {**settings, **more}.items()]


@pytest.fixture
def run_verb(settings, tmp_path):
    """Runs `test` or `predict`; returns the run."""

    def run(verb, **more):
        options = {"--out": str(tmp_path / "run"), "--trainer.default_root_dir": str(tmp_path)}
        options |= {f"--{name}": str(value) for name, value in more.items()}
        writing.main(verb, command(settings, options))
        return Run(tmp_path / "run")

    return run


def texts(run):
    return {(c.combination, c.generation, c.text) for c in run.compositions()}


@pytest.mark.parametrize(("checkpoint", "step"), [(False, 0), (True, 3)])
def test_test_is_the_fits_own_evaluation_without_the_fit(run_verb, fit_folder, checkpoint, step, capfd):
    more = {"ckpt_path": fit_folder / "checkpoints" / "last"} if checkpoint else {}
    run = run_verb("test", **more)
    of_the_fit = Run(fit_folder / "skillmix" / f"step={step:06d}")
    assert len(texts(run)) == 4
    assert texts(run) == texts(of_the_fit)
    scores = [json.loads(each.scores_file.read_text()) for each in (run, of_the_fit)]
    assert scores[0] == scores[1]
    assert run.manifest()["step"] == (step if checkpoint else None)
    out = capfd.readouterr().out
    assert ("step 3" if checkpoint else "as loaded") in out
    assert "held_out" in out


def test_the_weights_of_the_fit_differ_from_those_it_began_with(fit_folder):
    first, last = (Run(fit_folder / "skillmix" / f"step={step:06d}") for step in (0, 3))
    assert texts(first) != texts(last)


def test_last_is_the_checkpoint_of_the_fit_with_these_settings(run_verb, fit_folder):
    run = run_verb("test", ckpt_path="last", **{"trainer.default_root_dir": fit_folder.parents[1]})
    assert texts(run) == texts(Run(fit_folder / "skillmix" / "step=000003"))


@pytest.mark.parametrize("verb", ["test", "predict"])
def test_a_last_checkpoint_that_is_not_there(run_verb, verb):
    with pytest.raises(InputError, match="--ckpt_path last: no checkpoint of a fit with these settings is found"):
        run_verb(verb, ckpt_path="last")


def test_a_stopped_test_goes_on_where_it_was_and_can_print_json_only(run_verb, capfd):
    run = run_verb("test")
    whole, lines = texts(run), run.compositions_file.read_text().splitlines(keepends=True)
    grades = run.grades_file.read_text().splitlines(keepends=True)
    run.compositions_file.write_text("".join(lines[:3]))
    run.grades_file.write_text("".join(grades[:1]))
    capfd.readouterr()
    assert texts(run_verb("test", json="true")) == whole
    assert len(run.compositions()) == len(run.grades()) == 4
    printed = json.loads(capfd.readouterr().out)
    assert printed["run"] == str(run.folder)
    assert printed["scores"] == json.loads(run.scores_file.read_text())["scores"]
    assert printed["spent"]["grader"] == {"usd": 0, "tokens": 0}


def test_a_run_of_other_weights_is_not_gone_on_with(run_verb, fit_folder):
    run_verb("test")
    with pytest.raises(InputError, match="holds a run that was asked for something else"):
        run_verb("test", ckpt_path=fit_folder / "checkpoints" / "last")


def test_predict_writes_what_the_plan_draws_and_grades_nothing(run_verb, fit_folder, capfd):
    run = run_verb("predict")
    assert texts(run) == texts(Run(fit_folder / "skillmix" / "step=000000"))
    assert not run.grades_file.exists()
    assert "4 texts" in capfd.readouterr().out


def test_without_out_the_run_is_in_the_log_folder(run_verb, tmp_path, capfd):
    run_verb("predict", out="null", json="true")
    folder = tmp_path / "lightning_logs" / "version_0" / "predict"
    assert len(Run(folder).compositions()) == 4
    assert json.loads(capfd.readouterr().out) == {"run": str(folder), "texts": 4}


def served(base_url):
    """A served grader, as the evaluation's options name it."""
    options = {"model": "m", "base_url": base_url, "api_key_env": "TEST_KEY", "catalogue": "verifiable", "attempts": 1}
    return {
        "evaluation.grader": "skillmix_lightning.graders.endpoint.EndpointGrader",
        **{f"evaluation.grader.{name}": value for name, value in options.items()},
        "evaluation.cache": "off",
    }


def test_a_served_grader_is_asked_and_its_nonsense_is_no_score(run_verb, fit_folder, server, capfd):
    server.default = says("No table today.")
    run = run_verb("test", ckpt_path=fit_folder / "checkpoints" / "last", **served(server.base_url))
    sent = {c.combination.id for c in run.compositions() if c.text}
    assert sent  # an empty text is put to no grader
    assert {grade.combination_id for grade in run.grades() if grade.status == "unparsed"} == sent
    assert len(server.calls) == 1 + len(sent)  # whether it answers at all, and then each text
    out = capfd.readouterr().out
    assert "unscored" in out
    assert "spent:" in out


def test_a_model_is_not_graded_by_itself_unless_that_is_allowed(run_verb, settings, server, tmp_path):
    served_itself = {**served(server.base_url), "evaluation.grader.model": settings["--model.model"]}
    options = {f"--{name}": str(value) for name, value in served_itself.items()}
    says_ = "is .*, the model that is trained, and models favour .* --evaluation.allow_self_grading true"
    with pytest.raises(InputError, match=says_):
        run_verb("test", **served_itself)
    with pytest.raises(InputError, match=says_):
        fitting.main("fit", command(settings, {"--trainer.default_root_dir": str(tmp_path), **options}))
    assert server.calls == []
    server.default = says("No table today.")
    run_verb("test", **served_itself, **{"evaluation.allow_self_grading": True})
    assert server.calls


def test_a_grader_that_does_not_answer_is_noticed_before_anything_is_written(run_verb, server, tmp_path):
    server.default = refuses(401, "no such key")
    with pytest.raises(InputError, match="401"):
        run_verb("test", **served(server.base_url))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_two_sharded_ranks_write_what_one_wrote(settings, fit_folder, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    more = {
        "--out": str(tmp_path / "run"),
        "--trainer.default_root_dir": str(tmp_path),
        "--trainer.strategy": "fsdp2",
        "--trainer.devices": "2",
        "--ckpt_path": str(fit_folder / "checkpoints" / "last"),
    }
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    told |= {"GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "test", "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", TEST, *command(settings, more)],
            env={**os.environ, **told, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [rank.communicate(timeout=200)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], "\n".join(errors)[-4000:]
    run = Run(tmp_path / "run")
    assert texts(run) == texts(Run(fit_folder / "skillmix" / "step=000003"))
    assert len(run.compositions()) == len(run.grades()) == 4


def combinations_file(folder, *rows):
    file = folder / "mine.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return file


@pytest.fixture
def rows():
    """Two combinations as a data set's rows name them."""
    return [{key: row[key] for key in ("skills", "topic", "split")} for row in dataset_rows(2)]


@pytest.mark.parametrize("verb", ["test", "predict"])
def test_given_combinations_are_written_whatever_the_plan_draws(run_verb, tmp_path, verb, rows):
    rows.append({"skills": ["anaphora"], "topic": "Sewing"})
    file = combinations_file(tmp_path, *rows)
    run = run_verb(verb, combinations_file=file, **{"data.dataset": "no/such/file.jsonl"})
    written = [c.combination for c in run.compositions()]
    expected = {(tuple(row["skills"]), row["topic"], row.get("split", "all")) for row in rows}
    assert {(c.skills, c.topic, c.split) for c in written} == expected
    assert run.manifest()["combinations_file_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert run.scores_file.exists() == (verb == "test")


def test_all_problems_of_a_combinations_file_are_named(run_verb, tmp_path, rows):
    good = rows[0]
    bad = [{**good, "skills": ["anafora"]}, {**good, "topic": 3}, {**good, "split": "test"}, {**good, "skills": []}]
    with pytest.raises(InputError) as caught:
        run_verb("predict", combinations_file=combinations_file(tmp_path, good, *bad))
    for clause in ("line 2", 'did you mean "anaphora"', 'line 3: the field "topic"', "line 4: the split", "line 5"):
        assert clause in str(caught.value)
    assert "line 1" not in str(caught.value)


@pytest.mark.parametrize("content", [None, ""])
def test_a_combinations_file_without_combinations(run_verb, tmp_path, content):
    file = tmp_path / "none.jsonl"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match=r"none\.jsonl"):
        run_verb("predict", combinations_file=file)


def test_a_fit_says_what_it_was(fit_folder, settings):
    manifest = json.loads((fit_folder / "manifest.json").read_text())
    with open(settings["--data.dataset"], "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    assert [each["sha256"] for each in manifest["data_sets"]] == [digest]
    assert manifest["config"]["evaluation"]["ks"] == [1, 2]
    assert manifest["model"]["learning_rate"] == 0.05
    assert manifest["trainer"]["max_steps"] == 3
    assert (manifest["step"], manifest["checkpoint"]) == (0, None)
    assert {"python", "torch", "lightning", "git_commit"} <= manifest["made_with"].keys()
