"""Figures of notebook 10: runs in pairs, what a number of seeds can find, and a test of the paper's Table 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
import torch
from pandas import DataFrame
from torch import Tensor

from hypav.errors import DataError
from hypav.experiments.configs import AVCA, table_rows
from hypav.experiments.effects import differences, effects, family, paper_key, runs_of
from hypav.experiments.paper import reported
from hypav.experiments.tables import ESZSL, TITLES, as_text
from hypav.figures.style import BLACK, BLUE, INK, ORANGE, VERMILION, Drawn, canvas, cues, minus
from hypav.stats import FEWEST, detectable_difference, t_interval

PAPER_SETS = "UCF-GZSL", "ActivityNet-GZSL"  # of Tables 3 and 4, cls features
_SIDES = {"k<0": (VERMILION, "^"), "k≥0": (BLUE, "o")}


def HM_by_method(runs: DataFrame) -> dict[str, Tensor]:
    """HM in per cent of the methods of Table 1 under the printed loss, (n,) each, one entry per seed.

    Args:
        runs: recorded runs of one set. The linear reference (ESZSL) has one entry if it was run.
    """
    rows = {row.label: row.alignment for row in table_rows("table1", paper_key(runs), "printed", 1.0)}
    found = {
        name: runs_of(runs, loss)["HM"] for name, loss in rows.items() if loss is not None or name == AVCA
    }
    found[ESZSL] = runs_of(runs, None, ESZSL)["HM"]
    return {name: torch.tensor(100 * HM.to_numpy()) for name, HM in found.items() if len(HM)}


def paper_table3(metric: str = "HM") -> dict[str, dict[float, float]]:
    """The paper's Table 3 without AVCA's row: set -> {k: HM or ZSL in per cent}."""
    tables = {name: reported("table3", (name, "cls")).rows for name in PAPER_SETS}
    return {
        name: {float(k): row[metric] for k, row in rows.items() if k != AVCA} for name, rows in tables.items()
    }


def paper_groups() -> dict[str, tuple[Tensor, Tensor]]:
    """The paper's Table 3 in two groups, the rows with k<0 (6,) and the others (7,), by set and metric."""
    groups = {}
    for metric in ("HM", "ZSL"):
        for name, rows in paper_table3(metric).items():
            negative, rest = (torch.tensor(side, dtype=torch.float64) for side in _sides(rows))
            groups[f"{name}, {metric}"] = negative, rest
    return groups


def families(runs: DataFrame, tables: Sequence[str]) -> DataFrame:
    """All comparisons with AVCA in some tables of one set, a row per table, as text. Each objective counts once per loss.

    Returns:
        table, rows (comparisons), significant (after Holm), lowest and highest (difference in points), and "80 % power"
        (the difference found with it, after the correction).
    """
    names = {table: f"{table[-1]}, {TITLES[table].partition(':')[0]}" for table in tables}
    found = pd.concat([family(effects(differences(runs, table)), names[table]) for table in tables])
    shown = {
        "question": "table", "comparisons": "rows", "significant": "significant", "lowest difference": "lowest",
        "highest difference": "highest", "80 % power for": "80 % power",
    }  # fmt: skip
    return as_text(found[[*shown]]).rename(columns=shown)


