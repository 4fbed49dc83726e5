"""One environment in three files: pyproject.toml, requirements.lock and environment.yml name the same versions."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CORE = {"torch", "jupyterlab", "numpy", "matplotlib", "ipywidgets", "geoopt", "nbval"}


def pins(lines: list[str]) -> dict[str, str]:
    found = dict(re.fullmatch(r"([A-Za-z0-9_.-]+)==(\S+)", line).groups() for line in lines)  # type: ignore[union-attr]
    assert len(found) == len(lines), "a package stands twice"
    return {normal(name): number for name, number in found.items()}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


PYPROJECT = pins([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]])
BROWSER = pins(PROJECT["optional-dependencies"]["browser"])
LOCK = pins(
    [
        line
        for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
)


def test_conda_has_the_same_pins() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (by_pip,) = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    assert pins(by_pip) == PYPROJECT


def test_lock_holds_every_pin() -> None:
    wanted = PYPROJECT | BROWSER
    assert not {name: number for name, number in wanted.items() if LOCK.get(name) != number}


def test_core_packages_are_dependencies() -> None:
    assert set(pins(PROJECT["dependencies"])) >= CORE


def test_lock_is_closed() -> None:
    """Whatever a locked package needs here is locked as well, so that an install today and in a year are the same."""
    from packaging.requirements import Requirement

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
    assert not {name: number for name, number in PYPROJECT.items() if version(name).split("+")[0] != number}


def test_the_entry_point_is_the_command() -> None:
    module, _, function = PROJECT["scripts"]["hypav"].partition(":")
    assert callable(getattr(import_module(module), function))


def test_makefile_has_the_targets() -> None:
    targets = ["run", "test", "test-browser", "lab", "bench"]
    subprocess.run(["make", "-n", *targets], cwd=ROOT, capture_output=True, check=True)
