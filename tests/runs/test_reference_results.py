import csv
import hashlib
import json
from pathlib import Path

import pytest
from records import small_catalogue
from results_folder import PUBLISHED, Text, copy_published, table, write_records, write_round

from skillmix_lightning.errors import InputError
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.reference_results import import_reference

A = ("metaphor", "accident (fallacy)")
B = ("simile", "red herring, or so")


def text(skills: tuple[str, ...], topic: str, *points: str, said: str = "A text.") -> Text:
    return Text(skills, topic, said, [table(skills, topic, list(digits)) for digits in points])


def imported(root: Path, **arguments: str | None) -> tuple[Run, list[str]]:
    out = root.parent / "run"
    report = import_reference(root, "pupil", "judge", out, **arguments)
    return Run(out), list(report.findings)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "results"


def test_texts_come_as_they_were_written(root: Path) -> None:
    write_round(root, 2, [text(A, "Sewing", "11111", said='Two lines,\n"quoted", so.')], roles=("[INST]", "[/INST]"))
    (composition,) = imported(root)[0].compositions()
    combination = composition.combination
    key = "\x1f".join(["reference", "accident (fallacy)", "metaphor", "Sewing", "10/0"])
    assert combination.id == hashlib.sha256(key.encode()).hexdigest()[:16]
    assert (combination.split, combination.skills, combination.topic) == ("all", A, "Sewing")
    assert (composition.generation, composition.student, composition.finish_reason) == (1, "pupil", "stop")
    assert composition.text == 'Two lines,\n"quoted", so.'
    assert [turn["role"] for turn in composition.turns] == ["system", *["user", "assistant"] * 2]
    assert composition.turns[0]["content"] == "Help."
    assert composition.turns[-1]["content"] == f"Answer: {composition.text}\n\nExplanation: that is how."


def test_replies_are_kept_and_parsed_and_code_decides_on_length(root: Path) -> None:
    long = Text(A, "Sewing", "One is. Two are.", [table(A, "Sewing", "10111"), "I cannot grade this."])
    write_round(root, 1, [long])
    graded, prose = imported(root)[0].grades()
    assert (graded.generation, graded.grading, graded.grader, graded.cost_usd) == (0, 0, "judge", 0)
    assert (graded.status, graded.raw) == ("ok", long.replies[0])
    assert graded.points == {
        **{"skill:metaphor": 1, "skill:accident (fallacy)": 0},
        **{"topic": 1, "sense": 1, "length": 0},
    }
    assert graded.opinion == {"length": 1}
    assert (prose.grading, prose.status != "ok", prose.points, prose.raw) == (1, True, {}, "I cannot grade this.")
    assert prose.reason


def test_names_may_hold_commas_and_a_file_may_hold_them_in_one_line(root: Path) -> None:
    folder = write_round(root, 1, [text(B, "Sewing", "11111"), text(A, "Knots", "11111")])
    records = read(folder)
    records[1]["skills"] = "metaphor, accident (fallacy)"
    write_records(folder, records)
    run, findings = imported(root)
    assert [c.combination.skills for c in run.compositions()] == [B, A]
    assert ([grade.status for grade in run.grades()], findings) == (["ok", "ok"], [])


def test_every_k_and_seed_is_read_and_equal_rows_of_two_seeds_are_told_apart(root: Path) -> None:
    for seed in (1, 2):
        write_round(root, 1, [text(A, "Sewing", "11111")], seed=seed)
    write_round(root, 1, [text((*A, "irony"), "Sewing", "111111")], k=3)
    run, _ = imported(root)
    assert len({c.combination.id for c in run.compositions()}) == 3
    assert sorted(c.combination.k for c in run.compositions()) == [2, 2, 3]


def test_the_manifest_says_where_it_came_from_and_what_was_found(root: Path) -> None:
    folder = write_round(root, 1, [text(A, "Sewing", "11111", "11111")])
    run, findings = imported(root)
    manifest = run.manifest()
    files = manifest["imported_from"]["files"]
    assert manifest["imported_from"]["folder"] == str(root)
    assert len(files) == 3
    name = "k2_s10_vdefault_r1/pupil/records.csv"
    assert files[name] == hashlib.sha256((folder / "records.csv").read_bytes()).hexdigest()
    assert (manifest["student"], manifest["grader"], manifest["catalogue_id"]) == ("pupil", "judge", "reference")
    assert manifest["prompts"] == {"generation": ["default"], "grading": ["gpt"]}
    assert manifest["found"] == {
        **{"ks": [2], "combinations": 1, "texts": 1, "grades": {"ok": 2}},
        "findings": ["the 2 grading rounds are identical copies in 1 of 1 texts"],
    }
    assert manifest["found"]["findings"] == findings
    assert {"python", "git_commit"} <= set(manifest["made_with"])


