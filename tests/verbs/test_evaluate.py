"""`evaluate` and `grade` as a user meets them: settings, what is on disk, exit status and the one line."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from examples import dataset_rows, write_dataset
from tiny import save_tiny_model

from skillmix_lightning.catalogue import load_catalogue
from skillmix_lightning.cli import main
from skillmix_lightning.prompts import load_prompts
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.lock import writing
from skillmix_lightning.students.template import TemplateStudent

Verb = Callable[..., tuple[int, str, str]]
SMALL = ["--combinations=2", "--generations=2", "--gradings=2", "--ks=[1,2]"]


@pytest.fixture
def verb(capfd: pytest.CaptureFixture[str]) -> Verb:
    """Runs a verb; returns (exit status, standard output, standard error)."""

    def run(*args: object) -> tuple[int, str, str]:
        status = main([str(arg) for arg in args])
        return (status, *capfd.readouterr())

    return run


@pytest.fixture
def run(verb: Verb, tmp_path: Path) -> Run:
    """A finished run of the template student."""
    folder = tmp_path / "run"
    assert verb("evaluate", "--student=TemplateStudent", *SMALL, "--out", folder)[0] == 0
    return Run(folder)


def assert_one_line(result: tuple[int, str, str], *parts: str, status: int = 2) -> None:
    assert result[0] == status, result[2]
    (line,) = result[2].splitlines()
    assert line.startswith("error: " if status == 2 else "stopped: ")
    for part in parts:
        assert part in line


def test_a_run_holds_every_text_every_grade_and_the_scores(run: Run) -> None:
    assert len(run.compositions()) == 2 * 2 * 2 * 2  # splits, ks, combinations, generations
    assert len(run.grades()) == 32
    scores = json.loads(run.scores_file.read_text())
    assert (scores["protocol"], scores["name_rule"], scores["over_generations"]) == ("paper", True, "max")
    assert [(row["split"], row["k"], row["planned"], row["gradings"]) for row in scores["scores"]] == [
        (split, k, 2, 2) for split in ("train", "held_out") for k in (1, 2)
    ]


def test_the_manifest_says_what_was_asked_of_whom_and_with_what(run: Run) -> None:
    manifest = run.manifest()
    prompts = load_prompts("brief-v1")
    assert manifest["plan"]["ks"] == [1, 2]
    assert manifest["catalogue_id"] == load_catalogue("verifiable").id
    assert manifest["prompts"] == {"id": "brief-v1", "sha256": prompts.sha256}
    assert manifest["student"] == {"class": "TemplateStudent", "settings": {"catalogue": "verifiable", "seed": 0}}
    assert manifest["grader"]["class"] == "CheckerGrader"
    assert manifest["made_with"].keys() >= {"skillmix-lightning", "torch", "git_commit"}
    assert manifest["may_change"]["budget_usd"] is None


def test_a_finished_run_is_scored_again_and_asks_for_nothing(run: Run, verb: Verb, monkeypatch) -> None:
    before = {file.name: file.read_bytes() for file in run.folder.glob("*.jsonl")}
    monkeypatch.setattr(TemplateStudent, "write", lambda *args: pytest.fail("every text is on record"))
    status, out, _ = verb("evaluate", "--student=TemplateStudent", *SMALL, "--out", run.folder, "--json=true")
    assert status == 0
    document = json.loads(out)
    assert document["run"] == str(run.folder)
    assert document["scores"] == json.loads(run.scores_file.read_text())["scores"]
    assert document["spent"] == {"student": {"usd": 0, "tokens": 0}, "grader": {"usd": 0.0, "tokens": 0}}
    assert {file.name: file.read_bytes() for file in run.folder.glob("*.jsonl")} == before


def test_a_changed_setting_is_refused_with_both_values(run: Run, verb: Verb) -> None:
    args = ["evaluate", "--student=TemplateStudent", *SMALL, "--out", run.folder]
    assert_one_line(verb(*args, "--seed=1"), "plan.seed: 0 → 1", "student.settings.seed: 0 → 1")
    assert_one_line(verb(*args, "--student.seed=5"), "(student.settings.seed: 0 → 5)")
    assert_one_line(verb(*args, "--grader=CheckerGrader", "--grader.name_rule=false"), "name_rule: true → false")
    assert_one_line(verb(*args, "--resume=never"), "holds a run already, and --resume is never")


def test_what_does_not_change_the_texts_may_change(run: Run, verb: Verb) -> None:
    args = ["evaluate", "--student=TemplateStudent", *SMALL, "--out", run.folder, "--budget_usd=3"]
    assert verb(*args)[0] == 0
    assert run.manifest()["may_change"]["budget_usd"] == 3


def test_a_run_that_has_to_be_there_and_is_not(verb: Verb, tmp_path: Path) -> None:
    folder = tmp_path / "none"
    result = verb("evaluate", "--student=TemplateStudent", "--resume=always", "--out", folder)
    assert_one_line(result, "holds no run to go on with")


def test_a_second_writer_gets_one_line(run: Run, verb: Verb) -> None:
    with writing(run.folder):
        result = verb("evaluate", "--student=TemplateStudent", *SMALL, "--out", run.folder)
    assert_one_line(result, f"{run.folder}: another process is writing this run")


@pytest.mark.parametrize(
    ("args", "parts"),
    [
        (["--student=Nope"], ["--student Nope: there are EndpointStudent, TemplateStudent, TransformersStudent"]),
        (["--student=json.JSONDecoder"], ["is no class with a method write"]),
        (["--student=no.such.Thing"], ["cannot be imported"]),
        (["--student=TemplateStudent", "--student.sed=3"], ["sed"]),
        (["--student=EndpointStudent"], ["model"]),
        (["--student=TemplateStudent", "--grader.name_rule=false"], ["--grader CheckerGrader or EndpointGrader"]),
        (["--student=TemplateStudent", "--catalogue=language"], ["has no grader of its own; give --grader"]),
        (
            ["--student=TemplateStudent", "--grader=CheckerGrader", "--grader.catalogue=language"],
            ["the texts are of the catalogue verifiable"],
        ),
        (["--student=TemplateStudent", "--ks=[9]"], ["k=9", "k can be 1 to 8"]),
        (["--student=TemplateStudent", "--generations=0"], ["generations is 0"]),
        (["--student=TemplateStudent", "--prices=no.yaml"], ["no.yaml"]),
        (["--student=TemplateStudent", "--resume=maybe"], ["resume", "maybe"]),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_folder(verb: Verb, tmp_path: Path, args, parts) -> None:
    assert_one_line(verb("evaluate", *args, "--out", tmp_path / "run"), *parts)
    assert not (tmp_path / "run").exists()


def test_a_run_s_folder_has_to_be_named(verb: Verb) -> None:
    assert_one_line(verb("evaluate", "--student=TemplateStudent"), "out")


def test_a_config_names_classes_as_the_command_line_does(verb: Verb, tmp_path: Path, capfd) -> None:
    config = tmp_path / "c.yaml"
    settings = {"student": {"class_path": "TemplateStudent", "init_args": {"seed": 4}}, "ks": [1], "combinations": 1}
    config.write_text(yaml.safe_dump(settings))
    folder = tmp_path / "run"
    assert verb("evaluate", "--config", config, "--generations=1", "--out", folder)[0] == 0
    assert Run(folder).manifest()["student"]["settings"]["seed"] == 4
    other = ["--student=EndpointStudent", "--student.base_url=http://127.0.0.1:1/v1", "--out", folder]
    assert_one_line(verb("evaluate", "--config", config, *other), "model")
    assert_one_line(
        verb("evaluate", "--config", config, *other, "--student.model=m"), 'class: "TemplateStudent" → "End'
    )
    config.write_text("student: TemplateStudent\n")
    with pytest.raises(SystemExit) as printed:
        main(["evaluate", f"--config={config}", "--out=x", "--combinations=7", "--print_config"])
    assert printed.value.code == 0
    document = yaml.safe_load(capfd.readouterr().out)
    assert document["combinations"] == 7
    assert document["student"]["class_path"].endswith("TemplateStudent")


def test_a_local_model_writes_unless_another_student_is_named(verb: Verb, tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "model")
    args = ["--student.model", model, "--student.max_new_tokens=4", "--student.temperature=0", *SMALL]
    folder = tmp_path / "run"
    assert verb("evaluate", *args, "--splits=[train]", "--out", folder)[0] == 0
    run = Run(folder)
    assert {c.student for c in run.compositions()} == {str(model)}
    assert len(run.grades()) == 16
    assert run.manifest()["models"]["student"]["requested"] == str(model)


def test_what_was_trained_is_not_asked_for_and_the_contamination_is_shown(verb: Verb, tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "d.jsonl", dataset_rows(12))
    folder = tmp_path / "run"
    args = ["evaluate", "--student=TemplateStudent", *SMALL, "--exclude_data", data, "--out", folder]
    status, out, _ = verb(*args)
    assert status == 0
    assert "Evaluated combinations seen in training" in out
    manifest = Run(folder).manifest()
    assert {(row["split"], row["exact"]) for row in manifest["contamination"]} == {("train", 0), ("held_out", 0)}
    write_dataset(data, dataset_rows(11))
    assert_one_line(verb(*args), "exclude_data_sha256")


def test_a_class_of_one_s_own_goes_by_its_import_path(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from skillmix_lightning.students.template import TemplateStudent\n"
        "class Shouting(TemplateStudent):\n"
        "    name = 'shouting'\n"
        "    def __init__(self, marks: int = 1, seed: int = 0):\n"
        "        super().__init__(seed=seed)\n"
    )
    args = ["--student=mine.Shouting", "--student.marks=3", *SMALL, "--out=run"]
    command = [sys.executable, "-m", "skillmix_lightning", "evaluate", *args]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Run(tmp_path / "run").manifest()["student"]["settings"] == {"marks": 3, "seed": 0}


def test_evaluating_without_a_local_model_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from skillmix_lightning.cli import main; "
        f"main(['evaluate', '--student=TemplateStudent', '--ks=[1]', '--combinations=1', '--out={tmp_path}/r']); "
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_a_run_is_graded_again_in_a_run_of_its_own(run: Run, verb: Verb) -> None:
    before = {file.name: file.read_bytes() for file in run.folder.iterdir()}
    args = ["grade", run.folder, "--grader=CheckerGrader", "--grader.name_rule=false"]
    status, out, _ = verb(*args, "--gradings=1", "--json=true")
    assert status == 0
    other = Run(run.folder.with_name("run-by-CheckerGrader"))
    assert json.loads(out)["run"] == str(other.folder)
    assert other.compositions() == run.compositions()
    assert len(other.grades()) == 16
    manifest = other.manifest()
    assert manifest["graded_from"]["run"] == "run"
    assert manifest["plan"]["gradings"] == 1
    assert manifest["student"] == run.manifest()["student"]
    assert manifest["grader"]["settings"]["name_rule"] is False
    assert {file.name: file.read_bytes() for file in run.folder.iterdir()} == before
    assert verb(*args, "--gradings=1")[0] == 0
    assert_one_line(verb(*args), "plan.gradings: 1 → 2")


def test_grading_again_needs_a_grader_a_run_and_another_folder(run: Run, verb: Verb, tmp_path: Path) -> None:
    assert_one_line(verb("grade", run.folder), "who is to grade? give --grader")
    assert_one_line(verb("grade", tmp_path, "--grader=CheckerGrader"), "holds no run")
    result = verb("grade", run.folder, "--grader=CheckerGrader", "--out", run.folder)
    assert_one_line(result, "is the run whose texts are graded")
