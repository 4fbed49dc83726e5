"""Compare two runs of a code cell: to the last digit or, if the cell depends on the machine, within its tolerance.

nbval compares to the last digit or not at all. A cell that cannot give the same digits on every processor has nbval's
tag `nbval-ignore-output` and our tag `tolerance`, and in its metadata the reason and the tolerance that was measured:

    "hypav": {"reason": "times of this machine", "tolerance": {"absolute": 0.02, "relative": 0.1}}

Two numbers a and b agree if |a - b| <= absolute + relative max(|a|, |b|). All words must be the same. Not compared are
the spaces of a table, which follow the width of its numbers, and the check number in the digest of a figure.
This module is also a pytest plugin: with `-p tests.notebooks.compare` the cells that nbval ignores are compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

# nbval imports this module once a notebook, so it does not import hypav, which takes seconds
PLOTTED = "plotted: "  # hypav.figures.style has the same
TOLERANCE = "tolerance"

_NUMBER = re.compile(r"(?<![\w.])[-+−]?\d+(?:\.\d+)?(?:e[-+−]?\d+)?(?![\w])")
_CHECKSUM = re.compile(rf"({PLOTTED}.* numbers in .*, check )[\d.]+$", re.MULTILINE)


def tolerance_of(cell: Any) -> Mapping[str, float] | None:
    """The tolerance of a code cell; None if every digit must come out again."""
    metadata = cell.metadata
    return metadata.get("hypav", {}).get("tolerance") if TOLERANCE in metadata.get("tags", []) else None


def first_difference(
    stored: Sequence[Any], new: Sequence[Any], tolerance: Mapping[str, float] | None = None
) -> str | None:
    """One sentence about the first output that differs; None if all are the same.

    Args:
        stored, new: the outputs of one code cell in two runs. Pictures and widgets are not compared.
        tolerance: what `tolerance_of` gives.
    """
    before, after = _texts(stored), _texts(new)
    if [kind for kind, _ in before] != [kind for kind, _ in after]:
        return f"it shows {_kinds(after)} instead of {_kinds(before)}"
    for (kind, old), (_, text) in zip(before, after, strict=True):
        if tolerance is not None:
            old, text = _loosened(old), _loosened(text)
        for a, b in _unlike(old, text):
            if tolerance is None or not _agree(a, b, tolerance):
                within = "" if tolerance is None else f", beyond the tolerance {dict(tolerance)}"
                return f"{kind} has {b!r} instead of {a!r}{within}"
    return None


def largest_deviation(stored: Sequence[Any], new: Sequence[Any]) -> tuple[float, float]:
    """The largest absolute difference of two numbers in the same place, and the largest relative one."""
    pairs = [
        (abs(_value(a) - _value(b)), max(abs(_value(a)), abs(_value(b))))
        for (_, old), (_, text) in zip(_texts(stored), _texts(new), strict=False)
        for a, b in _unlike(_loosened(old), _loosened(text))
        if _NUMBER.fullmatch(a) and _NUMBER.fullmatch(b)
    ]
    return max((d for d, _ in pairs), default=0.0), max((d / size for d, size in pairs), default=0.0)


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """The pytest plugin: a cell that nbval has run and ignored fails if it is beyond its tolerance."""
    cell, outputs = getattr(item, "cell", None), getattr(item, "test_outputs", None)
    if cell is None or outputs is None or (tolerance := tolerance_of(cell)) is None:
        return
    if difference := first_difference(cell.outputs, outputs, tolerance):
        pytest.fail(f"Code cell {getattr(item, 'cell_num') + 1}: {difference}", pytrace=False)  # noqa: B009


def _texts(outputs: Sequence[Any]) -> list[tuple[str, str]]:
    """What is compared: streams, each joined to one text, and displayed data that are text."""
    streams: dict[str, str] = {}
    shown: list[tuple[str, str]] = []
    for output in outputs:
        if output["output_type"] == "stream":
            streams[output["name"]] = streams.get(output["name"], "") + output["text"]
        elif output["output_type"] == "error":
            shown.append(("the error", f"{output['ename']}: {output['evalue']}"))
        else:
            shown += [(kind, text) for kind, text in output["data"].items() if kind.startswith("text/")]
    return [*streams.items(), *shown]


def _loosened(text: str) -> str:
    return re.sub(" +", " ", _CHECKSUM.sub(r"\1...", text))


def _kinds(texts: list[tuple[str, str]]) -> str:
    return ", ".join(kind for kind, _ in texts) or "nothing"


def _unlike(old: str, new: str) -> Iterator[tuple[str, str]]:
    """The numbers that differ, pair by pair; if the words differ, the first line that does."""
    if old == new:
        return
    if _NUMBER.sub("#", old) == _NUMBER.sub("#", new):
        pairs = zip(_NUMBER.findall(old), _NUMBER.findall(new), strict=True)
        yield from ((a, b) for a, b in pairs if a != b)
        return
    for a, b in zip(old.splitlines(), new.splitlines(), strict=False):
        if a != b:
            yield a, b
            return
    yield old, new


def _value(number: str) -> float:
    return float(number.replace("−", "-"))


def _agree(a: str, b: str, tolerance: Mapping[str, float]) -> bool:
    if not (_NUMBER.fullmatch(a) and _NUMBER.fullmatch(b)):
        return False
    x, y = _value(a), _value(b)
    allowed = tolerance.get("absolute", 0.0) + tolerance.get("relative", 0.0) * max(abs(x), abs(y))
    return abs(x - y) <= allowed * (1 + 1e-9)  # 0.3 - 0.2 is a little more than 0.1
