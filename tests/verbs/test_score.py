"""`score`: saved grades in, scores out, without torch."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from records import composition, grade
from results_folder import table

from skillmix_lightning.cli import main
from skillmix_lightning.runs import Run

SKILLS = ("metaphor", "simile")


@pytest.fixture
def run(tmp_path):
    """Two generations of one combination; the first, which has full marks, names a skill."""
    folder = Run.start(tmp_path / "run", {"student": "somebody"})
    texts = [composition(generation=0, text="A metaphor of yarn."), composition(generation=1, text="Yarn is a river.")]
    folder.add_compositions(texts)
    folder.add_grades(
        [
            replace(grade(texts[0], "11 111"), raw=table(SKILLS, "Sewing", [1, 1, 1, 1, 1])),
            replace(grade(texts[1], "10 111"), raw=table(SKILLS, "Sewing", [1, 0, 1, 1, 1])),
        ]
    )
    return folder


def scored(run, capsys, *args):
    assert main(["score", str(run.folder), "--json", "true", *args]) == 0
    document = json.loads(capsys.readouterr().out)
    (row,) = document["scores"]
    return document, row


@pytest.mark.parametrize("protocol", ["paper", "reference"])
@pytest.mark.parametrize(
    ("over_generations", "name_rule", "full_marks", "skill_fraction"),
    [("max", "true", 0, 0.5), ("max", "false", 1, 1), ("mean", "false", 0.5, 0.75), ("mean", "true", 0, 0.5)],
)
def test_the_rules_are_those_asked_for(run, capsys, protocol, over_generations, name_rule, full_marks, skill_fraction):
    args = ["--protocol", protocol, "--over_generations", over_generations, "--name_rule", name_rule]
    document, row = scored(run, capsys, *args)
    assert (row["full_marks"], row["skill_fraction"]) == (full_marks, skill_fraction)
    asked = (protocol, over_generations, name_rule == "true")
    assert (document["protocol"], document["over_generations"], document["name_rule"]) == asked


def test_the_printed_document_is_the_runs_scores_json(run, capsys):
    document, _ = scored(run, capsys)
    assert document.pop("run") == str(run.folder)
    assert json.loads(run.scores_file.read_text()) == document


def test_several_runs_are_one_document(run, capsys):
    assert main(["score", str(run.folder), str(run.folder), "--json", "true"]) == 0
    assert [one["run"] for one in json.loads(capsys.readouterr().out)["runs"]] == [str(run.folder)] * 2


def test_the_table_states_its_rules(run, capsys):
    assert main(["score", str(run.folder), "--over_generations", "mean", "--name_rule", "false"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "protocol paper, name rule off, mean over generations" in out


def test_settings_can_stand_in_a_config(run, capsys, tmp_path):
    config = tmp_path / "score.yaml"
    config.write_text("over_generations: mean\nname_rule: false\n")
    document, _ = scored(run, capsys, "--config", str(config))
    assert (document["over_generations"], document["name_rule"]) == ("mean", False)


def test_torch_is_not_imported(run):
    program = (
        "import sys; from skillmix_lightning.cli import main; status = main(sys.argv[1:]); "
        "sys.exit(status or 3 * bool({'torch', 'transformers', 'lightning'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program, "score", str(run.folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("args", "what"),
    [
        (["score"], "runs"),
        (["score", "no/such/run"], "no/such/run: holds no run"),
        (["score", "no/such/run", "--protocol", "papr"], "papr"),
    ],
)
def test_a_mistake_is_one_line(capsys, args, what):
    assert main(args) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert what in line
