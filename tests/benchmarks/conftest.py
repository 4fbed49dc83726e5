"""Each benchmark times hypav and its reference in turns within one run; the ratios are printed in one table.

Compare the ratios: a busy machine slows both, and absolute times depend on the machine. Nothing here asserts a time.
DEVICE in the environment (make bench DEVICE=cuda) is the device of the training benchmarks.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch

ROWS = pytest.StashKey[list["Row"]]()
NOTES = pytest.StashKey[list[str]]()


@dataclass(frozen=True)
class Row:
    """A line of the table; seconds are the minimum over the rounds, which is the least disturbed one."""

    what: str
    reference: float
    ours: float
    goal: str
    met: bool


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS], config.stash[NOTES] = [], []


@pytest.fixture(scope="session")
def device() -> torch.device:
    """The device of the training benchmarks."""
    chosen = torch.device(os.environ.get("DEVICE", "cpu"))
    if chosen.type == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU that CUDA can use on this machine")
    return chosen


@pytest.fixture(scope="session")
def seconds(device: torch.device) -> Callable[[Callable[[], Any]], float]:
    """seconds(call): how long a call takes, until the device has done its work."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    def measure(call: Callable[[], Any]) -> float:
        wait()
        start = time.perf_counter()
        call()
        wait()
        return time.perf_counter() - start

    return measure


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Adds a line below the table."""
    return request.config.stash[NOTES].append


@pytest.fixture
def goal(request: pytest.FixtureRequest) -> Callable[..., None]:
    """goal(what, value, unit, at_most= or at_least=): a line that ends in NOT MET if the number misses its goal."""

    def hold(
        what: str, value: float, unit: str, *, at_most: float | None = None, at_least: float | None = None
    ) -> None:
        met = value <= at_most if at_most is not None else at_least is not None and value >= at_least
        limit = f"<= {at_most:g}" if at_most is not None else f">= {at_least:g}"
        line = f"{what}: {value:.4g} {unit} (goal {limit}){'' if met else '  NOT MET'}"
        request.config.stash[NOTES].append(line)

    return hold


@pytest.fixture
def side_by_side(
    benchmark: Any, request: pytest.FixtureRequest, seconds: Callable[..., float]
) -> Callable[..., float]:
    """side_by_side(what, ours, reference, at_least= or at_most=, rounds=): the ratio reference / ours."""

    def measure(
        what: str,
        ours: Callable[[], Any],
        reference: Callable[[], Any],
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        rounds: int = 7,
        scale: tuple[float, float] = (1.0, 1.0),
    ) -> float:
        times: dict[str, list[float]] = {"ours": [], "reference": []}

        def timed(name: str, call: Callable[[], Any]) -> None:
            times[name].append(seconds(call))

        rounds = 1 if benchmark.disabled else rounds
        warm = 0 if benchmark.disabled else 1
        benchmark.pedantic(
            lambda: timed("ours", ours),
            setup=lambda: timed("reference", reference),
            rounds=rounds,
            warmup_rounds=warm,
        )
        ours_least, other = min(times["ours"]) * scale[0], min(times["reference"]) * scale[1]
        ratio = other / ours_least
        goal = f">= {at_least:g} x" if at_least is not None else f"ours <= {at_most:g} x" if at_most else "-"
        met = (
            ratio >= at_least if at_least is not None else ours_least <= at_most * other if at_most else True
        )
        spread = statistics.median(times["ours"]) / min(times["ours"])
        benchmark.extra_info.update(
            reference=other, ours=ours_least, ratio=ratio, goal=goal, met=met, spread=spread
        )
        if not benchmark.disabled:
            request.config.stash[ROWS].append(Row(what, other, ours_least, goal, met))
        return ratio

    return measure


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    rows, notes = config.stash[ROWS], config.stash[NOTES]
    if not rows and not notes:
        return
    terminalreporter.section("hypav and its references, same run")
    terminalreporter.write_line(
        f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, threads {torch.get_num_threads()} of "
        f"{os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}"
    )
    if torch.cuda.is_available():
        terminalreporter.write_line(
            f"GPU {torch.cuda.get_device_name()}, DEVICE {os.environ.get('DEVICE', 'cpu')}"
        )
    if rows:
        width = max(len(row.what) for row in rows)
        head = f"{'what':{width}}  {'reference':>11}  {'ours':>11}  {'ratio':>8}  goal"
        terminalreporter.write_line(head)
        for row in rows:
            terminalreporter.write_line(
                f"{row.what:{width}}  {1e3 * row.reference:8.1f} ms  {1e3 * row.ours:8.1f} ms  "
                f"{row.reference / row.ours:7.2f}x  {row.goal}{'' if row.met else '  NOT MET'}"
            )
    for line in notes:
        terminalreporter.write_line(line)
