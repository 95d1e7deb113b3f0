"""The two papers' own figures, to stand beside a run's where the setting is the same."""

import re
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from skillmix_lightning.catalogue import Split
from skillmix_lightning.report.results import Results

_FILE = Path(__file__).with_name("published.yaml")
#: What hub names add to a model's name: an owner in front, the file format behind.
_OWNER = re.compile(r"^.*/")
_FORMAT = re.compile(r"hf$")


class Published(BaseModel):
    """One published cell; `trained_on` is empty for a model as it was released."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    student: str
    split: Split
    k: int
    trained_on: str
    full_marks: float
    all_skills: float | None = None
    skill_fraction: float | None = None

    @property
    def name(self) -> str:
        """The student, and what it was trained on."""
        return f"{self.source}: {self.student}" + (f" + {self.trained_on}" if self.trained_on else "")


@cache
def published() -> tuple[Published, ...]:
    """All of them."""
    return tuple(Published(**row) for row in yaml.safe_load(_FILE.read_text(encoding="utf-8")))


def beside(results: Sequence[Results]) -> list[Published]:
    """The published cells with the split and k of one of these runs.

    Verifiable skills are another test than the papers', so runs on them have none beside them. Of P2's models only
    those that wrote one of the runs are shown.
    """
    comparable = [each for each in results if each.catalogue != "verifiable"]
    cells = {(row.split, row.k) for each in comparable for row in each.scores}
    students = {_plain(each.student) for each in comparable}
    return [row for row in published() if (row.split, row.k) in cells and _wanted(row, students)]


def _wanted(row: Published, students: Collection[str]) -> bool:
    return row.source == "P1" or _plain(row.student) in students


def _plain(name: str) -> str:
    return _FORMAT.sub("", re.sub(r"[^a-z0-9]", "", _OWNER.sub("", name).lower()))
