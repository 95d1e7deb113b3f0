"""Runs a verb: `python -m skillmix_lightning VERB`."""

import sys

from skillmix_lightning.cli import main

if __name__ == "__main__":
    sys.exit(main())
