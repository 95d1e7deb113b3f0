"""The two papers' own figures, to stand beside a run's where the setting is the same."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from skillmix_lightning.catalogue import Split
from skillmix_lightning.report.results import Results
from skillmix_lightning.scoring import OverGenerations

#: `CheckerGrader.name`, whose module takes a second to import.
_PROGRAM = "checker"
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


def beside(
    results: Sequence[Results], over_generations: OverGenerations = "max", name_rule: bool = True
) -> list[Published]:
    """The published cells with the setting of one of these runs: the split, the k, and common skills or none.

    Both papers take the best of a combination's generations and give a named skill nothing, and models graded: scores
    made by other rules, and runs that a program graded, have no cell beside them. Of P2's models only those that wrote
    one of the runs are shown. What a run does not say, as imported ones do not, is taken to be the same.
    """
    if over_generations != "max" or not name_rule:
        return []
    graded = [each for each in results if each.catalogue != "verifiable" and each.grader != _PROGRAM]
    return [row for row in published() if any(_is_setting_of(each, row) for each in graded)]


def _is_setting_of(results: Results, row: Published) -> bool:
    common = (results.manifest.get("plan") or {}).get("common_skills")
    return (
        any((row.split, row.k) == (score.split, score.k) for score in results.scores)
        and common in (None, row.source == "P1")
        and (row.source == "P1" or _plain(row.student) == _plain(results.student))
    )


def _plain(name: str) -> str:
    return _FORMAT.sub("", re.sub(r"[^a-z0-9]", "", _OWNER.sub("", name).lower()))
