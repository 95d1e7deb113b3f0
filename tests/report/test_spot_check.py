"""A blind sample goes out, points come back, and the agreement is that of the points."""

import csv
import random
from dataclasses import replace

import pytest
from records import composition, grade, small_catalogue

from skillmix_lightning.errors import InputError
from skillmix_lightning.report.results import read_results
from skillmix_lightning.report.spot_check import KEY, SHEET, read_sheet, sample, write_sheet
from skillmix_lightning.runs import Run
from skillmix_lightning.verbs.spot_check import main

EARNED = ("11 111", "10 111", "11 111", "00 110", "11 111", "11 101")


@pytest.fixture
def texts(tmp_path):
    run = Run.start(tmp_path / "run", {"student": "somebody"})
    written = [composition(f"c{n}", text=f"Text {n}.") for n in range(len(EARNED))]
    run.add_compositions([*written, composition("c9", text="Nobody graded this.")])
    run.add_grades([grade(text, points) for text, points in zip(written, EARNED, strict=True)])
    return read_results([str(run.folder)])[0].texts


def written_sheet(folder, texts):
    write_sheet(folder, texts, small_catalogue())
    with (folder / SHEET).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def filled(folder, rows, delimiter=","):
    path = folder / "filled.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        sheet = csv.DictWriter(file, rows[0], delimiter=delimiter)
        sheet.writeheader()
        sheet.writerows(rows)
    return path


def as_the_grader(rows, texts):
    """The rows with the points that the grader gave; they come in the order of texts and of the rubric."""
    points = [point for text in texts for point in text.verdict.values()]
    return [{**row, "point": str(point)} for row, point in zip(rows, points, strict=True)]


def test_half_of_a_sample_has_full_marks_and_texts_without_points_are_left_out(texts):
    chosen = sample(texts, 4)
    assert sorted(text.score.full_marks for text in chosen) == [0, 0, 1, 1]
    assert {text.composition.text for text in sample(texts, 100)} == {f"Text {n}." for n in range(6)}


def test_a_sample_is_that_of_its_seed(texts):
    assert sample(texts, 4, seed=1) == sample(texts, 4, seed=1)
    assert any(sample(texts, 4, seed=seed) != sample(texts, 4) for seed in range(1, 5))


def test_the_sheet_has_a_row_per_criterion_and_says_nothing_of_who_wrote_or_graded(texts, tmp_path):
    chosen = sample(texts, 6)
    rows = written_sheet(tmp_path / "sheet", chosen)
    assert len(rows) == 6 * 5
    assert [row["row"] for row in rows[:6]] == ["t1c1", "t1c2", "t1c3", "t1c4", "t1c5", "t2c1"]
    assert rows[0] == {
        "row": "t1c1",
        "text": chosen[0].composition.text,
        "topic": "Sewing",
        "criterion": "Correctly illustrates metaphor",
        "definition": "A text shows metaphor.",
        "point": "",
    }
    sheet = (tmp_path / "sheet" / SHEET).read_text(encoding="utf-8")
    assert not [secret for secret in ("somebody", "judge", "c0", "generation") if secret in sheet]


def test_a_text_that_a_spreadsheet_would_run_is_only_a_text(texts, tmp_path):
    run = replace(texts[0], composition=replace(texts[0].composition, text='=HYPERLINK("http://x")'))
    assert written_sheet(tmp_path / "sheet", [run])[0]["text"] == '\'=HYPERLINK("http://x")'


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_person_who_says_what_the_grader_says_agrees_with_it(texts, tmp_path, delimiter):
    rows = written_sheet(tmp_path / "sheet", chosen := sample(texts, 6))
    rows = as_the_grader(rows, chosen)
    random.Random(0).shuffle(rows)
    check = read_sheet(filled(tmp_path, rows, delimiter), tmp_path / "sheet" / KEY, texts)
    assert (check.texts, check.unfinished) == (6, 0)
    of_all = check.criteria[-1]
    assert (of_all.agreement.criterion, of_all.agreement.rated, of_all.agreement.raw) == ("all", 30, 1)
    assert (of_all.agreement.kappa, of_all.grader_only, of_all.person_only) == (1, 0, 0)


