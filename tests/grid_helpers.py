"""Grids small enough for tests, in this process or in one that is killed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training_helpers import small, tiny

from hypav.experiments import grid, runs
from hypav.experiments.configs import Recipe, table_rows
from hypav.experiments.reproduce import reproduce
from hypav.experiments.runs import Job, load_runs, read_record, record_files

NETWORK = ("dim_phi", "dim_theta", "hidden_enc", "hidden_proj", "heads", "head_dim", "dim_mlp")


def tiny_recipe(**changes: object) -> Recipe:
    """Runs of a twentieth of a second."""
    config = tiny(epochs=2, batches=2, lr=1e-2)
    network = {name: getattr(config.network, name) for name in NETWORK}
    return Recipe(network, config.train, "made for tests", "tiny").changed(changes)


def tiny_jobs(seeds: Sequence[int] = (0,), table: str = "table1", **changes: object) -> list[Job]:
    """A table's runs on the small set: four per seed for table1."""
    return grid.jobs_of(small(), table_rows(table, None, "printed", 1.0), seeds, tiny_recipe(**changes))


def tiny_grid(folder: Path, jobs: Sequence[Job], **options: Any) -> grid.Grid:
    """The grid that ran these jobs."""
    done = grid.Grid(small(), folder, **{"device": "cpu", "workers": 1, "progress": False, **options})
    done.run(jobs, "test")
    return done


def reproduce_tiny(folder: Path, tables: Sequence[str] = ("table1",), **options: Any) -> Any:
    settings = {"recipe": tiny_recipe(), "device": "cpu", "jobs": 1, "progress": False, **options}
    return reproduce(small(), tables, folder=folder, **settings)


def reproduce_in_child(folder: Path, seeds: int) -> None:
    """In a child: a grid that keeps a checkpoint of every epoch."""
    runs.CHECKPOINT_SECONDS = 0.0
    failed = reproduce_tiny(folder, seeds=seeds).attrs["failed"]
    sys.exit(1 if failed else 0)


def results(folder: Path) -> dict[str, object]:
    """All that a table could show, by key: the records without seconds, date and machine."""
    table = load_runs(folder).set_index("key").drop(columns=["seconds", "created"])
    details = {path.stem: read_record(path) for path in record_files(folder)}
    more = {r["key"]: (r["config"], r["per_class"], r["epochs"]) for r in details.values()}
    return {key: (table.loc[key].astype(str).tolist(), more[key]) for key in table.index}
