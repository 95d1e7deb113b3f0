"""The package as others get it: what a wheel holds, and that `callbacks/` has one import name everywhere."""

import os
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

BUILT_FROM = ("pyproject.toml", "README.md", "LICENSE")


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return subprocess.run(list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True, timeout=300)


def succeed(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = run(*command, cwd=cwd, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a wheel is built from, the symlink still a link: building writes into the tree."""
    copy = tmp_path_factory.mktemp("source")
    no_caches = shutil.ignore_patterns("__pycache__")
    for folder in ("skillmix_lightning", "callbacks", "tests"):
        shutil.copytree(repository / folder, copy / folder, symlinks=True, ignore=no_caches)
    for name in BUILT_FROM:
        shutil.copy(repository / name, copy)
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the tree."""
    out = tmp_path_factory.mktemp("wheel")
    succeed(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, cwd=source)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in a folder of its own; its dependencies come from the environment of the tests."""
    target = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", target, wheel)
    succeed(*pip, cwd=target)
    return target


@pytest.fixture
def rival(tmp_path: Path) -> Path:
    """A user's folder with a package `callbacks` that must not be imported."""
    (tmp_path / "callbacks").mkdir()
    (tmp_path / "callbacks" / "__init__.py").write_text("raise RuntimeError('the wrong callbacks were imported')\n")
    return tmp_path


def files_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_a_wheel_holds_one_top_level_module(wheel):
    roots = {name.split("/")[0] for name in files_in(wheel)}
    assert roots == {"skillmix_lightning", "skillmix_lightning-0.1.0.dist-info"}


def test_a_wheel_holds_all_code_and_data_of_the_package(wheel, source):
    package = source / "skillmix_lightning"
    there = {path.relative_to(source).as_posix() for path in package.rglob("*") if path.is_file()}
    there |= {f"skillmix_lightning/{path.relative_to(source).as_posix()}" for path in source.glob("callbacks/**/*.py")}
    packaged = {name for name in files_in(wheel) if not name.startswith("skillmix_lightning-")}
    assert packaged == there
    assert "skillmix_lightning/callbacks/__init__.py" in packaged
    assert any(name.startswith("skillmix_lightning/catalogue/") and name.endswith(".yaml") for name in packaged)


def test_a_wheel_built_through_an_sdist_is_the_same(wheel, source, tmp_path):
    succeed(sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path, cwd=source)
    assert files_in(next(tmp_path.glob("*.whl"))) == files_in(wheel)


def test_a_wheel_asks_for_ranges_not_for_pinned_versions(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = Parser().parsestr(archive.read("skillmix_lightning-0.1.0.dist-info/METADATA").decode())
    wanted = metadata.get_all("Requires-Dist") or []
    assert "torch>=2.10" in wanted
    assert not [requirement for requirement in wanted if "==" in requirement.split(";")[0]]


def test_the_installed_command_runs_beside_a_folder_named_callbacks(installed, rival):
    said = succeed(sys.executable, "-m", "skillmix_lightning", "--help", cwd=rival, PYTHONPATH=str(installed))
    assert "python -m skillmix_lightning" in said


def test_the_editable_command_runs_beside_a_folder_named_callbacks(rival):
    said = succeed(sys.executable, "-m", "skillmix_lightning", "--help", cwd=rival)
    assert "python -m skillmix_lightning" in said


def test_the_callbacks_of_the_package_are_found_beside_a_folder_named_callbacks(installed, rival):
    code = "from importlib.util import find_spec; print(find_spec('skillmix_lightning.callbacks').origin)"
    origin = succeed(sys.executable, "-c", code, cwd=rival, PYTHONPATH=str(installed)).strip()
    assert Path(origin) == installed / "skillmix_lightning" / "callbacks" / "__init__.py"


@pytest.mark.slow
def test_the_type_checker_follows_the_import_of_callbacks(repository, tmp_path):
    (tmp_path / "right.py").write_text(
        "from skillmix_lightning.callbacks import SkillMixEvaluation\nprint(SkillMixEvaluation.on_fit_start)\n"
    )
    (tmp_path / "wrong.py").write_text(
        "from skillmix_lightning.callbacks import SkillMixEvaluation\nprint(SkillMixEvaluation.no_such_attribute)\n"
    )
    # With the options and in the folder of `make types`: then its cache serves, and torch need not be read again.
    said = run(sys.executable, "-m", "mypy", tmp_path / "right.py", tmp_path / "wrong.py", cwd=repository).stdout
    # Only what the line ends with: the cache of an earlier run answers with that run's temporary folder.
    errors = [line for line in said.splitlines() if ": error: " in line]
    assert len(errors) == 1, said
    assert "wrong.py" in errors[0]
    assert "no_such_attribute" in errors[0]


def test_callbacks_is_a_relative_link_and_git_keeps_it_as_one(repository):
    link = repository / "skillmix_lightning" / "callbacks"
    assert link.is_symlink()
    assert os.readlink(link) == "../callbacks"
    if (repository / ".git").exists():
        entry = succeed("git", "ls-files", "--stage", "skillmix_lightning/callbacks", cwd=repository)
        assert entry.startswith("120000 ")  # git's mode of a symbolic link
