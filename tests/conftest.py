"""What holds for every test: no hub, no paid key, no deadline that a busy machine could miss."""

import os
import subprocess
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # read when transformers is imported, so set before any test module is
os.environ["OMP_NUM_THREADS"] = "1"  # on tiny models a second thread only spins, and slows whatever else runs
os.environ["MPLBACKEND"] = "Agg"
os.environ.pop("OPENAI_API_KEY", None)  # no test may spend a developer's money

import pytest
from chat_server import server as server  # a fixture
from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the working tree."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def exported_fits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with checkpoints of two fits, `full` sharded over 2 ranks and `lora` of adapters, and their model."""
    folder = tmp_path_factory.mktemp("exported")
    script = Path(__file__).parent / "support" / "resume.py"
    done = subprocess.run(
        [sys.executable, str(script), "exported", str(folder)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips tests marked `gpu` where there is no CUDA device."""
    needing_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if needing_gpu:
        import torch  # costs seconds: only when a test asks for it

        if not torch.cuda.is_available():
            for item in needing_gpu:
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))
