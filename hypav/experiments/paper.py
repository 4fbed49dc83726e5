"""The numbers in the paper's Tables 1-7 and Section 5. They are shown next to our numbers and never mixed with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

Key = tuple[str, str]  # a set of the paper and its features: ("UCF-GZSL", "main")


class Reported(NamedTuple):
    """One table of the paper for one of its sets: row -> metric -> value, in per cent except delta_rel."""

    key: Key
    metrics: tuple[str, ...]
    rows: Mapping[str, Mapping[str, float]]

    def difference(self, row: str, base: str, metric: str) -> float:
        """The value of `metric` in one row minus that in row `base`."""
        return self.rows[row][metric] - self.rows[base][metric]


class PaperSettings(NamedTuple):
    """k of Hyper-alignment, N_c of Hyper-multiple, and c_0 of Hyper-single and Hyper-multiple."""

    k: float
    N_c: int
    c_0: float


@cache
def paper_tables() -> dict[str, Any]:
    """All tables and settings of the paper, as a dict by name."""
    return json.loads(files("hypav.experiments").joinpath("paper_tables.json").read_text(encoding="utf-8"))


def paper_row(key: Key | None, method: str) -> Mapping[str, float]:
    """S, U, HM and ZSL of a method in Table 1 (main features) or Table 2 (cls), in per cent; empty if there is none.

    Args:
        key: e.g. ("UCF-GZSL", "main"), or None for a set that the paper does not have.
        method: as in the paper's tables, e.g. "Hyper-single".
    """
    return {} if key is None else _by_set(main_table(key)).get(key, {}).get(method, {})


def paper_settings(key: Key | None) -> PaperSettings:
    """The curvatures in the captions of Tables 1 and 2; for a set that is not in the paper, those of UCF-GZSL (main)."""
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
    """The part of a paper's table on a set; if the table lacks the set, the part on the nearest set.

    The nearest set has the same videos, or else the same kind of features, or else it is the first in the table.

    Args:
        table: "table1" to "table7".
        key: e.g. ("UCF-GZSL", "main"), or None.
    """
    tables = _by_set(table)
    dataset, features = key or ("UCF-GZSL", "main")
    nearest = max(tables, key=lambda other: 2 * (other[0] == dataset) + (other[1] == features))
    rows = tables[nearest]
    return Reported(nearest, tuple(next(iter(rows.values()))), rows)


def main_table(key: Key | None) -> str:
    """The table that compares the three modules on a set: "table1" for main features, "table2" for cls."""
    return "table2" if key is not None and key[1] == "cls" else "table1"


def _by_set(table: str) -> dict[Key, dict[str, dict[str, float]]]:
    if table == "table7":
        sets = {}
        for name, rows in paper_tables()["table7_delta_rel"].items():
            dataset, _, features = name.removesuffix(")").partition(" (")
            sets[dataset, features] = {row: {"delta_rel": value} for row, value in rows.items()}
        return sets
    name, label = _NAMES[table]
    return {
        ("VGGSound-GZSL", part) if table == "table5" else (part, _KINDS[table]): {
            row[label]: {metric: value for metric, value in row.items() if metric != label} for row in rows
        }
        for part, rows in paper_tables()[name].items()
    }
