"""The reference implementation's catalogue files load as they are."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.catalogue import load_catalogue
from skillmix_lightning.catalogue.reference_files import halved
from skillmix_lightning.errors import InputError

HEADER = "category,skill,definition,example,comments,status,added by\r\n"
ROWS = (
    'literary,simile,"One thing is likened to another, by a word. ",As quiet as snow.,checked,,\r\n'
    "rhetorical, loaded  question (trap ) ,A question that takes something for granted.,When did you stop?,,keep,jo\r\n"
    "logical,deduction,A claim follows from premises.,All is lost and so am I.,,,\r\n"
    "Theory of the Mind,false belief,Somebody believes what is not so.,She looked in the old drawer.,,,\r\n"
)
TOPICS = "Sewing\nIce  fishing \n\nKnots\nKites"


def files_in(folder: Path, skills: str = HEADER + ROWS, topics: str | None = TOPICS) -> str:
    (folder / "skills.csv").write_bytes(skills.encode())
    if topics is not None:
        (folder / "topics.txt").write_text(topics, encoding="utf-8")
    return str(folder)


def error_of(path: str) -> str:
    with pytest.raises(InputError) as refused:
        load_catalogue(path)
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_categories_are_mapped_and_only_blanks_in_names_are_mended(tmp_path: Path) -> None:
    catalogue = load_catalogue(files_in(tmp_path))
    assert [(skill.name, skill.category, skill.split) for skill in catalogue.skills] == [
        ("simile", "literary", "train"),
        ("loaded question (trap )", "rhetorical", "train"),
        ("deduction", "logic", "held_out"),
        ("false belief", "theory of mind", "held_out"),
    ]
    assert [topic.name for topic in catalogue.topics] == ["Sewing", "Ice fishing", "Knots", "Kites"]


def test_definitions_are_kept_to_the_byte(tmp_path: Path) -> None:
    catalogue = load_catalogue(files_in(tmp_path))
    assert catalogue.skill("simile").definition == "One thing is likened to another, by a word. "


@pytest.mark.parametrize("status", ["remove", "in review", "maybe", "Remove "])
def test_a_row_that_does_not_count_is_dropped_unread(tmp_path: Path, status: str) -> None:
    catalogue = load_catalogue(files_in(tmp_path, HEADER + ROWS + f"nonsense,,,,,{status},\r\n"))
    assert len(catalogue.skills) == 4


def test_a_mark_at_the_start_blank_rows_and_missing_last_columns_do_no_harm(tmp_path: Path) -> None:
    skills = HEADER + ",,,,,,\r\n\r\n" + ROWS + "literary,aside,A remark to nobody in the text.,And who would listen."
    assert len(load_catalogue(files_in(tmp_path, "\ufeff" + skills)).skills) == 5


def test_the_csv_file_itself_can_be_named(tmp_path: Path) -> None:
    path = files_in(tmp_path)
    assert load_catalogue(f"{path}/skills.csv") == load_catalogue(path)


def test_every_problem_is_listed_with_the_line_its_row_begins_in(tmp_path: Path) -> None:
    bad = (
        'literary,hyperbole,"A claim goes\nbeyond what can be.",I waited for years.,,,\r\n'
        "logicall,induction,,It rained twice.,,,\r\n"
        "literary,,A thing without a name.,A text without a name.,,,\r\n"
        "literary,Simile,One thing, another thing.,It is like a thing.,,,\r\n"
        "poetry,Deduction,Another definition.,Another example.,,,\r\n"
        "logic,Deduction,Another definition.,Another example.,,,\r\n"
    )
    message = error_of(files_in(tmp_path, HEADER + ROWS + bad, TOPICS + "\nsewing"))
    for problem in (
        f"{tmp_path}: skills.csv, line 10: has more cells than columns; put cells that hold commas in quotation marks",
        'skills.csv, line 8 "induction": the category "logicall" is unknown; did you mean "logic"?',
        'skills.csv, line 8 "induction": the definition is empty; give one sentence that a grader can apply',
        "skills.csv, line 9: the name is empty",
        'skills.csv, line 11 "Deduction": the category "poetry" is unknown; known: literary, rhetorical, ',
        'the skill "deduction" stands 2 times (skills.csv, line 4 and skills.csv, line 12)',
        'the topic "Sewing" stands 2 times (topics.txt, line 1 and topics.txt, line 6)',
    ):
        assert problem in message


@pytest.mark.parametrize(
    ("skills", "topics", "problem"),
    [
        (HEADER + ROWS, None, "topics.txt cannot be read (No such file or directory)"),
        (ROWS, TOPICS, "skills.csv, line 1: no column is called category or skill or definition or example"),
        ("", TOPICS, "skills.csv, line 1: no column is called category or skill or definition or example"),
        (HEADER + ROWS + 'literary,"pun,A word.,A text.', TOPICS, "skills.csv, line 6: unexpected end of data"),
        (HEADER + ROWS, "Sewing\n", "no topic is in the held_out split"),
    ],
)
def test_files_that_cannot_be_a_catalogue(tmp_path: Path, skills: str, topics: str | None, problem: str) -> None:
    assert problem in error_of(files_in(tmp_path, skills, topics))


def test_bytes_that_are_no_utf8_are_one_line(tmp_path: Path) -> None:
    files_in(tmp_path)
    (tmp_path / "topics.txt").write_bytes("Café\nSewing".encode("latin-1"))
    assert "topics.txt is not UTF-8 (invalid continuation byte at byte 3); save it as UTF-8" in error_of(str(tmp_path))


def test_a_folder_with_both_formats_is_refused(tmp_path: Path) -> None:
    path = files_in(tmp_path)
    (tmp_path / "more.yaml").write_text("skills: []")
    assert error_of(path) == f"--catalogue {path}: the folder holds skills.csv and more.yaml; keep one of the formats"


def test_topics_are_halved_the_same_way_on_every_machine() -> None:
    assert halved(["Sewing", "Knots", "Kites", "Ice fishing", "Chess"]) == {
        "Sewing": "held_out",
        "Knots": "held_out",
        "Kites": "train",
        "Ice fishing": "train",
        "Chess": "train",
    }


@given(names=st.lists(st.text(), unique=True), order=st.randoms())
def test_the_halves_are_equal_and_do_not_depend_on_the_order(names: list[str], order: object) -> None:
    splits = list(halved(names).values())
    assert splits.count("train") - splits.count("held_out") in (0, 1)
    shuffled = list(names)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert halved(shuffled) == halved(names)


def test_the_published_files_load(repository: Path) -> None:
    published = repository.parent / "shared" / "reference"
    if not (published / "skills.csv").exists():
        pytest.skip("the reference implementation's files are not beside this checkout")
    catalogue = load_catalogue(str(published))
    assert [len(catalogue.split_skills(split)) for split in ("train", "held_out")] == [4, 6]
    assert [len(catalogue.split_topics(split)) for split in ("train", "held_out")] == [5, 5]
    assert catalogue.skill("complex question (loaded question with implicit assumption )").category == "rhetorical"
