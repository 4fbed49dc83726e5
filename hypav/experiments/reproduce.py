"""Train all runs of the paper's tables and figures, or of a named experiment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from hypav.data.features import FeatureSet
from hypav.errors import SettingError
from hypav.experiments.configs import (
    BASELINES,
    FIGURES,
    TABLES,
    TUNING_SEEDS,
    WEIGHTS,
    Recipe,
    Row,
    recipe_for,
    table_rows,
)
from hypav.experiments.effects import tuned_weight
from hypav.experiments.evidence import EXPERIMENTS, folder_of
from hypav.experiments.grid import Grid, jobs_of, seed_list
from hypav.experiments.runs import Job, eszsl_record, frame
from hypav.processors import PROCESSORS, call_on

TUNED = "tuned"


def reproduce(
    data: FeatureSet,
    tables: Sequence[str] = ("table1",),
    *,
    seeds: int | Sequence[int] | None = None,
    presets: Sequence[str] = ("printed",),
    weights: Sequence[float | str] | None = None,
    pulls: Sequence[float | str] = (),
    scale: str = "course",
    recipe: str | Recipe | None = None,
    folder: Path | str = "runs",
    jobs: int | None = None,
    cluster: str | None = None,
    device: str = "auto",
    progress: bool | None = None,
) -> pd.DataFrame:
    """Train all runs that the paper's tables or named experiments need, each of them once, and return them as a table.

    Args:
        tables: table1 to table7, figure3, figure4, baselines (CJME and AVGZSLNet), or all of these; or experiments of
            `evidence.EXPERIMENTS`: loudness, curvature, processors, full-length, as-published, first-code,
            competent, planted.
        seeds: the number of seeds (0, 1, …), or a list of them; by default 3, or the experiment's own number.
        presets, weights, pulls: of the tables; an experiment has its own.
        weights: weights of the alignment loss; "tuned" is the one of WEIGHTS with the highest HM on validation. By
            default 1, or none if there are pulls.
        pulls: shares that the loss's gradient has of L_avca's, each a further set of runs; see `AlignmentConfig`.
        scale: "course" for a short schedule, "full" for the published one. full-length and as-published
            are always full.
        recipe: network and schedule by name, instead of a scale.
        folder: the folder of the runs. On a cluster all machines should share it. Runs of an emulated processor are in a
            folder next to it.
        jobs: runs at a time; by default one per core, or four on a GPU.
        cluster: the address of a dask scheduler whose workers train the runs.

    Returns:
        One row per run, see `hypav.experiments.runs.load_runs`. `attrs` has "failed", one sentence per failed run, and
        "tuned", the chosen weight of each preset.

    Raises:
        SettingError: an unknown table, preset, weight or scale, a pull that is not positive, or an empty list.
        RunError: the folder cannot be written, the cluster does not answer, or a worker process ended.

    >>> import tempfile, hypav as hv
    >>> runs = hv.reproduce(hv.load("simulated:small"), ["table7"], seeds=1, folder=tempfile.mkdtemp(), jobs=1)
    >>> sorted(runs["method"])
    ['AVCA', 'ESZSL', 'Hyper-alignment']
    """
    every = (*TABLES, *FIGURES, BASELINES)
    names = dict.fromkeys(name for table in tables for name in (every if table == "all" else (table,)))
    for name in names:
        if name not in every and name not in EXPERIMENTS:
            raise SettingError(
                f"There is no {name!r}; choose {', '.join(every)}, all, {', '.join(EXPERIMENTS)}."
            )
    weights = (() if pulls else (1.0,)) if weights is None else weights
    numbers = dict.fromkeys(w if w == TUNED else parsed("weight", w) for w in weights)
    shares = dict.fromkeys(parsed("pull", pull) for pull in pulls)
    plain = [name for name in names if name not in EXPERIMENTS]
    if not names or (plain and not (presets and (numbers or shares))):
        raise SettingError("Name at least one table, one preset and one weight or pull.")
    alone = [name for name in names if name in EXPERIMENTS and EXPERIMENTS[name].run is not None]
    if alone and len(names) > 1:
        raise SettingError(
            f"The runs of {alone[0]} have other columns than those of the rest; name it alone."
        )
    where: dict[str, Any] = {"device": device, "workers": jobs, "cluster": cluster, "progress": progress}
    parts = [
        _experiment(data, name, seeds, scale, recipe, folder, where) for name in names if name in EXPERIMENTS
    ]
    if plain:
        grid = Grid(data, folder, **where)
        plan, chosen = recipe_for(data, recipe, scale), seed_list(3 if seeds is None else seeds)
        parts.append(_tables(grid, plain, chosen, presets, numbers, shares, plan))
    if alone:
        return parts[0]
    table = pd.concat(parts, ignore_index=True)
    table = table.drop_duplicates(["key", "cpu", "recipe"], ignore_index=True)
    table.attrs = {
        "failed": [line for part in parts for line in part.attrs["failed"]],
        "tuned": {preset: weight for part in parts for preset, weight in part.attrs["tuned"].items()},
    }
    return table


def _experiment(
    data: FeatureSet,
    name: str,
    seeds: int | Sequence[int] | None,
    scale: str,
    recipe: str | Recipe | None,
    folder: Path | str,
    where: Mapping[str, Any],
) -> pd.DataFrame:
    """The runs of a named experiment, as another processor would have them if it says so."""
    experiment = EXPERIMENTS[name]
    chosen = seed_list(experiment.seeds if seeds is None else seeds)
    if experiment.run is not None:
        return experiment.run(data, seeds=chosen, scale=scale, recipe=recipe, folder=folder, **where)
    plan = recipe_for(data, recipe, experiment.scale or scale)
    jobs = jobs_of(data, experiment.rows(data.reference_key), chosen, plan)
    if experiment.processor is None:
        return _trained(data, jobs, name, folder, where)
    processor = PROCESSORS[experiment.processor]
    return call_on(processor, _trained, data, jobs, name, folder_of(folder, experiment), where)


def _trained(
    data: FeatureSet, jobs: Sequence[Job], label: str, folder: Path | str, where: Mapping[str, Any]
) -> pd.DataFrame:
    grid = Grid(data, folder, **where)
    grid.run(jobs, label)
    table = frame([*grid.records(jobs), eszsl_record(data, grid.folder)])
    table.attrs = {"failed": grid.failed, "tuned": {}}
    return table


def _tables(
    grid: Grid,
    names: Sequence[str],
    seeds: Sequence[int],
    presets: Sequence[str],
    weights: Mapping[float | str, None],
    pulls: Iterable[float],
    plan: Recipe,
) -> pd.DataFrame:
    """The runs of tables and figures."""
    data, key = grid.data, grid.data.reference_key

    def rows(preset: str, weight: float | str | None, pull: float | None = None) -> list[Row]:
        """The rows of all tables. While the weight is to be tuned, only those that need none."""
        number = None if weight is None or weight == TUNED else float(weight)
        every = [r for n in names for r in table_rows(n, key, preset, number, pull)]
        return [row for row in every if row.alignment is None or weight != TUNED]

    asked = jobs_of(data, [row for p in presets for w in weights for row in rows(p, w)], seeds, plan)
    asked += jobs_of(data, [row for p in presets for s in pulls for row in rows(p, None, s)], seeds, plan)
    tuned: dict[str, float] = {}
    if TUNED in weights:
        trials = [table_rows("table7", key, preset, weight)[1] for preset in presets for weight in WEIGHTS]
        asked += jobs_of(data, [replace(row, table=TUNED) for row in trials], TUNING_SEEDS, plan)
    grid.run(asked, "reproduce")
    if TUNED in weights:
        runs = frame(grid.records(asked))
        chosen = {preset: tuned_weight(runs, key, preset) for preset in presets}
        tuned = {preset: weight for preset, weight in chosen.items() if weight is not None}
        best = jobs_of(data, [row for p, w in tuned.items() for row in rows(p, w)], seeds, plan)
        grid.run(best, "with tuned weights")
        asked += best
    table = frame([*grid.records(asked), eszsl_record(data, grid.folder)])
    table.attrs = {"failed": grid.failed, "tuned": tuned}
    return table


def parsed(name: str, value: float | str) -> float:
    """A weight or a pull of the alignment loss as a number; `AlignmentConfig` says which numbers it takes.

    Raises:
        SettingError: it is not a number.
    """
    try:
        return float(value)
    except ValueError:
        tuned = f" or {TUNED}" if name == "weight" else ""
        raise SettingError(f"{name} is {value!r}; it must be a number{tuned}, e.g. 0.1.") from None
