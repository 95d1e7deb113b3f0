"""Promises about the repository itself: pinned versions, the order of rooms, nothing private in a committed file."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Spelled in pieces, so that this file does not hold what it looks for.
NOT_TO_BE_COMMITTED = {
    "a package registry's host": re.compile(rf"\b(?:{'pypi'}\.org|{'pythonhosted'}\.org|{'npmjs'}\.(?:org|com))\b"),
    "a path of one machine": re.compile(rf"(?<![\w.])/(?:{'root'}|{'home'}/\w+|{'Users'}/\w+|{'work'}/\w+)/"),
    "a secret key": re.compile(r"\bsk-(?:proj-)?[A-Za-z0-9]{20,}\b"),
}


def committed_files(repository: Path) -> list[Path]:
    if not (repository / ".git").exists():
        pytest.skip("not a git checkout")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=True).stdout
    return [repository / name for name in names.split("\0") if name]


@pytest.fixture(scope="module")
def project(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def pinned(repository):
    lines = (repository / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


def test_every_version_is_pinned_dependencies_of_dependencies_included(project, pinned):
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    direct = [Requirement(line) for lines in lists for line in lines]
    needed = closure(requirement for requirement in direct if requirement.name != project["name"])
    assert needed - {canonicalize_name(requirement.name) for requirement in pinned} == set()


def test_constraints_are_exact_versions_and_nothing_else(pinned):
    assert [str(line) for line in pinned if not re.fullmatch(r"[\w.-]+==[\w.]+", str(line))] == []


def test_constraints_are_within_the_ranges_of_the_package(project, pinned):
    version = {canonicalize_name(line.name): next(iter(line.specifier)).version for line in pinned}
    for requirement in map(Requirement, project["dependencies"]):
        assert requirement.specifier.contains(version[canonicalize_name(requirement.name)]), requirement


def test_rooms_import_only_rooms_below_them(repository):
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint_imports, "--no-cache"], cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_committed_file_names_a_registry_a_machine_or_a_key(repository):
    found = [
        f"{path.relative_to(repository)} names {what}: {match.group()}"
        for path in committed_files(repository)
        if path.is_file() and not path.is_symlink()
        for what, pattern in NOT_TO_BE_COMMITTED.items()
        for match in pattern.finditer(path.read_text(encoding="utf-8", errors="ignore"))
    ]
    assert found == []


def closure(wanted) -> set[str]:
    """The names of all installed distributions that the wanted ones need, on this machine."""
    todo, seen = list(wanted), set()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras} - {extra for done, extra in seen if done == name}:
            seen.add((name, extra))
            further = map(Requirement, metadata.requires(name) or [])
            todo += [one for one in further if one.marker is None or one.marker.evaluate({"extra": extra})]
    return {name for name, _ in seen}
