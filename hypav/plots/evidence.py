"""Figures of evidence: runs that drift apart, a layer that learns nothing, how large a term is, differences by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from hypav.errors import DataError
from hypav.intervals import Interval, t_interval
from hypav.plots.frame import signed
from hypav.style import CUES, INK, OKABE_ITO, DescribedFigure, cues, use_style

__all__ = ["plot_bound", "plot_differences", "plot_drift", "plot_over_k", "plot_shares", "plot_unused_layer"]

_BLUE, _ORANGE = OKABE_ITO["blue"], OKABE_ITO["vermilion"]


def plot_drift(
    steps: Sequence[int], apart: Mapping[str, Sequence[float]], *, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """How far runs are from one run, over the training steps, on a logarithmic axis; 0 is drawn at the axis' end.

    Args:
        steps: at which steps.
        apart: name -> relative differences, one a step.
        data: what the data are called; the name of a simulated set says that it is one.

    Returns:
        figure and {"step", name: list}.
    """
    floor = 1e-18
    with use_style():
        figure = DescribedFigure(figsize=(6.4, 3.2), layout="constrained")
        axes = figure.subplots()
        for name, look in cues(apart).items():
            values = [max(value, floor) for value in apart[name]]
            style: dict[str, Any] = {"color": look.color, "linestyle": look.linestyle, "marker": look.marker}
            axes.plot(values, **style, label=name)
        axes.set(yscale="log", xlabel="training step", ylabel="relative difference")
        axes.set_xticks(range(len(steps)), [str(step) for step in steps])
        powers = range(-16, 1, 4)
        axes.set_yticks(
            [floor, *(10.0**p for p in powers)], ["equal", *(f"1e{p}".replace("-", "−") for p in powers)]
        )
        axes.minorticks_off()
        axes.set_ylim(floor / 3, 10)
        figure.legend(loc="outside lower center", ncols=2)
        axes.set_title(f"How do two runs drift apart that differ in the last digit?\n{data}")
    told = "; ".join(f"{name}: from {values[0]:.0e} to {values[-1]:.0e}" for name, values in apart.items())
    told = told.replace("e-", "e−").replace("0e+00", "0")
    figure.alt_text = f"Relative differences over {steps[-1]} training steps on {data}. {told}."
    return figure, {"step": list(steps), **{name: list(values) for name, values in apart.items()}}


def plot_unused_layer(
    weight: Mapping[str, Sequence[float]], k: Mapping[str, Sequence[float]], *, c_0: float, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """A curvature layer over the training steps: mean |weight| left, the batch's mean curvature right.

    Args:
        weight, k: name of the run -> one number a step, beginning with the untrained layer.
        data: what the data are called; the name of a simulated set says that it is one.

    Returns:
        figure and {"weight": {name: list}, "k": {name: list}}.
    """
    with use_style():
        figure = DescribedFigure(figsize=(8, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        for axes, series in ((left, weight), (right, k)):
            for name, look in cues(series).items():
                style: dict[str, Any] = {
                    "color": look.color,
                    "linestyle": look.linestyle,
                    "marker": look.marker,
                }
                axes.plot(series[name], **style, markevery=10, label=name)
            axes.set_xlabel("training step")
        left.set(ylabel="mean |weight| of the layer", ylim=(0, None))
        right.axhline(c_0 / 2, color=INK, linestyle=":", label=f"c₀/2 = {signed(c_0 / 2)}")
        right.set(ylabel="mean curvature of a batch", ylim=(c_0, 0))
        handles, labels = right.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        figure.suptitle(f"Where does an adaptive curvature go if no gradient leads it?\n{data}")
    told = "; ".join(
        f"{name}: mean weight from {weight[name][0]:.3f} to {weight[name][-1]:.3f}, mean curvature from "
        f"{k[name][0]:.2f} to {k[name][-1]:.2f}"
        for name in weight
    )
    over = f"Over {len(next(iter(weight.values()))) - 1} training steps on {data}."
    figure.alt_text = f"{over} {told.replace('-', '−')}."
    return figure, {
        "weight": {n: list(v) for n, v in weight.items()},
        "k": {n: list(v) for n, v in k.items()},
    }


def plot_bound(
    sizes: Sequence[int], measured: Mapping[str, Sequence[float]], avca: Sequence[float], *, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """Alignment terms over the batch size N, beside L_avca and the bound 2/N² of Eq. 4; both axes logarithmic.

    Args:
        measured: name -> weighted term, one a size.
        avca: L_avca, one a size.
        data: what the data are called; the name of a simulated set says that it is one.

    Returns:
        figure and {"N", "bound", "avca", name: list}; all but N as log10.
    """
    bound = [2 / n**2 for n in sizes]
    series = {
        "L_avca": list(avca),
        "bound on Eq. 4: 2/N²": bound,
        **{n: list(v) for n, v in measured.items()},
    }
    with use_style():
        figure = DescribedFigure(figsize=(6.8, 4.2), layout="constrained")
        axes = figure.subplots()
        for (name, values), look in zip(series.items(), CUES, strict=False):
            style: dict[str, Any] = {"color": look.color, "linestyle": look.linestyle, "marker": look.marker}
            axes.loglog(sizes, values, **style, label=name)
        axes.set(xlabel="samples in a batch, N", ylabel="value of the term", ylim=(1e-9, 1e3))
        axes.set_xticks(list(sizes), [str(n) for n in sizes])
        axes.minorticks_off()
        figure.legend(loc="outside lower center", ncols=2)
        axes.set_title(f"How large is the alignment term beside the rest of the loss?\n{data}")
    told = "; ".join(f"{name} {values[0]:.1e} and {values[-1]:.1e}" for name, values in series.items())
    told = told.replace("e-", "e−")
    figure.alt_text = f"On {data}, at N = {sizes[0]} and N = {sizes[-1]}: {told}."
    logs = {name: torch.tensor(values, dtype=torch.float64).log10() for name, values in series.items()}
    return figure, {"N": list(sizes), **logs}


def plot_shares(
    weights: Sequence[float], shares: Mapping[str, float], *, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """The term's gradient beside that of L_avca over its weight; both axes logarithmic.

    Args:
        weights: from the least to the greatest.
        shares: name -> ratio of the two gradients' norms at weight 1.
        data: what the data are called; the name of a simulated set says that it is one.

    Returns:
        figure and {"weight", name: log10 of the ratio at each, "equal": {name: the weight at which it is 1, log10}}.
    """
    w = torch.tensor(weights, dtype=torch.float64)
    shown: dict[str, Any] = {"weight": list(weights)}
    shown |= {name: (share * w).log10() for name, share in shares.items()}
    shown["equal"] = {name: -float(torch.tensor(share).log10()) for name, share in shares.items()}
    with use_style():
        figure = DescribedFigure(figsize=(6.8, 4.0), layout="constrained")
        axes = figure.subplots()
        for name, look in cues(shares).items():
            style: dict[str, Any] = {"color": look.color, "linestyle": look.linestyle, "marker": look.marker}
            axes.loglog(w, shares[name] * w, **style, label=name)
        axes.axhline(1, color=INK, linewidth=0.8)
        for at, who in ((1e-3, "released"), (1.0, "paper")):
            axes.axvline(at, color=INK, linestyle=":", linewidth=1)
            axes.annotate(who, (at, 1), (3, -3), xycoords=("data", "axes fraction"), textcoords="offset points",
                          va="top", color=INK)  # fmt: skip
        axes.set(xlabel="weight of the alignment term", ylabel="gradient of the term / that of L_avca")
        figure.legend(loc="outside lower center", ncols=2)
        axes.set_title(f"At which weight does training hear the term?\n{data}")
    told = "; ".join(f"{name} {share:.1e}" for name, share in shares.items()).replace("e-", "e−")
    figure.alt_text = (
        f"The ratio of gradients rises in proportion to the weight. On {data}, at weight 1: {told}."
    )
    return figure, shown


def plot_differences(
    rows: Mapping[str, Sequence[float]],
    *,
    data: str,
    title: str = "Do they differ by more than their seeds do?",
) -> tuple[DescribedFigure, dict[str, Any]]:
    """Differences paired by seed: one dot a seed, and the 95 % interval of their mean (Student's t).

    Args:
        rows: what is compared -> differences in points, one a seed.
        data: what the data are called; the name of a simulated set says that it is one.

    Returns:
        figure and {name: {"differences": list, "mean", "low", "high"}}.

    Raises:
        DataError: there is no row.
    """
    if not rows:
        raise DataError("There is no difference to draw: give at least one row.")
    intervals = {name: t_interval(list(values)) for name, values in rows.items()}
    with use_style():
        figure = DescribedFigure(figsize=(7.8, 1.6 + 0.34 * len(rows)), layout="constrained")
        axes = figure.subplots()
        for place, (name, values) in enumerate(rows.items()):
            interval = intervals[name]
            axes.plot(list(values), [place + 0.18] * len(values), "o", color=_BLUE, alpha=0.5, markersize=4)
            if interval.low is not None and interval.high is not None:
                axes.plot([interval.low, interval.high], [place - 0.12] * 2, color="black", linewidth=2)
            axes.plot(interval.mean, place - 0.12, "D", color="black", markersize=6)
        axes.axvline(0, color=_ORANGE, linestyle="--", linewidth=1.2)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set(
            ylim=(len(rows) - 0.5, -0.6),
            xlabel="difference in points; dots: seeds, bar: 95 % interval of the mean",
        )
        axes.set_title(f"{title}\n{data}")
    told = "; ".join(f"{name} {_words(interval)}" for name, interval in intervals.items())
    figure.alt_text = f"Differences in points on {data}, mean and 95 percent interval: {told}."
    return figure, {
        name: {"differences": list(rows[name]), "mean": i.mean, "low": i.low, "high": i.high}
        for name, i in intervals.items()
    }


def plot_over_k(
    panels: Mapping[str, Mapping[float, Sequence[float]]], *, against: str, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """One panel a set of runs: over the curvature, the mean difference to a reference and its 95 % interval.

    Args:
        panels: title -> k -> differences in points, one a seed.
        against: what the differences are taken from, in words.
        data: what the data are called; the name of a simulated set says that it is one.

    Returns:
        figure and {title: {"k=…": (mean, low, high)}}.

    Raises:
        DataError: there is no panel.
    """
    if not panels:
        raise DataError("There is no curvature to compare: give at least one panel.")
    shown: dict[str, Any] = {}
    told = []
    with use_style():
        figure = DescribedFigure(figsize=(8, 0.8 + 2.5 * ((len(panels) + 1) // 2)), layout="constrained")
        grid = figure.subplots(
            (len(panels) + 1) // 2, min(2, len(panels)), sharex=True, sharey="row", squeeze=False
        ).ravel()
        for axes, (title, runs) in zip(grid, panels.items(), strict=False):
            intervals = {k: t_interval(list(values)) for k, values in sorted(runs.items())}
            for k, i in intervals.items():
                apart = i.excludes_zero
                color = _ORANGE if apart else _BLUE
                if i.low is not None and i.high is not None:
                    axes.plot([k, k], [i.low, i.high], color=color, linestyle="-" if apart else "--")
                axes.plot(k, i.mean, "D" if apart else "o", color=color, markersize=5)
            axes.axhline(0, color=INK, linewidth=0.8)
            axes.set_title(title, fontsize=9)
            shown[title.replace("\n", " ")] = {
                f"k={k:g}": (i.mean, i.low, i.high) for k, i in intervals.items()
            }
            count = sum(i.excludes_zero for i in intervals.values())
            told.append(f"{title}: {count} of {len(intervals)} intervals exclude 0".replace("\n", " "))
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        for axes in grid[max(0, len(panels) - 2) : len(panels)]:  # also where nothing is drawn below
            axes.tick_params(labelbottom=True)
        figure.supxlabel("curvature k (orange diamond: the interval excludes 0)", fontsize=10)
        figure.supylabel(f"HM − HM of {against}, points", fontsize=10)
        figure.suptitle(f"Is there a best curvature?\n{data}")
    figure.alt_text = (
        f"Mean difference in HM to {against} over k on {data}, with 95 percent intervals. {'; '.join(told)}."
    )
    return figure, shown


def _words(interval: Interval) -> str:
    """An interval in words, e.g. +0.3 [−1.2, 1.8]; a mean that rounds to 0 is +0.0 on either side."""
    mean, *ends = (
        None if v is None else round(v, 1) + 0.0 for v in (interval.mean, interval.low, interval.high)
    )
    told = f"{mean:+.1f} (one seed)" if None in ends else f"{mean:+.1f} [{ends[0]:.1f}, {ends[1]:.1f}]"
    return told.replace("-", "−")
