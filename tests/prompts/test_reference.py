"""The reference implementation's prompts, and the turns it recorded."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from skillmix_lightning.catalogue import Catalogue, Combination, Skill, load_catalogue
from skillmix_lightning.errors import InputError
from skillmix_lightning.graders.rubric import Rubric
from skillmix_lightning.prompts import RubricWording, extract_answer_reference, load_prompts

RECORDED = Path(__file__).parents[3] / "shared" / "reference"
needs_recorded = pytest.mark.skipif(not RECORDED.exists(), reason="no recorded results of the reference implementation")


def skill(name: str, definition: str, example: str) -> Skill:
    return Skill.model_construct(name=name, category="literary", definition=definition, example=example, form="")


CATALOGUE = Catalogue(
    skills=(skill("Red Herring", "A definition.", '"Quoted {topic}."'), skill("metaphor (figure)", "D.", "E.")),
    topics=(),
)
COMBINATION = Combination("c", "all", ("Red Herring", "metaphor (figure)"), "Sewing")


def folder_with(folder: Path, generation: object, grading: object, stem: str = "gpt") -> Path:
    for part, name, turns in (("generation", "default", generation), ("grade", stem, grading)):
        (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / part / f"{name}.json").write_text(json.dumps(turns), encoding="utf-8")
    return folder


def test_every_field_is_filled_in_as_the_reference_implementation_does(tmp_path: Path) -> None:
    fields = "{topic}|{skills_str}|{num_skills} {num_skills_str}|{num_sentences} {num_sentences_str}|{{x}}"
    blocks = "{skills_defs}\n{skills_defs_and_examples_simple}\n{skills_defs_and_examples}"
    folder = folder_with(tmp_path, [fields, blocks], ["a table: {student_answer}|{rubric_items}"])
    prompts = load_prompts(str(folder))
    first, second = prompts.generation_turns(CATALOGUE, COMBINATION)
    assert first == "Sewing|Red Herring, metaphor (figure)|2 two|1 one sentence|{x}"
    assert second == (
        "**Red Herring**: A definition.\n**metaphor (figure)**: D.\n"
        '**Red Herring**: A definition. For example, "Quoted {topic}."\n**metaphor (figure)**: D. For example, E.\n'
        'Skill: Red Herring\nDefinition: A definition.\nExample: "Quoted {topic}."\n'
        "Skill: metaphor (figure)\nDefinition: D.\nExample: E."
    )
    labels = Rubric.of(COMBINATION, prompts.wording).labels
    assert prompts.grading_turn(CATALOGUE, COMBINATION, "{rubric_items}", labels) == (
        "a table: {rubric_items}|Correctly illustrates red herring, Correctly illustrates metaphor (figure), "
        "Pertains to Sewing, Text makes sense, At most one sentence"
    )
    assert prompts.grading_format == "table"
    assert prompts.id == f"{tmp_path.name}:default:gpt"


def test_files_other_than_the_defaults_are_named_behind_the_folder(tmp_path: Path) -> None:
    folder_with(tmp_path, ["Write."], ["Grade {student_answer} by {rubric_items}."], stem="llama")
    prompts = load_prompts(f"{tmp_path}:default:llama")
    assert prompts.id == f"{tmp_path.name}:default:llama"
    assert prompts.wording == RubricWording(skill="Contains {skill}")
    assert prompts.grading_format == "prose"
    with pytest.raises(InputError) as refused:
        load_prompts(str(tmp_path))
    assert str(refused.value) == (
        f"--prompts {tmp_path}: no file {tmp_path / 'grade' / 'gpt.json'}; "
        "give DIR:GENERATION:GRADE with the names of two"
    )


@pytest.mark.parametrize(
    ("turns", "problem"),
    [
        ({}, "must be a list of at least one text"),
        (["{topic"], "is no Python format string (expected '}' before end of string)"),
        (["{topic.__class__}"], "unknown field {topic.__class__}; known: "),
        (["{topic:>9}"], "the field {topic} has a format of its own; leave it out"),
    ],
)
def test_a_malformed_file_is_one_line(tmp_path: Path, turns: object, problem: str) -> None:
    folder = folder_with(tmp_path, turns, ["{student_answer} {rubric_items}"])
    with pytest.raises(InputError) as refused:
        load_prompts(str(folder))
    assert str(refused.value).startswith(f"{tmp_path / 'generation' / 'default.json'}: {problem}")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def combination_of_row(row: dict[str, str]) -> Combination:
    return Combination("c", "all", tuple(name.strip() for name in row["skills"].split(",")), row["topic"])


@needs_recorded
def test_recorded_generation_turns_come_out_to_the_byte() -> None:
    prompts, catalogue, seen = load_prompts(str(RECORDED / "prompts")), load_catalogue(str(RECORDED / "skills.csv")), 0
    for path in RECORDED.glob("results/*/*/records.csv"):
        for row in rows(path):
            said = [row.get(f"user_{turn}") or row[f"[INST]_{turn}"] for turn in (0, 1)]
            assert list(prompts.generation_turns(catalogue, combination_of_row(row))) == said
            seen += 1
    assert seen == 30


def graded() -> Iterator[tuple[dict[str, str], str]]:
    for path in RECORDED.glob("results/*/*/graded/*/records.csv"):
        written = {row["topic"]: row for row in rows(path.parents[2] / "records.csv")}
        for row in rows(path):
            reply = written[row["topic"]]
            yield row, extract_answer_reference(reply.get("assistant_1") or reply["[/INST]_1"])


@needs_recorded
def test_recorded_grading_turns_come_out_to_the_byte() -> None:
    catalogue, seen = load_catalogue(str(RECORDED / "skills.csv")), {"gpt": 0, "llama": 0}
    for row, text in graded():
        stem = "gpt" if "rubric table format" in row["user_0"] else "llama"
        prompts = load_prompts(f"{RECORDED / 'prompts'}:default:{stem}")
        combination = combination_of_row(row)
        # The runs graded with the llama prompt had no criteria, or those of the gpt prompt.
        labels = () if "criteria: ." in row["user_0"] else Rubric.of(combination).labels
        assert prompts.grading_turn(catalogue, combination, text, labels) == row["user_0"]
        seen[stem] += 1
    assert seen == {"gpt": 30, "llama": 39}
