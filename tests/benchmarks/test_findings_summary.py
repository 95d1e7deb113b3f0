import json
from pathlib import Path

import pytest
from records import composition, grade

from benchmarks.findings.conditions import Settings, conditions
from benchmarks.findings.scores import read_results
from benchmarks.findings.summary import document, every_test, overview, write_into
from skillmix_lightning.errors import InputError
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.run import write_json

N = 8


def experiment(out: Path, full_marks: dict[str, int], of: int = N) -> Path:
    """Scored models: of as many combinations of a cell each has full marks on the first so many."""
    write_json(out / "settings.json", Settings().document())
    for name, passed in full_marks.items():
        run = Run.start(out / name / "run", {"catalogue_id": "c"})
        texts = [composition(f"{split}{n}", split=split) for split in ("train", "held_out") for n in range(of)]
        run.add_compositions(texts)
        run.add_grades([grade(text, "11 111" if n % of < passed else "10 111") for n, text in enumerate(texts)])
        write_json(out / name / "done.json", {"seconds": {"fit": 60.0, "export": 6.0, "evaluate": 30.0}})
    return out


def whole(**passed: int) -> dict[str, int]:
    return {condition.name: passed.get(condition.texts, 0) for condition in conditions(2)}


def test_the_table_has_a_mean_an_interval_and_the_range_of_the_seeds(tmp_path):
    marks = {**whole(), "d123-seed0": 8, "d123-seed1": 6}
    shown = overview(read_results(experiment(tmp_path, marks), 2))
    row = next(line for line in shown.splitlines() if line.startswith("| train | 2 |"))
    base, d1, d12, d123, subset = row.split(" | ")[2:]
    assert base == "0.00 (0.00 to 0.37)"
    assert d1 == d12 == "0.00 (0.00 to 0.37; 0.00 to 0.00)"
    assert subset == "0.00 (0.00 to 0.37; 0.00 to 0.00) |"
    assert d123.startswith("0.88 (")
    assert d123.endswith("; 0.75 to 1.00)")


def test_the_verdicts_stand_in_the_overview_and_their_tests_apart(tmp_path):
    results = read_results(experiment(tmp_path, whole(d123=8)), 2)
    claim = "Training on combinations of training skills raises held-out combinations."
    assert f"| 1 | {claim} | shows | shows |" in overview(results)
    line = "| 1 | base → D(1,2,3) | held_out | 2 | 0.00 | 1.00 | +1.00 (+0.43 to +1.00) | +1.00, +1.00 | 0.008 |"
    assert line in every_test(results)
    assert line not in overview(results)


def test_seeds_that_are_not_whole_are_left_out_and_the_number_is_said(tmp_path):
    marks = whole(d123=8)
    del marks["subset-seed1"]
    results = read_results(experiment(tmp_path, marks), 3)
    assert {texts: len(seeds) for texts, seeds in results.by_seed.items()} == {
        "base": 1,
        "d1": 1,
        "d12": 1,
        "d123": 1,
        "subset": 1,
    }
    assert ": 1 of 3 seeds, 200 optimizer steps a fit, " in overview(results)


def test_without_a_whole_seed_nothing_is_said(tmp_path):
    with pytest.raises(InputError, match="needs the base and one seed of every fit"):
        read_results(experiment(tmp_path, {"base": 0, "d1-seed0": 0}), 1)


def test_evaluations_of_different_combinations_are_not_compared(tmp_path):
    experiment(tmp_path, whole())
    for file in ("manifest.json", "compositions.jsonl", "grades.jsonl"):
        (tmp_path / "d1-seed0" / "run" / file).unlink()
    experiment(tmp_path, {"d1-seed0": 0}, of=N + 1)
    with pytest.raises(InputError, match="cannot be compared: different combinations"):
        read_results(tmp_path, 1)


def test_the_document_is_json_and_has_every_figure(tmp_path):
    found = json.loads(json.dumps(document(read_results(experiment(tmp_path, whole(d123=8)), 2))))
    (score,) = (
        row
        for row in found["scores"]
        if (row["condition"], row["split"], row["k"], row["metric"]) == ("d123", "train", 2, "full_marks")
    )
    assert (score["mean"], score["by_seed"]) == (1.0, [1.0, 1.0])
    assert [(row["number"], row["metric"]) for row in found["findings"]] == [
        (number, metric) for metric in ("full_marks", "skill_fraction") for number in (1, 2, 3, 4)
    ]
    assert found["findings"][0]["contrasts"][0]["cells"][0]["outcome"] == "higher"


def test_tables_are_written_between_the_marks_of_a_page_again_and_again(tmp_path, repository):
    page = tmp_path / "findings.md"
    page.write_text((repository / "docs" / "findings.md").read_text())
    write_into(page, "| first |")
    once = page.read_text()
    write_into(page, "| second |")
    assert page.read_text() == once.replace("| first |", "| second |")
    assert once.startswith("# Does a laptop see the paper's findings?")
    assert once.rstrip().endswith("at the floor.")


def test_a_page_without_marks_is_refused(tmp_path):
    (tmp_path / "page.md").write_text("# A page\n")
    with pytest.raises(InputError, match="lacks the line <!-- begin"):
        write_into(tmp_path / "page.md", "")
