"""Grids small enough for tests, and grids in processes of their own."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.backend.context import set_start_method
from training_helpers import small, tiny

from hypav.experiments.grid import Job, Outcome, plan, run_grid
from hypav.experiments.recipes import Recipe
from hypav.experiments.records import Record
from hypav.experiments.store import Store
from hypav.experiments.suite import entries

NETWORK = ("dim_phi", "dim_theta", "hidden_enc", "hidden_proj", "heads", "head_dim", "dim_mlp")


def tiny_recipe(**changes: object) -> Recipe:
    """Runs of a twentieth of a second."""
    config = tiny(epochs=2, batches=2, lr=1e-2)
    network = {name: getattr(config.network, name) for name in NETWORK}
    return Recipe(network, config.train, "made for tests", "tiny").changed(changes)


def tiny_jobs(seeds: Sequence[int] = (0,), table: str = "table1", **changes: object) -> list[Job]:
    """A table's runs on the small set: four a seed for table1."""
    return plan(small(), entries(table, None, "paper", 1.0), seeds, tiny_recipe(**changes))


def tiny_grid(jobs: Sequence[Job], root: Path, workers: int = 1) -> Outcome:
    """The grid in this process, or with joblib's worker processes."""
    with Store(root / "store.sqlite") as store:
        return run_grid(jobs, small(), store, root, workers=workers)


def grid_in_group(jobs: Sequence[Job], root: Path, workers: int) -> None:
    """In a child: the grid in a process group of its own, to be killed as a whole. Its workers are forked, so that they
    are there at once and need not import torch again."""
    os.setsid()
    with warnings.catch_warnings(action="ignore"):
        set_start_method("fork", force=True)
        outcome = tiny_grid(jobs, root, workers)
    get_reusable_executor().shutdown(kill_workers=True)  # else the child would wait for its idle workers
    sys.exit(1 if outcome.failed else 0)


def results(root: Path) -> dict[str, tuple[object, ...]]:
    """All that a table could show, by key; nothing where there is no store yet."""
    if not (root / "store.sqlite").exists():
        return {}
    with Store(root / "store.sqlite", create=False) as store:
        assert store.damaged() == []
        return {record.key: outcome_of(record) for record in store.rows()}


def outcome_of(record: Record) -> tuple[object, ...]:
    """A record without what differs from one time to the next: seconds, memory, date."""
    return (
        record.method, record.seed, record.S, record.U, record.HM, record.ZSL, record.beta, record.val_HM,
        record.best_epoch, record.config, record.per_class, record.history,
    )  # fmt: skip
