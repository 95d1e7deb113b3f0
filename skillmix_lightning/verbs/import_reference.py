"""`import-reference DIR`: published results of the reference implementation as a run."""

from collections.abc import Sequence
from pathlib import Path

from skillmix_lightning.catalogue import load_catalogue
from skillmix_lightning.runs.reference_results import import_reference
from skillmix_lightning.verbs.parser import parse


def main(verb: str, args: Sequence[str]) -> None:
    """Runs the verb."""
    import_results(**parse(verb, import_results, args, {"folder": "one"}))


def import_results(
    folder: str,
    student: str,
    grader: str,
    out: str,
    catalogue: str | None = None,
    generation_prompt: str | None = None,
    grading_prompt: str | None = None,
) -> None:
    """Turns a results folder of the reference implementation into a run, and says what it found.

    Args:
        folder: with subfolders such as k3_s10_vdefault_r1.
        student: whose texts.
        grader: whose grades.
        out: the run to make.
        catalogue: the catalogue the results were made with, such as a folder with its skills.csv and topics.txt; only
            the ids of combinations depend on it.
        generation_prompt: which generation prompt, if the folder holds results of several.
        grading_prompt: which grading prompt, likewise.

    Raises:
        InputError: the folder holds no such results, or the run is there already.
    """
    loaded = None if catalogue is None else load_catalogue(catalogue)
    report = import_reference(Path(folder), student, grader, Path(out), loaded, generation_prompt, grading_prompt)
    for line in report.lines():
        print(line)