def test_a_catalogue_gives_its_id_and_must_know_the_names(root: Path, tmp_path: Path) -> None:
    write_round(root, 1, [text(("metaphor", "simile"), "Sewing", "11111")])
    catalogue = small_catalogue()
    import_reference(root, "pupil", "judge", tmp_path / "known", catalogue)
    assert Run(tmp_path / "known").manifest()["catalogue_id"] == catalogue.id
    unknown = small_catalogue(training=["simile"], training_topics=["Knots"])
    with pytest.raises(InputError) as refused:
        import_reference(root, "pupil", "judge", tmp_path / "unknown", unknown)
    said = "the catalogue is not the one these results were made with"
    assert str(refused.value) == f'{said}: no skill "metaphor"; no topic "Sewing"'
    assert not (tmp_path / "unknown").exists()


def test_missing_rounds_and_ragged_files_are_said_and_not_filled_in(root: Path) -> None:
    write_round(root, 1, [text(A, "Sewing", "11111", "10111"), text(B, "Knots", "11111")])
    write_round(root, 3, [text(A, "Sewing", "11111", "10111", "11111")])
    run, findings = imported(root)
    assert [(c.combination.topic, c.generation) for c in run.compositions()] == [
        *(("Sewing", 0), ("Knots", 0), ("Sewing", 2)),
    ]
    assert [(grade.generation, grade.grading) for grade in run.grades()] == [
        *((0, 0), (0, 0), (0, 1), (2, 0), (2, 1), (2, 2)),
    ]
    assert findings == [
        "k=2, seed 10: no generation round 2",
        "k=2, seed 10, generation round 1: no grading round 3",
        "k=2, seed 10, generation round 1, grading round 2: 1 of 2 texts have a grade",
        "k=2, seed 10, generation round 3: texts: 1, in round 1: 2",
    ]


def test_a_grade_of_another_row_or_without_a_text_is_left_out(root: Path) -> None:
    folder = write_round(root, 1, [text(A, "Sewing", "11111"), text(A, "Knots", "11111"), text(B, "Knots", "11111")])
    write_records(folder, [{**row, "topic": "Dueling"} if n == 1 else row for n, row in enumerate(read(folder)[:2])])
    run, findings = imported(root)
    assert len(run.grades()) == 1
    place = "k=2, seed 10, generation round 1, grading round 1"
    assert findings == [
        f"{place}: rows without a text, left out: 1",
        f"{place}: row 2 of the grades for other skills or another topic than the texts', left out",
    ]


def test_a_row_that_differs_between_rounds_is_two_combinations(root: Path) -> None:
    write_round(root, 1, [text(A, "Sewing", "11111"), text(B, "Knots", "11111")])
    write_round(root, 2, [text(A, "Sewing", "11111"), text(B, "Sewing", "11111")])
    run, findings = imported(root)
    assert len({c.combination.id for c in run.compositions()}) == 3
    assert findings == [
        "k=2, seed 10, generation round 2: row 2 for other skills or another topic than in round 1, "
        "so combinations of their own"
    ]


def test_several_prompts_are_refused_until_one_is_chosen(root: Path) -> None:
    write_round(root, 1, [text(A, "Sewing", "11111")], prompt="default")
    write_round(root, 1, [text(A, "Knots", "11111")], prompt="my_own")
    write_round(root, 1, [text(A, "Knots", "00111")], prompt="my_own", grading_prompt="llama")
    with pytest.raises(InputError) as refused:
        imported(root)
    said = "for k=2 there are several prompts (default, my_own), choose one by generation_prompt"
    assert str(refused.value) == f"{root}: texts by pupil: {said}"
    with pytest.raises(
        InputError, match=r"k=2 there are several prompts \(gpt, llama\), choose one by grading_prompt$"
    ):
        imported(root, generation_prompt="my_own")
    with pytest.raises(InputError, match=r'none with generation_prompt "his"; there are default, my_own$'):
        imported(root, generation_prompt="his")
    with pytest.raises(InputError, match=r'none with grading_prompt "his"; there are gpt, llama$'):
        imported(root, generation_prompt="my_own", grading_prompt="his")
    run, _ = imported(root, generation_prompt="my_own", grading_prompt="llama")
    assert run.manifest()["prompts"] == {"generation": ["my_own"], "grading": ["llama"]}
    assert [grade.points["skill:metaphor"] for grade in run.grades()] == [0]


