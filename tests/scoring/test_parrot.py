from pathlib import Path

import pytest
from records import composition

from skillmix_lightning.errors import InputError
from skillmix_lightning.scoring.parrot import Frequencies, ParrotBound, load_frequencies, parrot_bounds

COMBINATION = composition().combination  # metaphor and simile, on Sewing
FREQUENCIES = Frequencies(1e6, {"metaphor": 0.1, "simile": 0.02}, {"sewing": 1e-4})


def test_the_expected_documents_are_the_product_of_all_shares() -> None:
    assert FREQUENCIES.expected(COMBINATION) == pytest.approx(1e6 * 1e-4 * 0.1 * 0.02)


def test_the_bound_is_the_mean_chance_at_most_one_each() -> None:
    combinations = [
        composition("a").combination,
        composition("a").combination,  # a second generation
        composition("b", skills=["metaphor", "metaphor"]).combination,
        composition("c", skills=["simile"] * 3, split="held_out").combination,
    ]
    many = Frequencies(1e7, FREQUENCIES.skills, FREQUENCIES.topics)
    assert parrot_bounds(combinations, many) == [
        ParrotBound("train", 2, 2, pytest.approx((2 + 10) / 2), 1.0),
        ParrotBound("held_out", 3, 1, pytest.approx(0.008), pytest.approx(0.008)),
    ]
    (row,) = parrot_bounds(combinations[:3], FREQUENCIES)
    assert (row.expected, row.bound) == (pytest.approx((0.2 + 1) / 2), pytest.approx((0.2 + 1) / 2))


def test_a_star_stands_for_all_that_are_not_named() -> None:
    frequencies = Frequencies(1e6, {"metaphor": 0.1, "*": 0.02}, {"*": 1e-4})
    assert frequencies.expected(COMBINATION) == pytest.approx(FREQUENCIES.expected(COMBINATION))


def test_what_has_no_frequency_is_listed() -> None:
    with pytest.raises(InputError, match=r'skills metaphor, simile.*topics Sewing; add them, or "\*"'):
        parrot_bounds([COMBINATION], Frequencies(1.0, {}, {"tea": 0.5}))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("f.yaml", "documents: 1e6\nskills: {Metaphor: 0.1, simile: 2e-2}\ntopics: {Sewing: 1.0e-4}\n"),
        ("f.csv", "kind,name,frequency\ndocuments,,1e6\nskill,metaphor,0.1\nskill,simile,0.02\ntopic,Sewing,1e-4\n"),
    ],
)
def test_both_kinds_of_file_are_read(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert load_frequencies(str(tmp_path / name)) == FREQUENCIES


def test_one_number_stands_for_all(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("documents: 10\nskills: 0.5\ntopics: 1\n")
    assert load_frequencies(str(tmp_path / "f.yaml")) == Frequencies(10.0, {"*": 0.5}, {"*": 1.0})


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("f.yaml", "skills: {a: 0, b: 1.5}\ntopic: 1\n", 'key "topic" is unknown.*"documents" is missing.*"topics" is'),
        ("f.yaml", "skills: {a: 0, b: 1.5}\ndocuments: 1\ntopics: 1", '"a" is 0, and must be.*"b" is 1.5'),
        ("f.yaml", "documents: -1\nskills: 1\ntopics: many", 'documents is -1.*"\\*" is many'),
        ("f.yaml", "[1]", "holds no mapping"),
        ("f.yaml", "{", "cannot be read"),
        ("f.csv", "name,frequency\na,1\n", "the columns are name, frequency"),
        ("f.csv", "kind,name,frequency\nverb,a,1\n", 'the kind "verb" is unknown'),
        ("f.csv", "kind,name,frequency\nskill,a\n", "a.* is None"),
    ],
)
def test_a_malformed_file_is_one_line(tmp_path: Path, name: str, content: str, what: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=what) as error:
        load_frequencies(str(tmp_path / name))
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_one_line() -> None:
    with pytest.raises(InputError, match=r"no/such\.yaml: cannot be read"):
        load_frequencies("no/such.yaml")
