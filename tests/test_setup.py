"""One environment in three files: ranges in pyproject.toml, versions in requirements.lock and environment.yml."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
CORE = {"torch", "jupyterlab", "numpy", "matplotlib", "ipywidgets", "geoopt", "nbval"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines: list[str]) -> dict[str, str]:
    numbers = dict(re.fullmatch(r"([A-Za-z0-9_.-]+)==(\S+)", line).groups() for line in lines)  # type: ignore[union-attr]
    assert len(numbers) == len(lines), "a package is listed twice"
    return {normal(name): number for name, number in numbers.items()}


def ranges(*lists: list[str]) -> dict[str, Requirement]:
    needs = [Requirement(line) for lines in lists for line in lines]
    return {normal(need.name): need for need in needs if need.name != "hypav"}


NEEDED = ranges(PROJECT["dependencies"], EXTRAS["course"], EXTRAS["cluster"], EXTRAS["test"])
LOCK = pins(
    [
        line
        for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
)


def test_conda_has_the_locked_versions_and_installs_hypav() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (by_pip,) = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    assert by_pip[-1] == "--editable ."
    assert pins(by_pip[:-1]) == {name: LOCK[name] for name in NEEDED}


def test_every_range_admits_the_locked_version() -> None:
    wanted = NEEDED | ranges(EXTRAS["browser"])
    assert not {name: str(need) for name, need in wanted.items() if LOCK.get(name, "") not in need.specifier}


def test_core_packages_are_there() -> None:
    assert set(ranges(PROJECT["dependencies"], EXTRAS["course"])) >= CORE
    assert {"pandas", "scipy"} <= set(ranges(PROJECT["dependencies"]))


def test_lock_is_closed() -> None:
    """Whatever a locked package needs here is locked as well, so that an install today and in a year are the same."""
    missing = set()
    for name in LOCK:
        try:
            needs = requires(name) or []
        except PackageNotFoundError:
            continue
        for need in map(Requirement, needs):
            wanted = need.marker is None or need.marker.evaluate({"extra": ""})
            gpu = re.match(r"(nvidia|cuda|triton)", normal(need.name))  # torch's CUDA build brings its own
            if wanted and not gpu and normal(need.name) not in LOCK and normal(need.name) != "setuptools":
                missing.add(f"{name} needs {need.name}")
    assert not missing


def test_this_environment_is_the_locked_one() -> None:
    assert not {name: LOCK[name] for name in NEEDED if version(name).split("+")[0] != LOCK[name]}


def test_the_entry_point_is_the_command() -> None:
    module, _, function = PROJECT["scripts"]["hypav"].partition(":")
    assert callable(getattr(import_module(module), function))


def test_makefile_has_the_targets() -> None:
    targets = ["run", "test", "test-browser", "lab", "bench"]
    subprocess.run(["make", "-n", *targets], cwd=ROOT, capture_output=True, check=True)