def plot_pairs(
    a: Sequence[float], b: Sequence[float], names: tuple[str, str], *, linear: float, data: str
) -> Drawn:
    """Draw HM of two methods with a line for each seed, and beside it their differences with the 95 % interval.

    Args:
        a, b: HM of the two methods in per cent, one for each seed.
        linear: HM of the linear reference, which is written and not drawn: it is off the scale.

    Returns:
        figure and {name: HM per seed, "difference": (mean, half), "linear (ESZSL)": HM}.

    Raises:
        DataError: there are fewer than three pairs.
    """
    title = "How much of the scatter do two methods share?"
    if len(a) != len(b) or len(a) < FEWEST:
        raise DataError(
            f"Give HM of the same {FEWEST} or more seeds for both methods, not {len(a)} and {len(b)}."
        )
    differences = [y - x for x, y in zip(a, b, strict=True)]
    interval = t_interval(differences)
    mean, half = interval.mean, interval.half or 0.0
    with canvas(7.4, 3.6, panels=2, width_ratios=(1.5, 1)) as (figure, (left, right)):
        for x, y in zip(a, b, strict=True):
            left.plot([0, 1], [x, y], color=INK, linewidth=0.9, zorder=1)
        for place, (values, (name, cue)) in enumerate(zip((a, b), cues(names).items(), strict=True)):
            left.plot([place] * len(values), values, cue.marker, color=cue.color, label=name)
        left.set_xticks([0, 1], names)
        left.set(xlim=(-0.3, 1.3), ylabel="HM in per cent")
        left.set_title(f"one line per seed; linear (ESZSL) {linear:.1f}, off the scale")
        right.plot([0] * len(a), differences, "o", color=BLUE, alpha=0.6)
        right.errorbar(0.3, mean, half, color=BLACK, marker="D", capsize=4)
        right.axhline(0, color=INK, linestyle="--", linewidth=1.2)
        right.set_xticks([0, 0.3], ["seeds", "mean, 95 %"])
        right.set(xlim=(-0.25, 0.55), ylabel="difference in points")
        middle = (max(a) + min(a)) / 2, (max(differences) + min(differences)) / 2
        reach = 0.56 * max(max(*a, *b) - min(*a, *b), max(differences) - min(differences))
        left.set_ylim(middle[0] - reach, middle[0] + reach)
        right.set_ylim(-reach, reach)
        right.set_title(f"{names[1]} − {names[0]}, same scale")
        figure.suptitle(f"{title}\n{data}")
    figure.alt_text = (
        f"{title} HM on {data}, {len(a)} seeds. {names[0]}: {min(a):.1f} to {max(a):.1f}. {names[1]}: {min(b):.1f} to "
        f"{max(b):.1f}. The differences per seed: "
        + minus(f"{min(differences):+.1f} to {max(differences):+.1f}, mean {mean:+.1f} ± {half:.1f}. ")
        + f"Linear (ESZSL): {linear:.1f}."
    )
    shown = {names[0]: list(a), names[1]: list(b), "difference": (mean, half), "linear (ESZSL)": linear}
    return figure, shown


def plot_power(scatter: Mapping[str, float], gains: Mapping[str, float], *, data: str) -> Drawn:
    """Draw the smallest difference found with 80 % power over the number of seeds, beside some reported gains.

    Args:
        scatter: a name -> the standard deviation of a difference for one seed, in points.
        gains: a name -> a gain in points.

    Returns:
        figure and {name: {n: points}}, and the gains.

    Raises:
        DataError: there is no standard deviation, or one is not positive.
    """
    title = "Which differences can this many seeds find?"
    most = 40
    if not scatter or not all(sd > 0 for sd in scatter.values()):
        raise DataError("Give at least one standard deviation; it must be positive.")
    counts = range(FEWEST, most + 1)
    curves: dict[str, dict[int, float]] = {}
    with canvas(7.4, 3.9) as (figure, axes):
        for (name, sd), look in zip(scatter.items(), cues(scatter).values(), strict=True):
            curves[name] = {n: _smallest(sd, n) for n in counts}
            axes.plot(
                list(counts), list(curves[name].values()), color=look.color, linestyle=look.linestyle,
                label=f"{name}: standard deviation {sd:.1f}",
            )  # fmt: skip
        for name, gain in gains.items():
            axes.axhline(gain, color=INK, linestyle=":", linewidth=1.2)
            axes.text(most, gain + 0.12, f"{gain:.1f}, {name}", ha="right", color=INK, fontsize=9)
        axes.set(xlim=(FEWEST - 0.5, most + 0.5), ylim=(0, 1.35 * max([*gains.values(), 3])))
        axes.set(xlabel="seeds", ylabel="smallest difference\nfound with 80 % power (points)")
        figure.legend(loc="outside lower center", ncols=1)
        axes.set_title(f"{title}\n{data}; dotted: gains in HM that the paper reports")
    at = [n for n in (5, 10, 20) if n <= most]
    parts = "; ".join(f"{name} " + ", ".join(f"{c[n]:.1f} at {n}" for n in at) for name, c in curves.items())
    told = ", ".join(f"{gain:.1f} ({name})" for name, gain in gains.items())
    figure.alt_text = (
        f"{title} On {data}, in points of HM by the number of seeds: {parts}. The paper's gains: {told}."
    )
    return figure, {"seeds": curves, "gains": dict(gains)}


