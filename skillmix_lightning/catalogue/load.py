"""Loads a catalogue: a built-in one by its name, a user's by its path (docs/catalogues.md describes the files).

All problems of all files are listed at once.
"""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from skillmix_lightning.catalogue.reference_files import rows_of_reference
from skillmix_lightning.catalogue.rows import Row, catalogue_of
from skillmix_lightning.catalogue.types import Catalogue
from skillmix_lightning.catalogue.yaml_files import rows_of_yaml
from skillmix_lightning.errors import InputError, raise_all

HERE = Path(__file__).parent
BUILT_IN = ("language", "verifiable")

_REFERENCE_SKILLS = "skills.csv"


@cache
def load_catalogue(name_or_path: str = "verifiable") -> Catalogue:
    """Loads a built-in catalogue by name, or a user's by path.

    Args:
        name_or_path: `language`, `verifiable`; a YAML file or a folder of them; or a folder with the reference
            implementation's `skills.csv` and `topics.txt`.

    Raises:
        InputError: there is no such catalogue, or its files have problems (all are listed).
    """
    path = HERE / name_or_path if name_or_path in BUILT_IN else Path(name_or_path)
    if not path.exists():
        raise InputError(f"--catalogue {name_or_path}: no such file or folder; built in: {', '.join(BUILT_IN)}")
    problems: list[str] = []
    catalogue = catalogue_of(_rows_of(path, problems), problems)
    raise_all(str(path), problems)
    return catalogue


@cache
def lexicon(name: str) -> Any:
    """A word list of the verifiable catalogue, as its YAML file holds it.

    Checkers read what a definition calls "a word from the list", and the template student writes from the same list.
    """
    return yaml.safe_load((HERE / "verifiable" / "lexicons" / f"{name}.yaml").read_text(encoding="utf-8"))


def _rows_of(path: Path, problems: list[str]) -> list[Row]:
    if path.is_file():
        return rows_of_reference(path, problems) if path.suffix == ".csv" else rows_of_yaml(path, problems)
    yaml_files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
    reference = path / _REFERENCE_SKILLS
    if reference.exists() and yaml_files:
        names = ", ".join(file.name for file in yaml_files)
        raise InputError(f"--catalogue {path}: the folder holds {reference.name} and {names}; keep one of the formats")
    if reference.exists():
        return rows_of_reference(reference, problems)
    if not yaml_files:
        raise InputError(f"--catalogue {path}: the folder holds neither a .yaml file nor {reference.name}")
    return [row for file in yaml_files for row in rows_of_yaml(file, problems)]
