"""Small data sets for tests: real texts of the verifiable catalogue, as its template student writes them."""

import json
from pathlib import Path

from skillmix_lightning.catalogue import load_catalogue
from skillmix_lightning.pipeline.dataset_files import dataset_row
from skillmix_lightning.pipeline.plan import requests_for
from skillmix_lightning.pipeline.synthesis_plan import draw_training
from skillmix_lightning.prompts import load_prompts
from skillmix_lightning.students.template import TemplateStudent


def dataset_rows(count: int, prompts: str = "brief-v1", k: int = 1) -> list[dict]:
    """Rows of a data set, one combination each."""
    catalogue = load_catalogue()
    requests = requests_for(catalogue, load_prompts(prompts), draw_training(catalogue, {k: count}))
    return [dataset_row(composition, [], {}) for composition in TemplateStudent(catalogue).write(requests)]


def write_dataset(path: Path, rows: list[dict]) -> Path:
    """Writes rows as a data-set file and returns its path."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
