import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmix_lightning.data.dataset import read_dataset
from skillmix_lightning.data.mixture import draw_subset, read_mixture
from skillmix_lightning.errors import InputError

SKILLS = ("anaphora", "simile", "rhyme", "epizeuxis")


def write(path, ks, first=0):
    """A data set of one text for each of the ks."""
    rows = [
        {
            "id": f"{first + place}",
            "k": k,
            "split": "train",
            "skills": SKILLS[:k],
            "topic": "Sewing",
            "text": f"Text {first + place}.",
            "messages": [
                {"role": "user", "content": "Write."},
                {"role": "assistant", "content": f"Text {first + place}."},
            ],
        }
        for place, k in enumerate(ks)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return read_dataset(write(tmp_path_factory.mktemp("data") / "d.jsonl", [1] * 30 + [2] * 50 + [3] * 20))


def test_files_of_d1_d2_and_d3_are_read_as_d123(tmp_path):
    paths = [write(tmp_path / f"d{k}.jsonl", [k] * 4, first=10 * k) for k in (1, 2, 3)]
    rows = read_mixture(paths, None, None)
    assert [row.k for row in rows] == [1] * 4 + [2] * 4 + [3] * 4
    assert [row.where for row in rows[3:5]] == [f"{paths[0]}, id 13", f"{paths[1]}, id 20"]


def test_only_texts_of_the_ks_asked_for_are_taken(tmp_path):
    rows = read_mixture([write(tmp_path / "d.jsonl", [1, 2, 3, 2])], None, [3, 1])
    assert [row.id for row in rows] == ["0", "2"]


def test_a_k_that_no_text_has_is_named_with_those_there_are(tmp_path):
    with pytest.raises(InputError, match=r"--data\.ks: no text has k = 4; there are k = 1, 2"):
        read_mixture([write(tmp_path / "d.jsonl", [1, 2])], None, [2, 4])


def test_texts_that_two_files_share_are_an_error_and_every_broken_file_is_named(tmp_path):
    d1, d12 = write(tmp_path / "d1.jsonl", [1, 1]), write(tmp_path / "d12.jsonl", [1, 1, 2])
    with pytest.raises(InputError) as error:
        read_mixture([d1, tmp_path / "none.jsonl", d12], None, None)
    assert f"{tmp_path / 'none.jsonl'}: the data set cannot be read" in str(error.value)
    assert f"{d12}: 2 of its texts are in {d1} too, and would count twice; list one" in str(error.value)


def test_a_subset_has_the_size_and_the_mix_that_were_asked_for(rows):
    drawn = draw_subset(rows, 40, {3: 10}, seed=0)
    counts = Counter(row.k for row in drawn)
    assert len(drawn) == 40
    assert counts[3] == 10
    assert counts[1] > 0
    assert counts[2] > 0
    assert Counter(row.k for row in draw_subset(rows, 40, {1: 0, 2: 25, 3: 15}, seed=0)) == {2: 25, 3: 15}


@settings(max_examples=20)
@given(size=st.integers(1, 100), seed=st.integers(0, 5))
def test_a_smaller_subset_is_part_of_a_larger_one_and_keeps_the_order(rows, size, seed):
    ids = [row.id for row in draw_subset(rows, size, {}, seed)]
    assert len(ids) == size
    assert ids == [row.id for row in rows if row.id in set(ids)]
    assert set(ids) <= {row.id for row in draw_subset(rows, min(100, size + 7), {}, seed)}


def test_another_seed_draws_another_subset_and_the_order_of_the_files_does_not_matter(rows):
    drawn = {row.id for row in draw_subset(rows, 30, {}, seed=0)}
    assert drawn != {row.id for row in draw_subset(rows, 30, {}, seed=1)}
    assert drawn == {row.id for row in draw_subset(rows[::-1], 30, {}, seed=0)}


def test_all_that_a_subset_lacks_is_listed_at_once(rows):
    with pytest.raises(InputError) as error:
        draw_subset(rows, 130, {3: 25, 5: 1}, seed=0)
    assert "subset_mix asks for 25 texts with k = 3, and there are 20" in str(error.value)
    assert "subset_mix asks for 1 texts with k = 5, and there are 0" in str(error.value)
    assert "subset asks for 104 texts whose k subset_mix does not name, and there are 80" in str(error.value)
    with pytest.raises(InputError, match="subset asks for 101 texts to train on, and there are 100"):
        draw_subset(rows, 101, {}, seed=0)
    with pytest.raises(InputError, match="subset_mix adds up to 30 texts, more than the 20 of subset"):
        draw_subset(rows, 20, {2: 30}, seed=0)
