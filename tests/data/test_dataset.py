import json

import pytest

from skillmix_lightning.catalogue import load_catalogue
from skillmix_lightning.data.dataset import read_dataset, split_by_combination
from skillmix_lightning.errors import InputError


def row(number=0, skills=("anaphora",), topic="Sewing", **changes):
    return {
        "id": str(number),
        "k": len(skills),
        "split": "train",
        "skills": list(skills),
        "topic": topic,
        "text": "A text.",
        "messages": [{"role": "user", "content": "Write."}, {"role": "assistant", "content": "A text."}],
        **changes,
    }


def write(path, rows):
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in rows))
    return path


def test_a_line_keeps_its_turns_and_may_carry_more_fields(tmp_path):
    (read,) = read_dataset(write(tmp_path / "d.jsonl", [row(grades=[], provenance={"student": "gpt-4"})]))
    assert read.chat() == row()["messages"]


def test_every_malformed_line_is_named_with_its_number_and_field(tmp_path):
    lines = [
        row(),
        '{"id": "torn\n',
        row(k=3),
        row(topic=7),
        "[]\n",
        row(messages=[{"role": "user", "content": "Write."}]),
        row(messages=[{"role": "robot", "content": "x"}, {"role": "assistant", "content": ""}]),
    ]
    with pytest.raises(InputError) as error:
        read_dataset(write(tmp_path / "d.jsonl", lines))
    message = str(error.value)
    assert message.startswith(f"{tmp_path / 'd.jsonl'}, line 2: not valid JSON")
    assert "line 3, field row: k is 3, but 1 skills are named" in message
    assert "line 4, field topic: Input should be a valid string" in message
    assert "line 5: not a JSON object but a list" in message
    assert "line 6, field row: messages must end with an assistant's turn" in message
    assert "line 7, field messages.0.role: Input should be 'system', 'user' or 'assistant'" in message
    assert "line 7, field messages.1.content" in message
    assert "\n" not in message


def test_a_missing_field_is_named(tmp_path):
    incomplete = row()
    del incomplete["messages"]
    with pytest.raises(InputError, match="line 1, field messages: Field required"):
        read_dataset(write(tmp_path / "d.jsonl", [incomplete]))


def test_only_the_first_ten_problems_are_listed_and_the_rest_are_counted(tmp_path):
    with pytest.raises(InputError, match="and 15 more"):
        read_dataset(write(tmp_path / "d.jsonl", ["{}\n", "nonsense\n", *["nonsense\n"] * 17]))


def test_an_unknown_skill_is_named_with_the_nearest_known_one(tmp_path):
    path = write(tmp_path / "d.jsonl", [row(), row(skills=("anafora",))])
    with pytest.raises(
        InputError, match='line 2: no skill is called "anafora" in the catalogue; did you mean "anaphora"'
    ):
        read_dataset(path, load_catalogue())


@pytest.mark.parametrize(("make", "problem"), [(lambda p: None, "cannot be read"), (lambda p: p.touch(), "is empty")])
def test_a_missing_or_empty_file_is_one_clear_line(tmp_path, make, problem):
    make(tmp_path / "d.jsonl")
    with pytest.raises(InputError, match=problem):
        read_dataset(tmp_path / "d.jsonl")


def read_rows(tmp_path, count):
    skills = ["anaphora", "simile", "rhyme", "epizeuxis"]
    rows = [row(i, skills=(skills[i % 4], skills[(i + 1 + i % 3) % 4]), topic=f"t{i % 5}") for i in range(count)]
    return read_dataset(write(tmp_path / "d.jsonl", [r for r in rows if len(set(r["skills"])) == 2]))


@pytest.mark.parametrize("seed", [0, 1])
def test_no_combination_is_on_both_sides_of_the_split(tmp_path, seed):
    rows = read_rows(tmp_path, 200)
    train, val = split_by_combination(rows, 0.2, seed)
    assert {r.combination for r in train}.isdisjoint(r.combination for r in val)
    assert len(train) + len(val) == len(rows)
    combinations = {r.combination for r in rows}
    assert len({r.combination for r in val}) == round(0.2 * len(combinations))


def test_the_order_of_skills_does_not_make_another_combination(tmp_path):
    rows = [row(0, ("simile", "rhyme")), row(1, ("rhyme", "simile")), row(2, ("simile", "anaphora"))]
    train, val = split_by_combination(read_dataset(write(tmp_path / "d.jsonl", rows)), 0.5, 0)
    assert {len(train), len(val)} == {1, 2}


def test_one_combination_cannot_be_split(tmp_path):
    rows = read_dataset(write(tmp_path / "d.jsonl", [row(), row(1)]))
    with pytest.raises(InputError, match="set validation_share to 0"):
        split_by_combination(rows, 0.1, 0)
    assert split_by_combination(rows, 0, 0) == (rows, [])
