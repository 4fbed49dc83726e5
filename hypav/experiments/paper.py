"""What the paper reports (Tables 1-7, Section 5), kept as data: it stands beside our numbers, never as ours."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

__all__ = ["PaperRow", "PaperSettings", "paper_row", "paper_settings", "paper_tables"]


class PaperRow(NamedTuple):
    """S, U, HM and ZSL in per cent."""

    S: float
    U: float
    HM: float
    ZSL: float


class PaperSettings(NamedTuple):
    """Hyper-alignment's fixed curvature, Hyper-multiple's number of curvatures, and c_0 of both adaptive variants."""

    k: float
    N_c: int
    c_0: float


@cache
def paper_tables() -> dict[str, Any]:
    """All of the paper's tables and settings."""
    return json.loads(files("hypav.experiments").joinpath("paper_tables.json").read_text(encoding="utf-8"))


def paper_row(key: tuple[str, str] | None, method: str) -> PaperRow | None:
    """The row of Table 1 (main features) or 2 (cls) for ("UCF-GZSL", "main") and the like and one method.

    None where the paper has no such row.
    """
    if key is None:
        return None
    table = paper_tables()["table1_main" if key[1] == "main" else "table2_cls"]
    for row in table.get(key[0], ()):
        if row["method"].lower() == method.lower():
            return PaperRow(row["S"], row["U"], row["HM"], row["ZSL"])
    return None


def paper_settings(key: tuple[str, str] | None) -> PaperSettings:
    """The curvatures that the captions of Tables 1 and 2 give for a set; those of UCF-GZSL (main) for any other."""
    dataset, features = key or ("UCF-GZSL", "main")
    settings = paper_tables()["settings"]
    return PaperSettings(
        k=settings["fixed curvature"][features][dataset],
        N_c=settings["N_c"][features][dataset],
        c_0=settings["c_0"],
    )
