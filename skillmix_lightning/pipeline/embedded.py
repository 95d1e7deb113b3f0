"""The embedded data set: D(1), D(2), D(3) of the verifiable catalogue, written by the template student.

`embedded:verifiable-d123` is its name wherever a data set is named. It needs no key and costs nothing.
"""

import json
import shutil
from pathlib import Path

from filelock import FileLock

from skillmix_lightning import __version__
from skillmix_lightning.errors import InputError
from skillmix_lightning.graders.checker import CheckerGrader
from skillmix_lightning.models import embedded_root
from skillmix_lightning.pipeline.dataset_files import DATASET, YIELD
from skillmix_lightning.pipeline.dataset_yield import Yield
from skillmix_lightning.pipeline.synthesis_plan import SynthesisPlan
from skillmix_lightning.pipeline.synthesize import synthesize
from skillmix_lightning.runs import Run
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
    # Near duplicates stay: the student's patterns are few, and what differs between its texts is what they are about.
    plan = SynthesisPlan("verifiable", ATTEMPTS[sizes], seed=seed, prompts=prompts, near_duplicates=None)
    catalogue, wording = plan.load_catalogue(), plan.load_prompts()
    made_of = f"{sizes}-v{__version__}-{catalogue.id}-{wording.sha256[:8]}-seed{seed}"
    folder = embedded_root() / "verifiable" / made_of
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            if not (folder / YIELD).exists():  # the last file to be written
                shutil.rmtree(folder, ignore_errors=True)
                run = Run.start(folder, plan.manifest())
                synthesize(run, plan, TemplateStudent(catalogue, seed), CheckerGrader(catalogue))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); set SKILLMIX_CHECKPOINTS") from None
    rows = json.loads((folder / YIELD).read_text(encoding="utf-8"))["ks"]
    return folder / DATASET, [Yield(**row) for row in rows]
