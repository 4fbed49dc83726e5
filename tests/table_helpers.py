"""A table of runs with numbers that a test chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from hypav.experiments.configs import TABLES, Row, table_rows
from hypav.experiments.runs import alignment_columns, frame

UCF = ("UCF-GZSL", "main")
SIMULATED = {
    "data": "SIMULATED (UCF-GZSL counts)",
    "data_digest": "d1",
    "paper_set": "UCF-GZSL (main)",
    "simulated": 1,
}
REAL = {"data": "yt8m-mini", "data_digest": "d2", "paper_set": "", "simulated": 0}


def run(row: Row, seed: int, **changes: Any) -> dict[str, Any]:
    """The record of a run of a row; metrics as fractions."""
    columns = alignment_columns(row.alignment)
    preset = "" if row.alignment is None else row.preset
    blank = {
        **SIMULATED, **columns, "key": f"{hash((preset, *columns.values(), seed)) & 0xFFFFFFFFFFFF:012x}",
        "method": row.method, "preset": preset, "recipe": "course", "scale_name": "course", "seed": seed,
        "S": 0.5, "U": 0.25, "HM": 1 / 3, "ZSL": 0.3, "beta": 0.4, "val_HM": 0.35, "best_epoch": 2, "seconds": 2.0,
        "code": "c0de", "device": "cpu", "threads": 1, "cpu": "a processor", "created": "2026-11-22T12:00:00+00:00",
    }  # fmt: skip
    return blank | changes


def runs_with(
    HM: Callable[[Row, int], float],
    *,
    tables: Iterable[str] = TABLES,
    presets: Iterable[str] = ("printed",),
    weights: Iterable[float] = (1.0,),
    seeds: Iterable[int] = range(4),
    **columns: Any,
) -> pd.DataFrame:
    """Every row of some tables; HM gives the fraction of a row and a seed. Table 7 has delta_rel = 0.3 + HM / 100."""
    records: dict[Any, dict[str, Any]] = {}
    for preset in presets:
        for weight in weights:
            for table in tables:
                for row in table_rows(table, UCF, preset, weight):
                    for seed in seeds:
                        record = records.setdefault(
                            (row.alignment, seed), run(row, seed, HM=HM(row, seed), **columns)
                        )
                        if table == "table7":
                            record |= {"delta_rel": 0.3 + record["HM"] / 100}
    return frame(list(records.values()))


# a set, a row or a loss, and what `hypav.experiments.contrasts` says of it
_ROWS = (
    ("linear (ESZSL)", 25.0, 1.0), ("AVCA", None, None), ("AVCA-skip", 20.0, 2.0), ("printed, pull 1", -4.0, 1.5),
    ("curved, pull 0.1, k<0", 0.5, None),
)  # fmt: skip
FOREST = pd.DataFrame(
    [(data, row, 30 + (x or 0), x, h) for data in ("SIMULATED", "real") for row, x, h in _ROWS],
    columns=["data", "row", "HM", "difference", "difference ±"],
)
PULLED = pd.DataFrame(
    [(data, "ESZSL", None, 25.0, 1.0) for data in ("SIMULATED", "real")]
    + [
        (d, p, s, -s, 0.5)
        for d in ("SIMULATED", "real")
        for p in ("printed", "released")
        for s in (0.01, 1.0)
    ],
    columns=["data", "preset", "pull", "difference", "difference ±"],
)
