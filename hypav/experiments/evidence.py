"""The experiments behind RESULTS.md, by name, and their recorded runs.

`hypav reproduce NAME` or `hv.reproduce(data, [NAME])` trains the runs of an experiment.
`hypav.experiments.contrasts` says what they show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import torch
from pandas import DataFrame, Series

from hypav.alignment import REPAIRS
from hypav.competent import SkipConfig
from hypav.data.features import FeatureSet
from hypav.errors import RunError
from hypav.experiments import planted
from hypav.experiments.configs import Row, config_for, recipe_for, table_rows
from hypav.experiments.effects import objective, results_path
from hypav.experiments.paper import Key
from hypav.experiments.runs import load_runs
from hypav.training import weight_of_pull
from hypav.utils import make_folder, replacing, slug

PULLS = (1e-6, 1e-4, 1e-2, 0.1, 0.3, 1.0, 3.0)
# The pull at which curvatures are compared. At weight 1 the flat loss of `curved` has .06 to .13 in the first step, and
# from k = 1 to k = -1 it goes from .03 to .24: equal weights are not equally loud.
PULL = 0.1
LOSSES = ("curved", *REPAIRS)  # those on which the curvature has an effect


@dataclass(frozen=True)
class Experiment:
    """What a named experiment trains.

    question: what it answers.
    rows: its configurations, for the curvatures of a set of the paper.
    seeds: how many, if the caller gives no number.
    scale: "course" or "full"; None leaves it to the caller.
    seconds: of a run on one core, for a first estimate; `hypav reproduce` measures it.
    processor: a name in `hypav.processors.PROCESSORS` that the runs emulate; None is this machine's.
    run: instead of rows, a function that takes the arguments of `hv.reproduce` and returns its runs; settings is the
        number of its configurations.
    """

    question: str
    rows: Callable[[Key | None], Sequence[Row]]
    seeds: int = 10
    scale: str | None = None
    seconds: float = 5.0
    processor: str | None = None
    run: Callable[..., DataFrame] | None = None
    settings: int = 0


def _configuration(row: Row) -> Any:
    return row.method, row.alignment


def _once(rows: Sequence[Row], key: Callable[[Row], Any] = _configuration) -> list[Row]:
    """The rows without repeated configurations. They belong to no table, so they need no delta_rel and no network."""
    first = {key(row): row for row in reversed(rows)}
    return [replace(row, table="") for row in reversed(first.values())]


def _loudness(key: Key | None) -> list[Row]:
    """AVCA, the printed loss at weight 1, and the printed and the released loss at PULLS, at the paper's k."""
    rows = [*table_rows("table7", key, "printed", 1.0)]
    rows += [
        row for p in ("printed", "released") for s in PULLS for row in table_rows("table7", key, p, None, s)
    ]
    return _once(rows)


def _planned(key: Key | None) -> list[Row]:
    """What the planned tests need: AVCA, the printed loss, and `curved` at 13 curvatures and with adaptive heads."""
    tables = (("table7", "printed"), ("table3", "curved"), ("table1", "curved"))
    return _once([row for table, p in tables for row in table_rows(table, key, p, None, PULL)])


def _curvature(key: Key | None) -> list[Row]:
    """Table 3 under LOSSES at equal pull, and under `curved` at weight 1; and the modules of Table 1 at equal pull."""
    rows = [*table_rows("table1", key, "curved", None, PULL)]
    rows += [row for p in LOSSES for row in table_rows("table3", key, p, None, PULL)]
    return _once([*rows, *table_rows("table3", key, "curved", 1.0)])


def _full_length(key: Key | None) -> list[Row]:
    """AVCA and AVCA-skip; the printed loss at weight 1 and at PULL, and `curved` at k = -0.2, 0 and 0.2 at PULL."""
    curved = [
        row for row in table_rows("table3", key, "curved", None, PULL) if row.label in ("-0.2", "0.0", "0.2")
    ]
    printed = [*table_rows("table7", key, "printed", 1.0), *table_rows("table7", key, "printed", None, PULL)]
    rows = _once([*printed, *curved])
    (avca,) = (row for row in rows if row.alignment is None)
    return [*rows, replace(avca, label=SkipConfig.method, method=SkipConfig.method)]


def _first_code(key: Key | None) -> list[Row]:
    """Table 3 under the loss of the code as first published, at its own weight."""
    return _once(table_rows("table3", key, "released-2023", None))


def _as_published(key: Key | None) -> list[Row]:
    """Table 1 under the printed and the released loss, each at its own weight, and every objective once."""
    rows = [row for p in ("printed", "released") for row in table_rows("table1", key, p, None)]
    return _once(rows, lambda row: row.alignment and objective(row.alignment))


def _competent(key: Key | None) -> list[Row]:
    """AVCA, AVCA-skip, and on top of it the printed loss and `curved` at k = -0.2, 0 and 0.2, all at PULL."""
    rows = _full_length(key)
    aligned = [
        replace(row, method=f"{SkipConfig.method} + {row.method}")
        for row in rows
        if row.alignment and row.alignment.pull
    ]
    return [*(row for row in rows if row.alignment is None), *aligned]


def _planted(
    data: FeatureSet, *, seeds: Sequence[int], folder: Path | str, progress: bool | None, **_: Any
) -> DataFrame:
    """The planted tree, which needs no data set; its results are in planted.csv in the folder."""
    table = planted.planted(seeds=len(seeds), progress=bool(progress))
    with replacing(make_folder(Path(folder)) / "planted.csv") as temporary:
        table.to_csv(temporary, index=False)
    table.attrs = {"failed": [], "tuned": {}}
    return table


