"""Does a method differ from AVCA by more than its seeds do, and does the curvature matter? Answers from recorded runs.

Everything here takes a DataFrame of runs (a row per run, see `hypav.experiments.runs`) and returns one. Runs of one seed
share first weights and batches, so differences are paired by seed; their intervals are Student's 95 %.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import NDArray
from pandas import DataFrame, Series

import hypav
from hypav.alignment import PRESETS, REPAIRS, Adaptive, AlignmentConfig
from hypav.errors import RunError, SettingError
from hypav.experiments.configs import AVCA, TUNING_SEEDS, WEIGHTS, method_name, table_rows
from hypav.experiments.paper import Key, main_table, reported
from hypav.experiments.runs import alignment_columns, load_runs
from hypav.stats import (
    detectable_difference,
    detectable_range,
    holm_adjusted,
    paired_p,
    setting_effect,
    spreads,
    t_interval,
)

LEVEL = 0.05  # a difference is significant if its p value after Holm's correction is at most this
DRAWS = 100_000  # shuffles behind a p value: enough that the third digit does not hang on their seed
ABLATIONS = ("table3", "table4", "table5", "table6")
SET = ("data", "recipe", "data_digest", "code", "device")  # runs that differ in one of them are not compared
MEASURED = ("S", "U", "HM", "ZSL", "val_HM", "delta_rel", "delta_noise", "delta_covariance")
CASE = ["case", "preset", "weight", "pull", "tuned"]
SAME = "same objective as"


def results_path() -> Path:
    """The folder with the recorded runs of the course: next to the notebooks, or in the installed package.

    Raises:
        RunError: it is in neither place.
    """
    package = Path(hypav.__file__).parent
    places = package / "course" / "results", package.parent / "notebooks" / "results"
    for folder in places:
        if (folder / "course_runs.csv").exists():
            return folder
    raise RunError(
        f"The recorded runs are neither in {places[0]} nor in {places[1]}; install hypav once more."
    )


def course_runs() -> DataFrame:
    """The runs that the notebooks and RESULTS.md speak of: Tables 1 to 7 with ten seeds on two sets."""
    return load_runs(results_path() / "course_runs.csv")


def by_set(runs: DataFrame) -> dict[str, DataFrame]:
    """The runs that can be compared with each other, by the name of their set; the name says SIMULATED if it is.

    Runs on another version of the data, with another recipe, version of hypav or kind of device are another set.
    """
    parts = [part for _, part in runs.groupby(list(SET), sort=False)]
    names = [part["data"].iloc[0] for part in parts]
    names = [
        f"{name} (SIMULATED)" if part["simulated"].iloc[0] and "SIMULATED" not in name else name
        for name, part in zip(names, parts, strict=True)
    ]
    for column in SET[1:]:
        count = Counter(names)
        names = [
            f"{name}, {column} {part[column].iloc[0]}" if count[name] > 1 else name
            for name, part in zip(names, parts, strict=True)
        ]
    return dict(zip(names, parts, strict=True))


def paper_key(runs: DataFrame) -> Key | None:
    """The paper's set whose settings the runs take, e.g. ("UCF-GZSL", "main"); None if there is none.

    Raises:
        SettingError: the runs are of several sets.
    """
    if runs.empty:
        return None
    if len(runs[list(SET)].drop_duplicates()) > 1:
        raise SettingError(
            f"These runs are of several sets, {', '.join(by_set(runs))}: take one part of by_set(runs)."
        )
    dataset, _, features = runs["paper_set"].iloc[0].removesuffix(")").partition(" (")
    return (dataset, features) if features else None


def runs_of(runs: DataFrame, alignment: AlignmentConfig | None, method: str = AVCA) -> DataFrame:
    """MEASURED of the runs of AVCA with an alignment loss, or of a method without one, by seed.

    Of repeated runs the newest counts. An alignment on top of another network is left out.
    """
    wanted = {"method": method if alignment is None else method_name(alignment)}
    wanted |= {} if alignment is None else alignment_columns(alignment)
    alike = np.logical_and.reduce(
        [(runs[name] == value).to_numpy() for name, value in wanted.items() if value is not None]
    )
    chosen = runs.loc[alike, ["seed", "created", *MEASURED]].sort_values("created", kind="stable")
    return chosen.drop_duplicates("seed", keep="last").set_index("seed").sort_index()


def mean_and_half(name: str, values: Sequence[float]) -> dict[str, float | None]:
    """The mean of the values as `name`, and half of its interval, if there is one, as "name ±"; NaN without values."""
    if not values:
        return {name: np.nan, f"{name} ±": np.nan}
    interval = t_interval(values)
    return {name: interval.mean, f"{name} ±": interval.half}


def cases(runs: DataFrame) -> DataFrame:
    """The alignment losses that were run for the tables: case (its name), preset, weight or pull, tuned.

    tuned: whether validation chose the weight. A weight that was only tried for that is not a case. A case with a pull
    has no weight, and the other way round: the missing one is NaN.
    """
    rows = []
    for preset in (*PRESETS, *REPAIRS):
        tried = runs[(runs["preset"] == preset) & ~runs["method"].str.contains(" + ", regex=False)]
        weights, pulls = (
            [
                value
                for value, part in tried.groupby(column)
                if len(part[["curvatures", "aligned"]].drop_duplicates()) > 1
                or set(part["seed"]) - set(TUNING_SEEDS)
            ]
            for column in ("weight", "pull")
        )
        pulled = [(f"{preset}, pull {pull:g}", preset, np.nan, pull, False) for pull in pulls]
        if not weights:
            rows += pulled
            continue
        choice = tuning(runs, paper_key(runs), preset)
        asked = set(choice["weight"]) == set(WEIGHTS) or not set(choice["weight"]) <= set(weights)
        best = choice.loc[choice["chosen"], "weight"].tolist() if asked else []
        for weight in weights:
            name = f"{preset}, weight {weight:g}" + (" (tuned)" if weight in best else "")
            rows.append((name, preset, weight, np.nan, weight in best))
        rows += pulled
    return DataFrame(rows, columns=CASE)


def tuning(runs: DataFrame, key: Key | None, preset: str) -> DataFrame:
    """How validation chose the weight of a preset: weight, val_HM (per cent, mean over TUNING_SEEDS), chosen.

    The runs are Hyper-alignment's. Weights with a missing run are left out. The one with the highest val_HM is chosen, of
    equally good ones the smallest, and none if fewer than two remain.
    """
    rows = []
    for weight in WEIGHTS:
        loss = table_rows("table7", key, preset, weight)[1].alignment
        found = runs_of(runs, loss)["val_HM"].reindex(TUNING_SEEDS)
        if found.notna().all():
            rows.append((weight, 100 * found.mean()))
    table = DataFrame(rows, columns=["weight", "val_HM"])
    best = table["val_HM"].idxmax() if len(table) > 1 else -1
    return table.assign(chosen=table.index == best)


def tuned_weight(runs: DataFrame, key: Key | None, preset: str) -> float | None:
    """The weight that `tuning` chooses, or None."""
    choice = tuning(runs, key, preset)
    return next(iter(choice.loc[choice["chosen"], "weight"]), None)


def objective(alignment: AlignmentConfig) -> AlignmentConfig:
    """The configuration without what drops out of its loss: two configurations with one objective become equal.

    Heads of one fixed curvature are one head. Under a cosine at the origin no curvature is left (notebook 09).
    """
    if (alignment.similarity, alignment.base, alignment.to_ball, alignment.clip_radius) == (
        "cosine", "origin", "project", "ball",
    ):  # fmt: skip
        return replace(alignment, curvatures=(0.0,))
    if isinstance(alignment.curvatures, Adaptive) or len(set(alignment.curvatures)) > 1:
        return alignment
    return replace(alignment, curvatures=alignment.curvatures[:1])


def _loudness(case: Any) -> tuple[float | None, float | None]:
    """The weight and the pull of a case, of which one is None."""
    weight, pull = (None if np.isnan(value) else float(value) for value in (case.weight, case.pull))
    return weight, pull


def differences(runs: DataFrame, tables: str | Sequence[str] = "table1", metric: str = "HM") -> DataFrame:
    """Each row of some tables minus AVCA, seed by seed and for every case, on the runs of one set.

    Args:
        metric: S, U, HM or ZSL (differences in points), or delta_rel.

    Returns:
        A row per case, row of a table and seed: case, preset, weight, pull, tuned, table, row, "same objective as", seed,
        difference. Of the rows of a case that have one objective all but the first name the first.
    """
    tables = (tables,) if isinstance(tables, str) else tuple(tables)
    scale = 1 if metric == "delta_rel" else 100
    base = runs_of(runs, None)[metric] * scale
    lines = []
    for case in cases(runs).itertuples(index=False):
        first: dict[AlignmentConfig, str] = {}
        for table in tables:
            for row in table_rows(table, paper_key(runs), case.preset, *_loudness(case)):
                if row.alignment is None:
                    continue
                label = row.label if len(tables) == 1 else f"Table {table[-1]} {row.label}"
                earlier = first.setdefault(objective(row.alignment), label)
                found = (runs_of(runs, row.alignment)[metric] * scale - base).dropna()
                same_as = "" if earlier == label else earlier
                lines += [(*case, table, label, same_as, seed, value) for seed, value in found.items()]
    return DataFrame(lines, columns=[*CASE, "table", "row", SAME, "seed", "difference"])


def effects(differences: DataFrame) -> DataFrame:
    """The mean of each row's `differences` with its 95 % interval and p value, corrected for how many were compared.

    Returns:
        The columns of `differences` without seed; difference and "difference ±" (mean and half of Student's interval); p
        (paired t test); "p Holm" (after Holm's correction over the objectives of this DataFrame, so missing in a row
        with the objective of another); n (seeds); values (one per seed).
    """
    keys = [*CASE, "table", "row", SAME]
    rows = []
    for names, part in differences.groupby(keys, sort=False, dropna=False):
        values = part["difference"].tolist()
        interval = t_interval(values)
        rows.append((*names, interval.mean, interval.half, paired_p(values), np.nan, interval.n, values))
    table = DataFrame(rows, columns=[*keys, "difference", "difference ±", "p", "p Holm", "n", "values"])
    table = table.astype({"difference ±": float, "p": float})
    counted = table.index[(table[SAME] == "") & table["p"].notna()]
    table.loc[counted, "p Holm"] = holm_adjusted(table.loc[counted, "p"].tolist())
    return table


def family(effects: DataFrame, question: str = "") -> DataFrame:
    """The comparisons of a table of `effects` taken together, each objective counted once, as one row.

    Returns:
        comparisons; "above 0", "below 0": intervals that exclude 0; "by chance": how many would if nothing differed;
        significant: rows with "p Holm" at most LEVEL; "least p Holm"; "lowest difference", "highest difference"; "80 %
        power for": the difference that these seeds detect after the correction, "80 % power, alone": without it (medians
        over the comparisons).
    """
    counted = effects[effects["p Holm"].notna()]
    m, half = len(counted), counted["difference ±"]
    power = [
        np.median([detectable_difference(v, level=level) for v in counted["values"]]) if m else np.nan
        for level in (1 - LEVEL / max(m, 1), 1 - LEVEL)
    ]
    return DataFrame(
        {
            "question": [question],
            "comparisons": m,
            "above 0": int((counted["difference"] > half).sum()),
            "below 0": int((counted["difference"] < -half).sum()),
            "by chance": LEVEL * m,
            "significant": int((counted["p Holm"] <= LEVEL).sum()),
            "least p Holm": counted["p Holm"].min(),
            "lowest difference": counted["difference"].min(),
            "highest difference": counted["difference"].max(),
            "80 % power for": power[0],
            "80 % power, alone": power[1],
        }
    )


def paper_gains(effects: DataFrame, key: Key | None) -> DataFrame:
    """The paper's gains over AVCA in HM on a set, beside what our seeds detect.

    The paper's largest gains are in `contrasts.headline_gains`.

    Args:
        effects: of Table 1 or 2, whose scatter over the seeds is taken (median over the cases).
        key: the paper's set.

    Returns:
        A row per module: row, "paper gain" (points), "80 % power for" (points, as the only comparison).
    """
    paper = reported(main_table(key), key)
    rows = []
    for name, part in effects.groupby("row", sort=False):
        gain = paper.difference(str(name), AVCA, "HM")
        rows.append((name, gain, float(np.median([detectable_difference(v) for v in part["values"]]))))
    return DataFrame(rows, columns=["row", "paper gain", "80 % power for"])


def paper_curvature() -> DataFrame:
    """Is the paper's Table 3 chance? Its rows of k<0 against its other rows, and two of its rows that share an objective.

    If the curvature does not matter, the 13 values of a set could be in any order. On ActivityNet-GZSL all six rows
    of k<0 have a higher HM than all seven others, as in one of the 1716 ways to choose six rows.

    E+E of Table 4, two equal flat heads, has the objective of k = 0 in Table 3, so these two rows differ by chance
    alone: by 0.44 points of HM on UCF-GZSL and 0.64 on ActivityNet-GZSL. Under the printed loss all rows of Table 3
    share one objective too, but they scatter 7.7 and 3.1 times as much as this gap says of one row. One pair is no
    proof ("p scatter" .10, .25).

    Returns:
        A row per set and metric (HM, ZSL): set, metric, "k<0 minus the rest" (means, in points); p: the share of the
        1716 choices with at least this difference, which is exact and one-sided, as the paper's claim is, and
        "p two-sided"; "p smooth": the share of DRAWS random orders in which neighbouring rows differ as little (sum of
        squared steps); "E+E minus E"; "sd over k" and "sd by chance", that of one row from |E+E minus E| / √2; "p
        scatter": of their F test with 12 and 1 degrees of freedom.
    """
    rows = []
    for dataset, metric in product(("UCF-GZSL", "ActivityNet-GZSL"), ("HM", "ZSL")):
        key = (dataset, "cls")
        table = {float(k): row[metric] for k, row in reported("table3", key).rows.items() if k != AVCA}
        values = Series(table).sort_index()
        negative = values.index < 0
        split = [
            scipy.stats.permutation_test(
                (values[negative], values[~negative]), _mean_difference, vectorized=True,
                n_resamples=np.inf, alternative=sides,
            )
            for sides in ("greater", "two-sided")
        ]  # fmt: skip
        smooth = scipy.stats.permutation_test(
            (values,), _steps, permutation_type="pairings", vectorized=True, n_resamples=DRAWS, batch=10_000,
            alternative="less", rng=0,
        )  # fmt: skip
        gap = reported("table4", key).rows["E+E"][metric] - table[0.0]
        sd, chance = float(values.std()), abs(gap) / np.sqrt(2)
        rows.append(
            {
                "set": dataset, "metric": metric, "k<0 minus the rest": split[0].statistic, "p": split[0].pvalue,
                "p two-sided": split[1].pvalue, "p smooth": smooth.pvalue, "E+E minus E": gap, "sd over k": sd,
                "sd by chance": chance, "p scatter": scipy.stats.f.sf((sd / chance) ** 2, len(values) - 1, 1),
            }
        )  # fmt: skip
    return DataFrame(rows)


def _mean_difference(a: NDArray[np.float64], b: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    return a.mean(axis=axis) - b.mean(axis=axis)


def _steps(x: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    return np.square(np.diff(x, axis=axis)).sum(axis=axis)


def curvature_grid(
    runs: DataFrame, preset: str, weight: float | None = None, pull: float | None = None, metric: str = "HM"
) -> DataFrame:
    """A metric of Table 3 in per cent: a row per fixed curvature k, a column per seed that all of them have."""
    rows = {
        float(row.label): runs_of(runs, row.alignment)[metric] * 100
        for row in table_rows("table3", paper_key(runs), preset, weight, pull)
        if row.alignment is not None
    }
    return DataFrame(rows).dropna().T.sort_index()


def curvature_effects(runs: DataFrame) -> DataFrame:
    """Does the curvature matter? A row per set and case that has two seeds or more of Table 3.

    Returns:
        data and the columns of `cases`; n (seeds); "sd over k", "sd over seeds": standard deviations of HM over the
        curvatures of one seed and over the seeds of one curvature; F and p by permutation (`stats.setting_effect`); "p
        Holm": after Holm's correction over all rows of the preset; "p Holm without a seed": the same without the seed
        that matters most, if p is at most LEVEL; "80 % power for": the range of means that is detected; "best k", "worst
        k" and their mean HM; "k<0 minus the rest" with ±: mean HM over the hyperbolic ones minus that over all others,
        which is the paper's claim; "k<0 minus k>0" with ±: the same against the spherical ones;
        "equal to flat": share of runs with k != 0 whose HM is that of k = 0 and the same seed to the last bit.
    """
    rows, grids = [], []
    for name, part in by_set(runs).items():
        for case in cases(part).itertuples(index=False):
            grid = curvature_grid(part, case.preset, *_loudness(case))
            if min(grid.shape) < 2:
                continue
            sd, (F, p) = spreads(grid.to_numpy().tolist()), _effect(grid, DRAWS)
            means, same = grid.mean(axis=1), grid.drop(index=0.0) == grid.loc[0.0]
            means = means * np.nan if same.all(axis=None) else means  # of equal curvatures none is the best
            below = grid[grid.index < 0].mean()
            sides = t_interval((below - grid[grid.index > 0].mean()).tolist())
            rest = t_interval((below - grid[grid.index >= 0].mean()).tolist())
            grids.append(grid)
            rows.append(
                {
                    "data": name, **case._asdict(), "n": grid.shape[1],
                    "sd over k": sd.settings, "sd over seeds": sd.seeds, "F": F, "p": p, "p Holm": np.nan,
                    "p Holm without a seed": np.nan, "80 % power for": np.nan,
                    "best k": _at(means, means.max()), "HM at best k": means.max(),
                    "worst k": _at(means, means.min()), "HM at worst k": means.min(),
                    "k<0 minus the rest": rest.mean, "k<0 minus the rest ±": rest.half,
                    "k<0 minus k>0": sides.mean, "k<0 minus k>0 ±": sides.half, "equal to flat": same.mean(axis=None),
                }
            )  # fmt: skip
    table = DataFrame(rows)
    for _, members in table.groupby("preset"):
        p = members["p"].tolist()
        table.loc[members.index, "p Holm"] = holm_adjusted(p)
        for place, i in enumerate(members.index):
            level = 1 - LEVEL / len(members)
            table.loc[i, "80 % power for"] = detectable_range(grids[i].to_numpy().tolist(), level=level)
            if p[place] <= LEVEL and grids[i].shape[1] > 2:
                greatest = max(_effect(grids[i].drop(columns=seed))[1] for seed in grids[i])
                adjusted = holm_adjusted([*p[:place], greatest, *p[place + 1 :]])[place]
                table.loc[i, "p Holm without a seed"] = adjusted
    return table


def _at(means: Series, value: float) -> float:
    return float(means.index[means == value][0]) if (means == value).any() else np.nan


def _effect(grid: DataFrame, draws: int = 10_000) -> tuple[float, float]:
    F, p = setting_effect(grid.to_numpy().tolist(), draws=draws)
    return np.nan if F is None else F, p
