"""One checker per skill of the verifiable catalogue; importing this package registers them all in `CHECKERS`."""

import importlib
import pkgutil

from skillmix_lightning.graders.checkers.registry import CHECKERS, Checker

# Every module here registers its checkers when it is imported, so a file that is added needs no line elsewhere.
for _module in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
    importlib.import_module(_module.name)

__all__ = ["CHECKERS", "Checker"]
