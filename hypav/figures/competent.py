"""Figures of notebook 13: the gap to the line, what each change gains, the linear path, and the finished network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from matplotlib.patches import FancyBboxPatch
from pandas import DataFrame
from torch import Tensor

from hypav.evaluation import Scores
from hypav.experiments.effects import results_path
from hypav.experiments.evidence import one_processor, recorded_runs
from hypav.figures.style import BLUE, GREEN, INK, VERMILION, Drawn, bare, canvas, legend_below
from hypav.stats import t_interval

_SETS = ("YT8M-GZSL (mini)", "SIMULATED (UCF-GZSL counts)")
_SHORT = {_SETS[0]: "real", _SETS[1]: "simulated"}
MENDED = ("the line alone", "AVCA-skip", "AVCA-skip, gate 0.1")  # trials that are no suspects
_LOOKS = {_SETS[0]: (BLUE, "o"), _SETS[1]: (VERMILION, "s")}


def recorded_trials() -> DataFrame:
    """The trials of `hypav.experiments.competent.trials` on both sets, `notebooks/results/competent.csv`."""
    return pd.read_csv(results_path() / "competent.csv")


def recorded_tests() -> DataFrame:
    """ESZSL, AVCA and AVCA-skip on test samples, from `notebooks/results/runs.csv`: a row per set, method and seed."""
    runs = one_processor(recorded_runs())
    chosen = runs[runs["cell"].isin(["ESZSL", "AVCA", "AVCA-skip"])].sort_values(["data", "cell", "seed"])
    return DataFrame(
        {"data": chosen["data"], "row": chosen["cell"], "seed": chosen["seed"], "HM": 100 * chosen["HM"]}
    )


def seeds_of(table: DataFrame, trial: str, which: str) -> Tensor:
    """The HM of a trial on val at the best of all betas, (n,), by seed; which is "real" or "simulated"."""
    of = {short: name for name, short in _SHORT.items()}[which]
    part = table[(table["data"] == of) & (table["trial"] == trial) & table["seed"].notna()].sort_values(
        "seed"
    )
    return torch.tensor(part["exact_HM"].tolist(), dtype=torch.float64)


def linear_of(table: DataFrame, which: str) -> float:
    """The HM of ESZSL on val at the best of all betas; which is "real" or "simulated"."""
    return float(seeds_of(table, "ESZSL", which)[0])


def plot_gap(found: Mapping[str, Scores], *, data: str) -> Drawn:
    """Draw S over U for every beta, and the point of the highest HM.

    Args:
        found: name -> scores on val, at most three; "ESZSL" is drawn dashed.

    Returns:
        figure and {name: {"U", "S", "HM", "ausuc"} in per cent}.
    """
    shown: dict[str, Any] = {}
    with canvas(7.2, 4.2) as (figure, axes):
        looks = ((BLUE, "o"), (VERMILION, "s"), (GREEN, "^"))
        for (name, scores), (color, marker) in zip(found.items(), looks, strict=False):
            curve, best = scores.exact_curve(), scores.exact_optimum()
            color, dashes = (INK, "--") if name == "ESZSL" else (color, "-")
            label = f"{name}: HM {100 * best.HM:.1f}"
            axes.plot(100 * curve.U, 100 * curve.S, dashes, color=color)
            axes.plot(100 * best.U, 100 * best.S, marker, color=color, markersize=9, label=label)
            shown[name] = {
                "U": round(100 * best.U, 1), "S": round(100 * best.S, 1),
                "HM": round(100 * best.HM, 1), "ausuc": round(100 * scores.ausuc(), 1),
            }  # fmt: skip
        axes.set(xlabel="U, unseen classes (%)", ylabel="S, seen classes (%)", xlim=(0, None), ylim=(0, None))
        axes.legend(loc="upper right")
        axes.set_title(f"How far is the network below the line, for every beta? (val)\n{data}")
    parts = [f"{name} reaches a harmonic mean of {values['HM']:.1f}" for name, values in shown.items()]
    figure.alt_text = f"Seen over unseen accuracy on validation samples of {data}: {'; '.join(parts)}."
    return figure, shown


def gains(table: DataFrame, data: str) -> DataFrame:
    """Each trial's mean gain over AVCA on one set, largest first, and half of Student's 95 % interval.

    Gains are paired per seed. Rows without a seed are means of three seeds; they have no interval (NaN).
    """
    part = table[table["data"] == data]
    base = part[(part["trial"] == "AVCA") & part["seed"].notna()].set_index("seed")["exact_HM"]
    rows = []
    for name, found in part[~part["trial"].isin(["AVCA", "ESZSL"])].groupby("trial", sort=False):
        seeds = found[found["seed"].notna()].set_index("seed")["exact_HM"]
        if seeds.empty:
            rows.append((name, float(found["exact_HM"].iloc[0] - base.mean()), float("nan")))
            continue
        interval = t_interval((seeds - base).dropna().tolist())
        rows.append((name, interval.mean, float("nan") if interval.half is None else interval.half))
    gained = DataFrame(rows, columns=["trial", "gain", "half"])
    # rounded, so that equal gains have the same order on every processor
    gained["order"] = -gained["gain"].round(6)
    return gained.sort_values(["order", "trial"]).drop(columns="order")


def plot_gains(table: DataFrame, *, leave_out: Sequence[str] = ()) -> Drawn:
    """Draw what each change gains in HM over AVCA on each set, with intervals, beside the gap to the line.

    Args:
        table: rows of `hypav.experiments.competent.trials`. A mark of a row without a seed is hollow.
        leave_out: trials that are not drawn.

    Returns:
        figure and {short name of the set: {trial: gain}, and "gap": {set: gap to the linear reference}}.
    """
    sets = [name for name in _SETS if name in set(table["data"])]
    found = {
        name: gains(table, name).set_index("trial").drop(index=list(leave_out), errors="ignore")
        for name in sets
    }
    order = list(found[sets[0]].index)[::-1]
    shown: dict[str, Any] = {"gap": {}}
    with canvas(7.6, 0.27 * len(order) + 1.8) as (figure, axes):
        for n, name in enumerate(sets):
            (color, marker), part = _LOOKS[name], found[name]
            means = table[table["data"] == name].groupby("trial")["exact_HM"].mean()
            gap = float(means["ESZSL"] - means["AVCA"])
            axes.plot([], [], marker, color=color, label=_SHORT[name])
            for row, trial in enumerate(order):
                if trial not in part.index:
                    continue
                gain, half = (float(value) for value in part.loc[trial])
                hollow = half != half  # NaN
                axes.errorbar(
                    [gain], [row + 0.16 * (1 - 2 * n)], xerr=None if hollow else [half], fmt=marker, color=color,
                    markersize=6, elinewidth=1.2, markerfacecolor="white" if hollow else color,
                )  # fmt: skip
            axes.axvline(gap, color=color, linestyle=("--", ":")[n], label=f"the line, {_SHORT[name]}")
            shown[_SHORT[name]] = {trial: round(float(part.loc[trial, "gain"]), 1) for trial in part.index}
            shown["gap"][_SHORT[name]] = round(gap, 1)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(order)), order)
        axes.set_ylim(-0.6, len(order) - 0.4)
        axes.set_xlabel("gain in HM over AVCA on val, points; three seeds (filled: with 95 % interval)")
        legend_below(figure, axes, ncols=4)
        axes.set_title("Which change alone closes the gap to the line?")
    best = {name: next(iter(gained.items())) for name, gained in shown.items() if name != "gap"}
    parts = [
        f"on the {name} set the first is {trial} with {gain:+.1f} of {shown['gap'][name]:.1f} points"
        for name, (trial, gain) in best.items()
    ]
    figure.alt_text = f"Gains of {len(order)} single changes to AVCA: {'; '.join(parts)}."
    return figure, shown


def plot_path() -> Drawn:
    """Draw the network with the linear path: features and words, AVCA, the gate behind it, and the space of words."""
    boxes = {
        "features": (0.2, 1.9, "audio a\nvideo v"),
        "avca": (2.6, 2.6, "AVCA:\nencoders,\nattention,\nprojections"),
        "line": (2.6, 1.2, "y = L [a/|a| ; v/|v|]"),
        "words": (0.2, -0.5, "word w"),
        "gate": (5.1, 2.6, "times g\n(starts at 0)"),
        "sum": (7.7, 1.3, "space of words:\nθ = y + g θ'\nθ_w = w + g θ_w'"),
    }
    arrows = [
        ("features", "avca"),
        ("features", "line"),
        ("words", "avca"),
        ("avca", "gate"),
        ("gate", "sum"),
        ("line", "sum"),
        ("words", "sum"),
    ]
    with canvas(7.6, 3.6) as (figure, axes):
        bare(axes)
        axes.set(xlim=(0, 9.9), ylim=(-1.2, 3.4))
        for name, (x, y, text) in boxes.items():
            strong = name in ("line", "gate", "sum")
            axes.add_patch(
                FancyBboxPatch((x, y - 0.45), 1.9, 0.95, boxstyle="round,pad=0.08", facecolor="white",
                               edgecolor=VERMILION if strong else INK, linewidth=2.2 if strong else 1.0)
            )  # fmt: skip
            axes.text(x + 0.95, y + 0.02, text, ha="center", va="center", fontsize=9.5)
        for a, b in arrows:
            tail, head = boxes[a], boxes[b]
            color = INK if "avca" in (a, b) else VERMILION
            axes.annotate(
                "", (head[0] - 0.08, head[1]), (tail[0] + 1.98, tail[1]),
                arrowprops={"arrowstyle": "->", "color": color},
            )  # fmt: skip
        axes.set_title("How do the features and the words reach the space of words? (thick: new)")
    figure.alt_text = (
        "The features take two ways to the space of words: through AVCA, and past it through one matrix L. AVCA's output "
        "is multiplied by a gate that starts at 0, and added. The words keep their own vectors, AVCA's part is added."
    )
    return figure, {"boxes": list(boxes)}


def plot_methods(HM: Mapping[str, float], *, linear: float, data: str) -> Drawn:
    """Draw HM on val as a dot for each network, and the linear reference as a line.

    Returns:
        figure and {name: HM in per cent, "ESZSL": linear}.
    """
    names = list(HM)[::-1]
    with canvas(7.2, 0.45 * len(names) + 1.5) as (figure, axes):
        axes.plot([HM[name] for name in names], range(len(names)), "o", color=BLUE, markersize=8)
        for row, name in enumerate(names):
            axes.text(HM[name] - 0.9, row, f"{HM[name]:.1f}", va="center", ha="right")
        axes.axvline(linear, color=INK, linestyle="--", label=f"ESZSL, the line: {linear:.1f}")
        axes.set_yticks(range(len(names)), names)
        axes.set(
            xlim=(0, 1.25 * max(linear, *HM.values())),
            ylim=(-0.6, len(names) - 0.4),
            xlabel="HM on val (%), one seed",
        )
        axes.legend(loc="upper left")
        axes.set_title(f"Does a path of your own reach the line?\n{data}")
    values = "; ".join(f"{name} {value:.1f}" for name, value in HM.items())
    figure.alt_text = f"HM on validation samples of {data}: {values}; the linear reference {linear:.1f}."
    return figure, {**{name: round(value, 1) for name, value in HM.items()}, "ESZSL": round(linear, 1)}


def plot_tests(table: DataFrame) -> Drawn:
    """Draw HM on test of each method with its interval over seeds, a panel per set, and the linear reference as a line.

    Args:
        table: the columns data, row (the method), seed and HM in per cent.

    Returns:
        figure and {set: {method: mean HM}}.
    """
    sets = [name for name in _SETS if name in set(table["data"])]
    shown: dict[str, Any] = {}
    with canvas(8.0, 3.4, len(sets), sharey=True) as (figure, panels):
        for axes, name in zip(panels, sets, strict=True):
            part = table[table["data"] == name]
            linear = float(part[part["row"] == "ESZSL"]["HM"].iloc[0])
            names = [m for m in dict.fromkeys(part["row"]) if m != "ESZSL"][::-1]
            color, marker = _LOOKS[name]
            shown[_SHORT[name]] = {"ESZSL": round(linear, 1)}
            for row, each in enumerate(names):
                values = part[part["row"] == each]["HM"].tolist()
                interval = t_interval(values)
                assert interval is not None
                axes.errorbar([interval.mean], [row], xerr=[interval.half], fmt=marker, color=color)
                shown[_SHORT[name]][each] = round(interval.mean, 1)
            axes.axvline(linear, color=INK, linestyle="--", label=f"ESZSL: {linear:.1f}")
            axes.set_yticks(range(len(names)), names)
            axes.set_ylim(-0.6, len(names) + 0.1)
            axes.set(xlabel="HM on test (%)", title=_SHORT[name])
            axes.legend(loc="upper left", fontsize=9)
        figure.suptitle("How far is each network from the line, on test samples?")
    parts = [
        f"{name}: " + ", ".join(f"{m} {v:.1f}" for m, v in values.items()) for name, values in shown.items()
    ]
    figure.alt_text = f"HM on test samples with 95 percent intervals over seeds. {'; '.join(parts)}."
    return figure, shown