def test_an_unknown_student_or_grader_is_refused_and_those_that_exist_are_named(root: Path, tmp_path: Path) -> None:
    write_round(root, 1, [text(A, "Sewing", "11111")])
    write_round(root, 1, [text(A, "Sewing")], student="org/model-7b")
    with pytest.raises(InputError) as refused:
        import_reference(root, "nobody", "judge", tmp_path / "run")
    assert str(refused.value) == f'{root}: holds no texts by student "nobody"; it has org/model-7b, pupil'
    with pytest.raises(InputError) as refused:
        import_reference(root, "pupil", "nobody", tmp_path / "run")
    assert str(refused.value) == f'{root}: holds no grades of pupil by grader "nobody"; it has judge'
    with pytest.raises(InputError, match=r"it has none$"):
        import_reference(root, "org/model-7b", "judge", tmp_path / "run")


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"holds no folder of results, such as k3_s10_vdefault_r1, with a records\.csv"
    ):
        imported(tmp_path)
    with pytest.raises(InputError, match=r"absent: no such folder$"):
        imported(tmp_path / "absent")


def test_an_existing_run_is_refused(root: Path) -> None:
    write_round(root, 1, [text(A, "Sewing", "11111")])
    imported(root)
    with pytest.raises(InputError, match=r"run: is there already; name a folder that is not$"):
        imported(root)


def read(folder: Path) -> list[dict[str, str]]:
    with (folder / "records.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"k": "3"}, "its k is 3, the folder's is 2"),
        ({"skills": "metaphor"}, "its skills are not 2 different names: metaphor"),
        ({"skills": "a, \na"}, "its skills are not 2 different names: a, a"),
        (
            {"skills": "a, b, c", "k": "1"},
            "its k is 1, the folder's is 2; its skills are not 2 different names: a, b, c",
        ),
    ],
)
def test_a_row_that_cannot_be_read_is_one_line(root: Path, changes: dict[str, str], said: str) -> None:
    folder = write_round(root, 1, [text(A, "Knots", "11111"), text(A, "Sewing", "11111")])
    write_records(folder, [read(folder)[0], {**read(folder)[1], **changes}])
    with pytest.raises(InputError) as refused:
        imported(root)
    assert str(refused.value) == f"{folder / 'records.csv'}, row 2: {said}"


def test_missing_columns_and_torn_files_are_one_line(root: Path) -> None:
    folder = write_round(root, 1, [text(A, "Knots", "11111")])
    file = folder / "records.csv"
    whole = file.read_text()
    file.write_text(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"records\.csv(: cannot be read as CSV|, row 1: it has not as many fields)"):
        imported(root)
    file.write_text(whole.replace("text_1", "answer").replace("topic", "subject"))
    with pytest.raises(InputError, match=r'records\.csv: no column "topic"; no column "text_1"$'):
        imported(root)
    file.write_text(whole.replace("user_", "asker_"))
    with pytest.raises(
        InputError, match=r"row 1: it has no columns user_0 and assistant_0 or \[INST\]_0 and \[/INST\]_0$"
    ):
        imported(root)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be read as CSV"):
        imported(root)


def test_a_field_longer_than_the_csv_module_s_limit_is_read_and_the_limit_stays(root: Path) -> None:
    limit = csv.field_size_limit()
    write_round(root, 1, [text(A, "Sewing", "11111", said="word " * 40_000)])
    (composition,) = imported(root)[0].compositions()
    assert len(composition.text) == 200_000
    assert csv.field_size_limit() == limit


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published results are not here")
def test_the_published_results(tmp_path: Path) -> None:
    report = import_reference(PUBLISHED, "gpt-4", "gpt-4", tmp_path / "gpt-4")
    assert (report.ks, report.combinations, report.texts, report.grades) == ((3,), 5, 10, {"ok": 30})
    assert report.findings == (
        "k=3, seed 10: no generation round 1",
        "the 3 grading rounds are identical copies in 10 of 10 texts",
    )
    assert report.lines()[0].endswith("gpt-4 graded by gpt-4, k = 3: 5 combinations, 10 texts, grades: 30 ok")
    report = import_reference(PUBLISHED, "llama2-7b-chat", "gpt-4", tmp_path / "llama")
    assert (report.combinations, report.texts, sum(report.grades.values())) == (5, 15, 36)
    assert "ok" not in report.grades
    assert "k=3, seed 10, generation round 3, grading round 2: 2 of 5 texts have a grade" in report.findings
    renumbered = copy_published(tmp_path / "results", {2: 1, 3: 2})
    report = import_reference(renumbered, "gpt-4", "gpt-4", tmp_path / "again")
    assert report.findings == ("the 3 grading rounds are identical copies in 10 of 10 texts",)
    assert json.loads((tmp_path / "again" / "manifest.json").read_text())["found"]["texts"] == 10