def plot_rows(tables: Mapping[str, Mapping[float, float]]) -> Drawn:
    """Draw the values of a table over the curvature, a panel for each set; the sign of k has colour and marker.

    Args:
        tables: set -> {k: value}.

    Returns:
        figure and the tables.

    Raises:
        DataError: there is no table, or one has no row on one side.
    """
    title = "Do the rows with k<0 lie above the others?"
    _require_sides(tables)
    with canvas(7.4, 3.3, panels=len(tables)) as (figure, panels):
        for axes, (name, rows) in zip(panels, tables.items(), strict=True):
            for side, (color, marker) in _SIDES.items():
                values = {k: v for k, v in sorted(rows.items()) if (k < 0) == (side == "k<0")}
                axes.plot(list(values), list(values.values()), marker, color=color, label=side)
            axes.set(xlabel="curvature k", ylabel="HM in per cent", title=name)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        figure.suptitle(title)
    parts = []
    for name, rows in tables.items():
        negative, rest = _sides(rows)
        above = sum(v > max(rest) for v in negative)
        parts.append(
            f"{name}: k<0 {min(negative):.1f} to {max(negative):.1f}, the rest {min(rest):.1f} to {max(rest):.1f}; "
            f"{above} of {len(negative)} rows with k<0 above all others"
        )
    figure.alt_text = f"{title} HM in per cent. {'. '.join(parts)}."
    return figure, {name: dict(rows) for name, rows in tables.items()}


def plot_orders(tables: Mapping[str, Mapping[float, float]]) -> Drawn:
    """Draw the mean of k<0 minus that of the rest for every choice of as many rows, and mark the difference seen.

    Args:
        tables: set -> {k: value}.

    Returns:
        figure and {set: (difference seen, choices with at least this difference, all choices)}.

    Raises:
        DataError: there is no table, or one has no row on one side.
    """
    title = "Could the rows with k<0 be above the rest by chance?"
    _require_sides(tables)
    shown: dict[str, tuple[float, int, int]] = {}
    with canvas(7.4, 3.3, panels=len(tables)) as (figure, panels):
        for axes, (name, rows) in zip(panels, tables.items(), strict=True):
            negative, rest = _sides(rows)
            values, size = np.array([*negative, *rest]), len(negative)
            sums = np.array([values[list(c)].sum() for c in combinations(range(len(values)), size)])
            differences = sums / size - (values.sum() - sums) / len(rest)
            seen = float(np.mean(negative) - np.mean(rest))
            shown[name] = seen, int((differences >= seen - 1e-9).sum()), len(sums)
            axes.hist(differences, bins=30, color=BLUE, alpha=0.6)
            axes.axvline(seen, color=ORANGE, linewidth=2.4)
            axes.text(
                0.03, 0.97, f"paper: {seen:+.2f}\nat least as large:\n{shown[name][1]} of {len(sums)}",
                transform=axes.transAxes, va="top", fontsize=9,
            )  # fmt: skip
            axes.set_ylim(0, 1.35 * axes.get_ylim()[1])
            axes.set(xlabel="k<0 minus the rest (points)", ylabel="ways to choose the rows", title=name)
        figure.suptitle(f"{title}\norange line: the difference in the paper")
    parts = [
        f"{name}: {minus(f'{seen:+.2f}')} points, at least as large in {count} of {total} ways to choose"
        for name, (seen, count, total) in shown.items()
    ]
    figure.alt_text = f"{title} Mean HM of the rows with k<0 minus the rest. {'; '.join(parts)}."
    return figure, shown


def _smallest(sd: float, n: int) -> float:
    """The difference that n seeds with this standard deviation find with 80 % power."""
    values = np.resize([-1.0, 1.0], n)
    values = (values - values.mean()) / values.std(ddof=1) * sd
    return float(detectable_difference(values.tolist()) or 0)


def _sides(rows: Mapping[float, float]) -> tuple[list[float], list[float]]:
    return [v for k, v in rows.items() if k < 0], [v for k, v in rows.items() if k >= 0]


def _require_sides(tables: Mapping[str, Mapping[float, float]]) -> None:
    if not tables or not all(all(_sides(rows)) for rows in tables.values()):
        raise DataError("Give at least one table with rows of k<0 and of k≥0.")
