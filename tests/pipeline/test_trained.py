from pathlib import Path

import pytest
from examples import dataset_rows, write_dataset

from skillmix_lightning.errors import InputError
from skillmix_lightning.pipeline.trained import trained_combinations


def test_the_combinations_of_a_data_set_are_its_skills_and_topics_whatever_their_order(tmp_path: Path) -> None:
    rows = dataset_rows(6, k=2)
    turned = [{**row, "skills": row["skills"][::-1]} for row in rows[:3]]
    found = trained_combinations(write_dataset(tmp_path / "d.jsonl", rows + turned))
    assert found == {(frozenset(row["skills"]), row["topic"]) for row in rows}
    assert len(found) == 6


def test_a_last_line_without_a_line_feed_counts(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text('{"skills": ["a"], "topic": "x"}\n{"skills": ["a", "b"], "topic": "y"}')
    assert trained_combinations(path) == {(frozenset("a"), "x"), (frozenset("ab"), "y")}


def test_problems_are_listed_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(
        '{"skills": ["a"], "topic": "x"}\n{"skills": "a, b", "topic": "y"}\nno JSON\n{"skills": [], "topic": "y"}\n'
        '{"skills": ["a"]}\n[1]\n'
    )
    with pytest.raises(InputError) as refused:
        trained_combinations(path)
    assert str(refused.value) == (
        f'{path}, line 2: the field "skills" is not a list of names; line 3: not valid JSON (Expecting value: line 1 '
        'column 1 (char 0)); line 4: the field "skills" is not a list of names; line 5: the field "topic" is not a '
        "name; line 6: not a JSON object but a list"
    )
    path.write_text("nonsense\n" * 14)
    with pytest.raises(InputError, match=r"line 10: not valid JSON \(.*\); and 4 more$"):
        trained_combinations(path)


def test_a_missing_or_empty_data_set_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        trained_combinations(tmp_path / "none.jsonl")
    assert str(refused.value) == (f"{tmp_path / 'none.jsonl'}: the data set cannot be read (No such file or directory)")
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(InputError, match=r"the data set is empty$"):
        trained_combinations(tmp_path / "empty.jsonl")