def _none(key: Key | None) -> list[Row]:
    return []


_TREES = len(planted.TREES) * len(planted.DIMENSIONS) * len(get_args(planted.Task)) * len(planted.CURVATURES)

EXPERIMENTS: Mapping[str, Experiment] = {
    "loudness": Experiment("What does Eq. 4 do to HM when it is loud enough to be heard?", _loudness),
    "curvature": Experiment("Does the curvature matter where the loss contains it, at equal pull?", _curvature),
    "processors": Experiment(
        "Which conclusions does another processor change?", _planned, processor="AVX2"
    ),
    "full-length": Experiment(
        "Do the answers hold at the length of the long recipe?", _full_length, seeds=20, scale="full", seconds=180
    ),
    "as-published": Experiment(
        "What does Table 1 become at the published length?", _as_published, seeds=3, scale="full", seconds=2700
    ),
    "first-code": Experiment(
        "Does the loss of the code as first published order the curvatures as Table 3 does?", _first_code
    ),
    "competent": Experiment("Does the alignment help a network that comes close to a linear map?", _competent),
    "planted": Experiment(
        "Does k<0 win on a planted tree, where it should?", _none, seeds=5, seconds=0.4, run=_planted, settings=_TREES
    ),
}  # fmt: skip


def experiments(key: Key | None = None) -> DataFrame:
    """The named experiments: question, rows, seeds, runs (on one set) and minutes on one core, by name."""
    rows = []
    for name, e in EXPERIMENTS.items():
        count = e.settings or len(e.rows(key))
        runs = count * e.seeds
        rows.append((name, e.question, count, e.seeds, runs, round(runs * e.seconds / 60)))
    return DataFrame(rows, columns=["name", "question", "rows", "seeds", "runs", "minutes"]).set_index("name")


def folder_of(folder: Any, experiment: Experiment) -> str:
    """The folder of an experiment's runs: those of an emulated processor have their own, next to the others."""
    return str(folder) if experiment.processor is None else f"{folder}-{slug(experiment.processor)}"


def pulls_at_weight_1(data: FeatureSet, seeds: int = 3) -> DataFrame:
    """How loud the losses are at weight 1, which shows why equal weights are not a fair comparison of curvatures.

    Returns:
        A row per loss, curvature and seed: data, preset, k, seed, pull (in the first step of stage 1). The curvatures are
        Table 3's for `curved`, and the paper's for the printed loss.
    """
    plan, device = recipe_for(data, None, "course"), torch.device("cpu")
    phase, key = data.phase("train").to(device, getattr(torch, plan.train.dtype)), data.reference_key
    rows = []
    for row in (
        table_rows("table7", key, "printed", None, 1.0)[1],
        *table_rows("table3", key, "curved", None, 1.0)[1:],
    ):
        for seed in range(seeds):
            assert row.alignment is not None
            weight = weight_of_pull(config_for(data, plan, row.method, row.alignment, seed), phase, device)
            (k,) = row.alignment.curvatures  # type: ignore[misc]
            rows.append((data.name, row.preset, k, seed, 1 / weight))
    return DataFrame(rows, columns=["data", "preset", "k", "seed", "pull"])


def recorded_runs() -> DataFrame:
    """The runs that RESULTS.md speaks of, `notebooks/results/runs.csv`, with `cell` and `k`; see `with_cells`.

    Raises:
        RunError: the file is missing or damaged.
    """
    return with_cells(load_runs(results_path() / "runs.csv"))


def further_runs() -> DataFrame:
    """As `recorded_runs`, for longer training and a larger set: `notebooks/results/further_runs.csv`."""
    return with_cells(load_runs(results_path() / "further_runs.csv"))


def with_cells(runs: DataFrame) -> DataFrame:
    """The runs with two more columns.

    cell: the method and how loud its loss is, e.g. "AVCA", "printed, pull 0.1" or "curved, weight 1"; on top of another
        network than AVCA's with its name, e.g. "AVCA-skip + printed, pull 0.1".
    k: the curvature of a loss with one fixed curvature, NaN for all others.
    """
    return runs.assign(cell=_cells(runs), k=pd.to_numeric(runs["curvatures"], errors="coerce"))


def _cells(runs: DataFrame) -> Series:
    def name(method: str, preset: str, weight: float, pull: float) -> str:
        if not preset:
            return method
        network, plus, _ = method.rpartition(" + ")  # an alignment on top of another network than AVCA's
        loud = f"weight {weight:g}" if np.isnan(pull) else f"pull {pull:g}"
        return f"{network}{plus}{preset}, {loud}"

    columns = (runs[c] for c in ("method", "preset", "weight", "pull"))
    return Series([name(*values) for values in zip(*columns, strict=True)], index=runs.index, dtype=object)


def one_processor(runs: DataFrame, cpu: str | None = None) -> DataFrame:
    """The runs of one processor; by default, for each set, of that with the most runs.

    Raises:
        RunError: there is no run of this processor.
    """
    if cpu is not None:
        chosen = runs[runs["cpu"] == cpu]
        if chosen.empty:
            raise RunError(
                f"There is no run on {cpu!r}; there are runs on {', '.join(sorted(set(runs['cpu'])))}."
            )
        return chosen
    trained = runs[runs["recipe"] != ""]
    most = trained.groupby("data_digest")["cpu"].agg(lambda cpus: cpus.value_counts().index[0])
    return runs[runs["cpu"] == runs["data_digest"].map(most)]
