"""What the recorded runs show: three planned tests, and contrasts that were not planned.

Every function takes a DataFrame of runs with `cell` and `k` (see `evidence.with_cells`) and returns a DataFrame with a
row per set and comparison. Runs of one seed share first weights and batches, so differences are paired by seed. They are
in points, with half of Student's 95 % interval as "difference ±".

Runs of one objective count as one. Under a cosine at the origin the curvature drops out (`effects.objective`), so all
curvatures and heads of the printed and the released loss are one objective; their HM is averaged per seed.
"""

from __future__ import annotations

import numpy as np
from pandas import DataFrame, Series

from hypav.errors import DataError
from hypav.experiments.configs import AVCA
from hypav.experiments.effects import LEVEL, by_set, mean_and_half
from hypav.experiments.evidence import PULL
from hypav.experiments.paper import paper_tables
from hypav.stats import FEWEST, detectable_difference, holm_adjusted, paired_p, t_interval

LINEAR = "ESZSL"
ALIGNMENT, CURVATURE, HEADS = "alignment minus AVCA", "k<0 minus the rest", "several heads minus one"
SIGNS = ("k<0", "k=0", "k>0")
_PRINTED = f"printed, pull {PULL:g}"
_CURVED = f"curved, pull {PULL:g}"


def by_seed(runs: DataFrame, cell: str, metric: str = "HM", k: str | None = None) -> Series:
    """A metric of one cell in per cent, by seed: the mean over its curvatures, or over those of a sign (one of SIGNS).

    With a sign only losses with one fixed curvature count; without one, all that align phi. Curvatures that fewer than
    half of the seeds have are left out, and then the seeds that lack one of the others.
    """
    chosen = runs[(runs["cell"] == cell) & runs["aligned"].isin(["", "phi"])]
    if k is not None:
        side = {
            "k<0": chosen["k"] < 0,
            "k=0": chosen["k"] == 0,
            "k>0": chosen["k"] > 0,
            "k>=0": chosen["k"] >= 0,
        }
        chosen = chosen[side[k]]
    each = chosen.groupby(["seed", "curvatures"])[metric].mean().unstack()
    return 100 * each.dropna(axis=1, thresh=(len(each) + 1) // 2).dropna().mean(axis=1)


def summary(differences: Series, level: float = 1 - LEVEL) -> dict[str, object]:
    """The mean of differences per seed: difference, "difference ±", p (paired t test), n, and "80 % power for".

    "80 % power for" is the smallest true difference that as many seeds with this scatter find in four experiments out of
    five, at this level.
    """
    values = differences.dropna().tolist()
    if not values:
        return {"difference": np.nan, "difference ±": np.nan, "p": np.nan, "n": 0, "80 % power for": np.nan}
    interval = t_interval(values)
    return {
        "difference": interval.mean, "difference ±": interval.half, "p": paired_p(values), "n": interval.n,
        "80 % power for": detectable_difference(values, level=level),
    }  # fmt: skip


def planned(runs: DataFrame, metric: str = "HM") -> DataFrame:
    """The three planned tests on every set, with Holm's correction over all of them.

    They are: the printed loss, loud enough to be heard (pull .1), minus AVCA; k<0 minus the rest of Table 3, under
    `curved` at equal pull; and Hyper-multiple minus Hyper-single under `curved` at equal pull.

    Returns:
        A row per set and test: data, test, the columns of `summary` at the level of Holm's first step, and "p Holm". A
        test that was not run has n 0.

    Raises:
        DataError: a test was run with fewer than three seeds.
    """
    rows = []
    for name, part in by_set(runs).items():
        single = part[part["curvatures"].str.startswith("adaptive:1:")]
        several = part[part["curvatures"].str.startswith("adaptive") & ~part.index.isin(single.index)]
        pairs = {
            ALIGNMENT: (by_seed(part, _PRINTED, metric), by_seed(part, AVCA, metric)),
            CURVATURE: (by_seed(part, _CURVED, metric, "k<0"), by_seed(part, _CURVED, metric, "k>=0")),
            HEADS: (by_seed(several, _CURVED, metric), by_seed(single, _CURVED, metric)),
        }
        for test, (a, b) in pairs.items():
            values = (a - b).dropna()
            if 0 < len(values) < FEWEST:
                raise DataError(
                    f"The planned test {test!r} needs at least {FEWEST} seeds, but {name} has {len(values)}."
                )
            rows.append((name, test, values))
    count = max(1, sum(len(values) > 0 for *_, values in rows))
    table = DataFrame([{"data": d, "test": t, **summary(v, 1 - LEVEL / count)} for d, t, v in rows])
    if not table.empty:
        table["p Holm"] = np.nan
        done = table["p"].notna()
        table.loc[done, "p Holm"] = holm_adjusted(table.loc[done, "p"].tolist())
    return table


def loudness(runs: DataFrame, metric: str = "HM") -> DataFrame:
    """HM against pull: a row per set and loss with a pull, and per loss at weight 1, at the paper's curvature.

    Returns:
        data, preset, cell, pull; HM and "HM ±"; and `summary` of its difference to AVCA. These are exploratory, so p has
        no correction. Each set also has its linear reference, as preset "ESZSL".
    """
    rows = []
    for name, part in by_set(runs).items():
        base = by_seed(part, AVCA, metric)
        linear = Series(by_seed(part, LINEAR, metric).mean(), base.index)
        if linear.notna().any():
            level = {metric: linear.mean(), f"{metric} ±": np.nan}
            rows.append(
                {
                    "data": name,
                    "preset": LINEAR,
                    "cell": LINEAR,
                    "pull": np.nan,
                    **level,
                    **summary(linear - base),
                }
            )
        chosen = part[
            part["preset"].isin(["printed", "released"]) & ~part["method"].str.contains(" + ", regex=False)
        ][["preset", "cell", "pull"]].drop_duplicates()
        for preset, cell, pull in chosen.sort_values(["preset", "pull"], na_position="first").itertuples(
            index=False
        ):
            values = by_seed(part, cell, metric)
            row = {"data": name, "preset": preset, "cell": cell, "pull": pull}
            rows.append({**row, **mean_and_half(metric, values.tolist()), **summary(values - base)})
    return DataFrame(rows)


def curvature(runs: DataFrame, metric: str = "HM") -> DataFrame:
    """The paper's claim, k<0 minus the rest, under every loss and set whose 13 curvatures were run.

    Returns:
        data, cell; the mean of `metric` at each of SIGNS; `summary` of k<0 minus the rest; and difference, "±" and p of
        k<0 minus k=0. Only `planned` has the planned one of these; the others are exploratory, so p has no correction.
    """
    rows = []
    for name, part in by_set(runs).items():
        for cell in dict.fromkeys(part.loc[part["k"].notna(), "cell"]):
            sides = {sign: by_seed(part, cell, metric, sign) for sign in (*SIGNS, "k>=0")}
            if any(side.empty for side in sides.values()):
                continue
            means = {sign: sides[sign].mean() for sign in SIGNS}
            rest, flat = (summary(sides["k<0"] - sides[other]) for other in ("k>=0", "k=0"))
            control = {
                "minus k=0": flat["difference"],
                "minus k=0 ±": flat["difference ±"],
                "p, k=0": flat["p"],
            }
            rows.append({"data": name, "cell": cell, **means, **rest, **control})
    return DataFrame(rows)


def forest(runs: DataFrame, metric: str = "HM") -> DataFrame:
    """What a reader wants to see at once: every method's HM and its difference to AVCA, on every set.

    Returns:
        data, row, HM, "HM ±", and `summary` of the difference to AVCA. The rows are ESZSL, which has no seed, so that its
        one value is compared with every seed of AVCA; other networks, alone and under an alignment loss; AVCA; the
        printed loss by loudness; and `curved` at equal pull by the sign of k.
    """
    rows = []
    for name, part in by_set(runs).items():
        base, linear = by_seed(part, AVCA, metric), by_seed(part, LINEAR, metric)
        louder = part.sort_values(["preset", "pull"], na_position="first")
        others = louder[
            ~louder["method"].isin([AVCA, LINEAR])
            & ((louder["preset"] == "") | louder["cell"].str.contains(" + ", regex=False))
        ]
        cells: dict[str, Series] = {"linear (ESZSL)": Series(linear.mean(), base.index)}
        cells |= {cell: by_seed(part, cell, metric) for cell in dict.fromkeys(others["cell"])}
        cells |= {AVCA: base}
        cells |= {
            c: by_seed(part, c, metric) for c in dict.fromkeys(louder["cell"]) if c.startswith("printed")
        }
        cells |= {f"{_CURVED}, {sign}": by_seed(part, _CURVED, metric, sign) for sign in SIGNS}
        for row, values in cells.items():
            if values.dropna().empty:
                continue
            level = mean_and_half(metric, values.tolist())
            if row.startswith("linear"):
                level[f"{metric} ±"] = np.nan
            apart = summary(values - base) if row != AVCA else summary(Series(dtype=float)) | {"n": len(base)}
            rows.append({"data": name, "row": row, **level, **apart})
    return DataFrame(rows)


def on_top(runs: DataFrame) -> DataFrame:
    """An alignment loss on top of another network than AVCA's, minus that network alone, in HM; exploratory.

    Returns:
        data, row (with the sign of k where the loss contains it), and the columns of `summary`.
    """
    rows = []
    for name, part in by_set(runs).items():
        for cell in dict.fromkeys(part.loc[part["cell"].str.contains(" + ", regex=False), "cell"]):
            base = by_seed(part, cell.rpartition(" + ")[0])
            signs = SIGNS if part.loc[part["cell"] == cell, "k"].nunique() > 1 else (None,)
            rows += [
                {
                    "data": name,
                    "row": cell if sign is None else f"{cell}, {sign}",
                    **summary(by_seed(part, cell, k=sign) - base),
                }
                for sign in signs
            ]
    return DataFrame(rows)


def headline_gains() -> DataFrame:
    """The largest gain in HM over AVCA that the paper reports for each of its sets: set, features, method, gain."""
    rows = []
    for table, features in (("table1_main", "main"), ("table2_cls", "cls")):
        for dataset, lines in paper_tables()[table].items():
            hm = {line["method"]: line["HM"] for line in lines}
            rows += [
                (dataset, features, method, hm[method] - hm[AVCA])
                for method in hm
                if method.startswith("Hyper")
            ]
    gains = DataFrame(rows, columns=["set", "features", "method", "gain"])
    return gains.loc[gains.groupby("set", sort=False)["gain"].idxmax()].reset_index(drop=True)


def between_processors(runs: DataFrame) -> DataFrame:
    """How far HM of one run moves when only the processor changes: a row per set and pair of processors.

    Returns:
        data, "from", "to", runs (that both have); "mean shift"; "sd of one run" (the standard deviation of the shift),
        and "largest"; all in points.
    """
    rows = []
    for name, part in by_set(runs[runs["method"] != LINEAR]).items():
        wide = 100 * part.pivot_table(index="key", columns="cpu", values="HM")
        order = wide.count().sort_values(ascending=False, kind="stable").index
        for other in order[1:]:
            shift = (wide[other] - wide[order[0]]).dropna()
            if len(shift):
                rows.append((name, order[0], other, len(shift), shift.mean(), shift.std(), shift.abs().max()))
    return DataFrame(rows, columns=["data", "from", "to", "runs", "mean shift", "sd of one run", "largest"])