def test_disagreement_is_counted_by_criterion_and_by_who_is_stricter(texts, tmp_path):
    rows = as_the_grader(written_sheet(tmp_path / "sheet", chosen := sample(texts, 6)), chosen)
    topics = [row for row in rows if row["criterion"] == "Pertains to Sewing"]
    topics[0]["point"] = "0"
    senses = [row for row in rows if row["criterion"] == "Text makes sense" and row["point"] == "0"]
    senses[0]["point"] = "1"
    check = read_sheet(filled(tmp_path, rows), tmp_path / "sheet" / KEY, texts)
    by_name = {row.agreement.criterion: row for row in check.criteria}
    assert (by_name["topic"].grader_only, by_name["topic"].person_only) == (1, 0)
    assert (by_name["sense"].grader_only, by_name["sense"].person_only) == (0, 1)
    assert by_name["topic"].agreement.raw == pytest.approx(5 / 6)
    assert by_name["skills"].agreement.raw == 1


def test_a_text_that_is_not_filled_in_to_the_end_does_not_count(texts, tmp_path):
    rows = as_the_grader(written_sheet(tmp_path / "sheet", chosen := sample(texts, 6)), chosen)
    rows[3]["point"] = ""
    check = read_sheet(filled(tmp_path, rows), tmp_path / "sheet" / KEY, texts)
    assert (check.texts, check.unfinished) == (5, 1)
    assert check.criteria[-1].agreement.rated == 25


def test_all_points_that_are_none_are_listed(texts, tmp_path):
    rows = as_the_grader(written_sheet(tmp_path / "sheet", chosen := sample(texts, 6)), chosen)
    rows[0]["point"], rows[1]["row"], rows[2]["row"] = "yes", "t9c9", "t1c4"
    with pytest.raises(InputError) as error:
        read_sheet(filled(tmp_path, rows), tmp_path / "sheet" / KEY, texts)
    assert str(error.value).endswith(
        'line 2: the point of row t1c1 is "yes", and must be 0 or 1; '
        'line 3: no row of the sheet is called "t9c9"; line 5: row t1c4 stands twice'
    )


def test_a_key_of_another_run_is_refused(texts, tmp_path):
    rows = written_sheet(tmp_path / "sheet", sample(texts, 2))
    with pytest.raises(InputError, match="2 of 2 texts are not in this run"):
        read_sheet(filled(tmp_path, rows), tmp_path / "sheet" / KEY, texts[6:])


def test_a_sheet_that_is_there_is_never_overwritten(texts, tmp_path):
    written_sheet(tmp_path / "sheet", texts[:1])
    with pytest.raises(InputError, match=r"holds a texts\.csv already"):
        write_sheet(tmp_path / "sheet", texts[:1], None)


@pytest.mark.parametrize("content", ["", "text,verdict\nA.,1\n"])
def test_a_file_that_is_no_sheet_is_one_line(texts, tmp_path, content):
    written_sheet(tmp_path / "sheet", texts[:1])
    (tmp_path / "other.csv").write_text(content)
    with pytest.raises(InputError, match='there is no column "row"; there is no column "point"'):
        read_sheet(tmp_path / "other.csv", tmp_path / "sheet" / KEY, texts)


def test_the_verb_writes_and_reads(texts, tmp_path, capsys):
    main("spot-check", [str(tmp_path / "run"), "--out", str(tmp_path / "sheet"), "--texts", "2"])
    assert "texts.csv: 2 texts" in capsys.readouterr().out
    main("spot-check", [str(tmp_path / "run"), "--read", str(tmp_path / "sheet" / SHEET)])
    assert "0 texts, 2 unfinished" in capsys.readouterr().out
    with pytest.raises(InputError, match="give --out FOLDER"):
        main("spot-check", [str(tmp_path / "run")])
