"""The note of what calls under way at a kill may have cost."""

import pytest

from skillmix_lightning.errors import InputError
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.in_flight import InFlight, forget_in_flight
from skillmix_lightning.runs.jsonl import WriteError


def test_what_is_noted_is_there_until_it_is_forgotten(tmp_path):
    run = Run(tmp_path)
    assert InFlight.of(run) is None
    noted = InFlight(1.25, 300, {"grader": {"usd": 0.5, "tokens": 20}})
    InFlight(1.0, 200, {}).write(run)
    noted.write(run)
    assert InFlight.of(run) == noted
    assert [path.name for path in tmp_path.iterdir()] == ["in_flight.json"]
    forget_in_flight(run)
    forget_in_flight(run)
    assert InFlight.of(run) is None


@pytest.mark.parametrize("content", ["", "[1, 2]", '{"usd": 1}', '{"usd": 1, "tokens": "many", "batches": {}}'])
def test_a_note_that_cannot_be_read_is_never_taken_for_none(tmp_path, content):
    (tmp_path / "in_flight.json").write_text(content)
    with pytest.raises(InputError, match=r"in_flight.json: cannot be read .*; delete it if that need not count"):
        InFlight.of(Run(tmp_path))


def test_a_note_that_cannot_be_written_or_taken_away_is_an_error(tmp_path):
    (tmp_path / "in_flight.json").mkdir()
    with pytest.raises(WriteError):
        InFlight(1.0, 1, {}).write(Run(tmp_path))
    with pytest.raises(WriteError):
        forget_in_flight(Run(tmp_path))
