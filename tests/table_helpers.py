"""Stores filled by hand: records that are whole, with numbers that a test chooses."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from hypav.experiments.recipes import RECIPES, Recipe
from hypav.experiments.records import Record, alignment_columns, recipe_digest, sealed
from hypav.experiments.sets import SetId
from hypav.experiments.store import Store
from hypav.experiments.suite import TABLES, Entry, entries

UCF = SetId("UCF-GZSL counts, SIMULATED", "digest-of-ucf", ("UCF-GZSL", "main"), True)
REAL = SetId("yt8m-mini", "digest-of-mini", None, False)
COURSE = RECIPES["course"]


def record(entry: Entry, seed: int, data: SetId = UCF, recipe: Recipe = COURSE, **changes: object) -> Record:
    """A whole record of an entry; `changes` are fields, metrics as fractions."""
    columns = alignment_columns(entry.alignment)
    told = repr((sorted(columns.items()), data.digest, recipe.name, seed))
    blank = Record(
        key=hashlib.blake2b(told.encode(), digest_size=6).hexdigest(),
        data=data.name,
        data_digest=data.digest,
        paper_set="" if data.key is None else "{} ({})".format(*data.key),
        simulated=int(data.simulated),
        method=entry.method,
        preset="" if entry.alignment is None else entry.preset,
        **columns,
        recipe=recipe.name,
        recipe_digest=recipe_digest(recipe),
        scale_name="course",
        seed=seed,
        S=0.5, U=0.25, HM=1 / 3, ZSL=0.3, beta=0.5, val_HM=0.35, best_epoch=2,
        delta_rel=None, delta_noise=None,
        delta_covariance=None, seconds=2.0, memory_mb=500.0, hypav="0.1.0", code="c0de", torch="2.13.0", numpy="2.4.6",
        python="3.12.3", cpu="a processor", device="cpu", threads=1, created="2026-11-22T12:00:00+00:00", folder=None,
        config="", per_class="", history="",
    )  # fmt: skip
    return sealed(replace(blank, **changes))  # type: ignore[arg-type]


Metric = Callable[[Entry, int], float]


def filled(
    path: Path | str,
    HM: Metric,
    *,
    data: SetId = UCF,
    recipe: Recipe = COURSE,
    tables: Iterable[str] = TABLES,
    presets: Iterable[str] = ("paper",),
    weights: Iterable[float] = (1.0,),
    seeds: Iterable[int] = range(4),
) -> Store:
    """A store with every row of some tables; HM gives the fraction of an entry and a seed."""
    store = Store(path)
    for table in tables:
        for preset in presets:
            for weight in weights:
                for entry in entries(table, data.key, preset, weight):
                    for seed in seeds:
                        value = HM(entry, seed)
                        delta = 0.3 + value / 100 if table == "table7" else None
                        store.add(record(entry, seed, data, recipe, HM=value, delta_rel=delta))
    return store
