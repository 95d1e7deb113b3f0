"""The embedded data set: D(1), D(2), D(3) of the verifiable catalogue, written by the template student.

`embedded:verifiable-d123` is its name wherever a data set is named. It needs no key and costs nothing.
"""

import json
import shutil
from pathlib import Path

from filelock import FileLock

from skillmix_lightning import __version__
from skillmix_lightning.catalogue import load_catalogue
from skillmix_lightning.errors import InputError
from skillmix_lightning.graders.checker import CheckerGrader
from skillmix_lightning.models import embedded_root
from skillmix_lightning.pipeline.synthesize import Yield, draw_training, synthesize
from skillmix_lightning.prompts import load_prompts
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.run import write_json
from skillmix_lightning.students.template import TemplateStudent

PREFIX = "embedded:verifiable-"

#: Texts written per k before the filter: the paper's 5,000 / 10,000 / 10,000 at a tenth.
ATTEMPTS = {"d1": {1: 500}, "d12": {1: 500, 2: 1000}, "d123": {1: 500, 2: 1000, 3: 1000}}


def embedded_dataset(name: str, prompts: str = "brief-v1", seed: int = 0) -> tuple[Path, list[Yield]]:
    """The file of an embedded data set, and its yield per k; makes it if it is not there.

    Args:
        name: `embedded:verifiable-d1`, `-d12` or `-d123`.
        prompts: the wording of the examples.
        seed: of the draw and of the student.

    Raises:
        InputError: there is no such data set, or its folder cannot be written.
    """
    sizes = name.removeprefix(PREFIX)
    if not name.startswith(PREFIX) or sizes not in ATTEMPTS:
        known = ", ".join(PREFIX + size for size in ATTEMPTS)
        raise InputError(f'no embedded data set is called "{name}"; there are {known}')
    catalogue = load_catalogue("verifiable")
    wording = load_prompts(prompts)
    folder = embedded_root() / f"verifiable-{sizes}-v{__version__}-{catalogue.id}-{wording.sha256[:8]}-seed{seed}"
    data_file, yield_file = folder / "data.jsonl", folder / "yield.json"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            if not yield_file.exists():
                shutil.rmtree(folder, ignore_errors=True)
                run = Run.start(
                    folder / "run",
                    {
                        "catalogue_id": catalogue.id,
                        "prompts": {"id": wording.id, "sha256": wording.sha256},
                        "attempts": ATTEMPTS[sizes],
                        "seed": seed,
                    },
                )
                yields = synthesize(
                    run,
                    catalogue,
                    wording,
                    draw_training(catalogue, ATTEMPTS[sizes], seed),
                    TemplateStudent(catalogue, seed),
                    CheckerGrader(catalogue),
                    data_file,
                )
                write_json(yield_file, [vars(row) for row in yields])
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); set SKILLMIX_CHECKPOINTS") from None
    return data_file, [Yield(**row) for row in json.loads(yield_file.read_text())]
