"""Leaves a fit as it was: random states and train modes, whatever happens in between."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Runs its body in evaluation mode and puts back every module's mode and every random state.

    Python's, NumPy's, torch's CPU generator and those of all CUDA devices are restored, also after an exception, so
    that training goes on bit for bit as if the body had not run.
    """
    modes = [(module, module.training) for module in model.modules()]
    python_state, numpy_state, torch_state = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
        if cuda_states:
            torch.cuda.set_rng_state_all(cuda_states)
