"""Every random state of this process, so that a resumed fit draws what an uninterrupted one would have drawn."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skillmix_lightning.training.checkpoints import RANDOM, load_plain, save_plain

RandomStates = dict[str, Any]


def capture() -> RandomStates:
    """The states of Python's, NumPy's and torch's generators, the CUDA device's included, as plain values."""
    _, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    states: RandomStates = {
        "python": random.getstate(),
        "numpy": (torch.from_numpy(np.asarray(keys, dtype=np.int64)), position, has_gauss, cached),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore(states: RandomStates) -> None:
    """Sets the generators to what `capture` found."""
    random.setstate(states["python"])
    keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(states["torch"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def write_random(folder: Path, rank: int, states: RandomStates) -> None:
    """Writes a rank's states into a checkpoint."""
    save_plain(states, folder / RANDOM / f"rank={rank:05d}.pt")


def read_random(folder: Path, rank: int, world_size: int, saved_world_size: int, step: int) -> RandomStates:
    """A rank's states for going on from a checkpoint.

    On another number of ranks the old streams fit nobody: two ranks must not draw the same, nor one what it drew
    before. Then each gets one of its own, a function of the step, the rank and the number of ranks.

    Args:
        folder: the checkpoint.
        rank: of this process.
        world_size: ranks of this fit.
        saved_world_size: ranks that wrote the checkpoint.
        step: optimizer steps done.
    """
    if world_size == saved_world_size:
        states: RandomStates = load_plain(folder / RANDOM / f"rank={rank:05d}.pt")
        return states
    before = capture()
    seed = int(np.random.SeedSequence([step, world_size, rank]).generate_state(1, np.uint32)[0])
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # of the CUDA device as well
    fresh = capture()
    restore(before)
    return fresh
