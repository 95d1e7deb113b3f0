import signal
import subprocess
import sys
from pathlib import Path

import pytest

from skillmix_lightning.errors import InputError
from skillmix_lightning.runs.lock import writing

HOLDER = """
import sys, time
from pathlib import Path
from skillmix_lightning.runs.lock import writing
with writing(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_gets_one_clear_line_and_the_first_is_undisturbed(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "run"
    with writing(folder):
        with pytest.raises(InputError) as refused, writing(folder):
            pass
        assert str(refused.value) == (
            f"{folder}: another process is writing this run; wait until it has ended, or give a folder of its own"
        )
        with pytest.raises(InputError), writing(folder):
            pass
        with writing(tmp_path / "other"):
            pass
    with writing(folder):
        pass


def test_a_killed_writer_lets_go(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(InputError, match="another process is writing"), writing(tmp_path):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with writing(tmp_path):
        pass


def test_an_error_inside_lets_go_too(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), writing(tmp_path):
        raise ZeroDivisionError
    with writing(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as refused, writing(tmp_path / "file" / "run"):
        pass
    assert str(refused.value) == f"{tmp_path}/file/run: the run's folder cannot be written (Not a directory)"
