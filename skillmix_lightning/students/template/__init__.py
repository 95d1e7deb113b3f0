"""The template student: writes texts from phrase banks, offline; importing this package registers all `WRITERS`."""

import importlib
import pkgutil

from skillmix_lightning.students.template.registry import WRITERS, Writer
from skillmix_lightning.students.template.student import TemplateStudent
from skillmix_lightning.students.template.words import Words

# Every module here registers its writers when it is imported, so a file that is added needs no line elsewhere.
for _module in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
    importlib.import_module(_module.name)

__all__ = ["WRITERS", "TemplateStudent", "Words", "Writer"]
