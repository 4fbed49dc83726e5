"""What the paper reports (Tables 1-7, Section 5), kept as data: it stands beside our numbers, never as ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

__all__ = ["PaperRow", "PaperSettings", "Reported", "paper_row", "paper_settings", "paper_tables", "reported"]

Key = tuple[str, str]


class PaperRow(NamedTuple):
    """S, U, HM and ZSL in per cent."""

    S: float
    U: float
    HM: float
    ZSL: float


class Reported(NamedTuple):
    """One table of the paper for one of its sets: metric -> value a row, per cent except delta_rel."""

    key: Key
    metrics: tuple[str, ...]
    rows: Mapping[str, Mapping[str, float]]

    def difference(self, row: str, base: str, metric: str) -> float:
        """A row's value minus another's."""
        return self.rows[row][metric] - self.rows[base][metric]


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


_KINDS = {"table1": "main", "table2": "cls", "table3": "cls", "table4": "cls", "table6": "main"}
_NAMES = {
    "table1": ("table1_main", "method"),
    "table2": ("table2_cls", "method"),
    "table3": ("table3_curvature_cls", "curvature"),
    "table4": ("table4_mixed_cls", "geometry"),
    "table5": ("table5_Nc_VGGSound", "N_c"),
    "table6": ("table6_aligned_main", "aligned"),
}


def reported(table: str, key: Key | None) -> Reported:
    """What the paper's table says for the set `key`; for a set that it does not report, its nearest: the same videos,
    else the same kind of features, else the first.

    Args:
        table: "table1" to "table7".
        key: ("UCF-GZSL", "main") and the like, or None.
    """
    tables = _by_set(table)
    dataset, features = key or ("UCF-GZSL", "main")
    nearest = max(tables, key=lambda own: 2 * (own[0] == dataset) + (own[1] == features))
    rows = tables[nearest]
    return Reported(nearest, tuple(next(iter(rows.values()))), rows)


def main_table(key: Key | None) -> str:
    """Which of Tables 1 (main features) and 2 (cls) holds the three modules on the set `key`."""
    return "table2" if key is not None and key[1] == "cls" else "table1"


def _by_set(table: str) -> dict[Key, dict[str, dict[str, float]]]:
    if table == "table7":
        found = {}
        for name, rows in paper_tables()["table7_delta_rel"].items():
            dataset, _, features = name.removesuffix(")").partition(" (")
            found[dataset, features] = {row: {"delta_rel": value} for row, value in rows.items()}
        return found
    name, label = _NAMES[table]
    return {
        ("VGGSound-GZSL", own) if table == "table5" else (own, _KINDS[table]): {
            row[label]: {metric: value for metric, value in row.items() if metric != label} for row in rows
        }
        for own, rows in paper_tables()[name].items()
    }
