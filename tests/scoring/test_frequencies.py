import csv
from pathlib import Path

import pytest
import yaml

from skillmix_lightning.errors import InputError
from skillmix_lightning.scoring.frequencies import Counted, Frequencies, load_frequencies, write_frequencies

FREQUENCIES = Frequencies(1e6, {"metaphor": 0.1, "simile": 0.02}, {"sewing": 1e-4})
COUNTED = [
    Counted("skill", "metaphor", 25, 100),
    Counted("skill", "red herring (fallacy): old", 0, 100),
    Counted("topic", "Sewing", 1, 1000),
]


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


def test_the_interval_is_clopper_and_pearsons_and_its_upper_end_stands_for_what_was_not_seen() -> None:
    seen, unseen, _ = COUNTED
    assert seen.frequency == 0.25
    assert seen.ci95 == (pytest.approx(0.16878, abs=1e-5), pytest.approx(0.34655, abs=1e-5))  # R: binom.test(25, 100)
    assert unseen.ci95 == (0, pytest.approx(1 - 0.025 ** (1 / 100)))
    assert unseen.frequency == unseen.ci95[1]


@pytest.mark.parametrize("name", ["made/f.yaml", "f.csv"])
def test_what_was_counted_is_written_as_the_bound_reads_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_frequencies(path, 2e10, COUNTED, "corpus: 1000 documents")
    frequencies = load_frequencies(str(path))
    assert frequencies.documents == 2e10
    assert frequencies.skills == {
        "metaphor": 0.25,
        "red herring (fallacy): old": pytest.approx(1 - 0.025 ** (1 / 100), rel=1e-5),
    }
    assert frequencies.topics == {"sewing": 0.001}


def test_the_counts_and_intervals_stand_beside_the_shares(tmp_path: Path) -> None:
    write_frequencies(tmp_path / "f.yaml", 1000, COUNTED, "corpus: 1000 documents")
    lines = (tmp_path / "f.yaml").read_text().splitlines()
    assert lines[0] == "# corpus: 1000 documents"
    assert '  "metaphor": 0.25  # 25 of 100: 0.17 to 0.35' in lines
    assert lines[5].endswith("# 0 of 100: 0 to 0.036, the upper end")
    write_frequencies(tmp_path / "f.csv", 1000, COUNTED, "corpus")
    rows = list(csv.DictReader((tmp_path / "f.csv").read_text().splitlines()))
    assert [(row["shown"], row["documents"]) for row in rows] == [("", ""), ("25", "100"), ("0", "100"), ("1", "1000")]


def test_nothing_counted_of_a_kind_is_still_a_file_that_can_be_read(tmp_path: Path) -> None:
    write_frequencies(tmp_path / "f.yaml", 10, COUNTED[2:], "corpus")
    assert yaml.safe_load((tmp_path / "f.yaml").read_text())["skills"] == {}
    assert load_frequencies(str(tmp_path / "f.yaml")).skills == {}


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    with pytest.raises(InputError, match=r"--out .*f/g\.yaml: cannot be written"):
        write_frequencies(tmp_path / "f" / "g.yaml", 10, COUNTED, "corpus")
