"""Findings about data, the report that collects them, and the checks that folders and files share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hypav.errors import DataError

__all__ = ["Extent", "Finding", "Report", "check_lone", "check_unit"]

Level = Literal["error", "warning", "note"]
_LEVELS: tuple[Level, ...] = ("error", "warning", "note")
_UNIT = 1e-3  # how far a norm may be from 1 and still count as normalised: float16 vectors stay within


@dataclass(frozen=True)
class Finding:
    """One thing that was found: how bad, in which file or array, and what."""

    level: Level
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.level}: {self.where}: {self.message}"


@dataclass
class Report:
    """What `verify` found: lines on what the path holds, and the findings."""

    path: Path
    holds: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """No errors: the readers accept it."""
        return not self.of("error")

    def of(self, level: Level) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == level]

    def add(self, level: Level, where: object, message: str) -> None:
        finding = Finding(level, str(where), message)
        if finding not in self.findings:  # what both kinds of features share is told once
            self.findings.append(finding)

    def error(self, where: object, message: str) -> None:
        self.add("error", where, message)

    def caught(self, error: DataError) -> None:
        """A reader's refusal, which begins with its file."""
        where, _, message = str(error).partition(": ")
        self.error(where, message or where)

    def __str__(self) -> str:
        counts = ", ".join(
            f"{len(self.of(level))} {level}{'' if len(self.of(level)) == 1 else 's'}" for level in _LEVELS
        )
        found = [str(finding) for level in _LEVELS for finding in self.of(level)]
        return "\n".join([str(self.path), *self.holds, *found, counts])


class Extent:
    """Least and greatest value of each column of tables that are seen one after the other."""

    def __init__(self) -> None:
        self.rows = 0
        self.low: NDArray[Any] = np.empty(0)
        self.high: NDArray[Any] = np.empty(0)

    @property
    def dim(self) -> int:
        return len(self.low)

    def add(self, where: Path, table: NDArray[Any], report: Report) -> None:
        low, high = table.min(axis=0), table.max(axis=0)
        if self.rows and len(low) != self.dim:
            report.error(
                where, f"the features have {len(low)} dimensions but the first class's have {self.dim}."
            )
            return
        self.low = np.minimum(self.low, low) if self.rows else low
        self.high = np.maximum(self.high, high) if self.rows else high
        self.rows += len(table)

    def check(self, where: object, what: str, report: Report) -> None:
        constant = int((self.low == self.high).sum())
        if self.rows > 1 and constant == self.dim:
            report.error(
                where, f"all rows of {what} are the same, so nothing can be learned; check the extractor."
            )
        elif self.rows > 1 and constant:
            report.add(
                "note", where, f"{constant} of {self.dim} columns hold one value only and say nothing."
            )


def check_unit(where: object, vectors: NDArray[Any], report: Report) -> None:
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    if off := int((np.abs(norms - 1) > _UNIT).sum()):
        report.add(
            "warning",
            where,
            f"{off} of {len(norms)} word vectors do not have norm 1 (from {norms.min():.3g} to {norms.max():.3g}), "
            "as those of the benchmark have.",
        )


def check_lone(
    where: object, names: Sequence[str], counts: Mapping[str, Mapping[int, int]], report: Report
) -> None:
    for split, sizes in counts.items():
        if lone := [row for row, size in sizes.items() if size == 1]:
            what = f"{len(lone)} classes have a single sample in {split}, the first is {names[lone[0]]!r}"
            if split == "stage_1_train":
                report.error(where, f"{what}; give each at least two or drop it.")
            else:
                report.add("warning", where, f"{what}; their recall is 0 or 1.")
