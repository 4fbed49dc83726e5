"""Figures of training and reading the baseline: losses by group, batch-norm statistics, interventions, confusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from hypav.errors import DataError
from hypav.objective import TERM_GROUPS
from hypav.predictions import check_phase, confusion
from hypav.style import INK, OKABE_ITO, DescribedFigure, cues, use_style

__all__ = ["plot_group_confusion", "plot_interventions", "plot_loss_groups", "plot_momentum"]


def plot_loss_groups(
    history: Sequence[Mapping[str, Any]], *, data: str
) -> tuple[DescribedFigure, dict[str, list[float]]]:
    """The five groups of terms by epoch, each the sum of its terms, beside S, U and HM on val.

    Args:
        history: a row an epoch with "epoch", the 17 terms, and S, U, HM as fractions.

    Returns:
        figure and {"epoch", group: sums, "S", "U", "HM": percent}.

    Raises:
        DataError: where there is no epoch.
    """
    if not history:
        raise DataError("The history has no epoch yet; train first.")
    shown: dict[str, list[float]] = {"epoch": [row["epoch"] for row in history]}
    shown |= {group: [sum(row[t] for t in terms) for row in history] for group, terms in TERM_GROUPS.items()}
    shown |= {name: [100 * row[name] for row in history] for name in ("S", "U", "HM")}
    with use_style():
        figure = DescribedFigure(figsize=(8, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        for axes, names in ((left, tuple(TERM_GROUPS)), (right, ("HM", "S", "U"))):
            for name, look in cues(names).items():
                style: dict[str, Any] = {
                    "color": look.color,
                    "linestyle": look.linestyle,
                    "marker": look.marker,
                }
                axes.plot(shown["epoch"], shown[name], **style, label=name)
            axes.set_xlabel("epoch")
            axes.set_ylim(0, 1.35 * max(max(shown[name]) for name in names))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
            axes.legend(loc="upper center", ncols=3)
        left.set(title="loss, mean of the epoch", ylabel="sum of the group's terms")
        right.set(title="validation, β chosen anew each epoch", ylabel="%")
        figure.suptitle(f"Which part of the loss falls, and what does it buy?\n{data}")
    told = [f"{group} from {shown[group][0]:.2f} to {shown[group][-1]:.2f}" for group in TERM_GROUPS]
    figure.alt_text = (
        f"Over {len(history)} epochs: {', '.join(told)}. On val HM goes from {shown['HM'][0]:.1f} to "
        f"{shown['HM'][-1]:.1f} percent."
    )
    return figure, shown


def plot_momentum(
    batches: Tensor, running: Mapping[str, Tensor], quality: Mapping[str, Sequence[float]], *, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """One unit of a batch norm: its mean in each batch and what is stored of it; and what evaluation makes of that.

    Args:
        batches: (n,) the unit's mean in each batch.
        running: name of a momentum -> (n,) the running mean after each batch.
        quality: name of a momentum -> HM in percent after each batch.

    Returns:
        figure and {"batches", "running": {...}, "quality": {...}}.
    """
    steps = list(range(1, len(batches) + 1))
    with use_style():
        figure = DescribedFigure(figsize=(8, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.plot(steps, batches.tolist(), "x", color=INK, label="mean of the batch")
        for name, look in cues(running).items():
            style: dict[str, Any] = {"color": look.color, "linestyle": look.linestyle, "marker": look.marker}
            left.plot(steps, running[name].tolist(), **style, markersize=4, label=f"stored, momentum {name}")
            right.plot(steps, list(quality[name]), **style)
        left.set(title="one unit", ylabel="mean before normalising")
        right.set(title="all of val, same weights throughout", ylabel="HM (%)")
        for axes in (left, right):
            axes.set_xlabel("batch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        figure.suptitle(f"What does evaluation see of the batches?\n{data}")
    told = [
        f"with momentum {name} the stored mean lies {float((r - batches).abs().mean()):.2f} from the batch's on average "
        f"and HM runs from {min(quality[name]):.1f} to {max(quality[name]):.1f} percent"
        for name, r in running.items()
    ]
    figure.alt_text = f"{len(batches)} batches pass a network whose weights do not change: {'; '.join(told)}."
    shown = {
        "batches": batches,
        "running": dict(running),
        "quality": {k: list(v) for k, v in quality.items()},
    }
    return figure, shown


def plot_interventions(
    results: Mapping[str, tuple[float, float]], *, data: str
) -> tuple[DescribedFigure, dict[str, list[float]]]:
    """HM after each change to a trained network: with its stored batch-norm statistics, and with fresh ones.

    Args:
        results: what was changed -> (HM with stored statistics, HM with fresh ones), in percent.

    Returns:
        figure and {what was changed: [stored, fresh]}.

    Raises:
        DataError: nothing was changed.
    """
    if not results:
        raise DataError("There is no intervention to draw.")
    blue, red = OKABE_ITO["blue"], OKABE_ITO["vermilion"]
    with use_style():
        figure = DescribedFigure(figsize=(7.2, 1.5 + 0.45 * len(results)), layout="constrained")
        axes = figure.subplots()
        for row, (stored, fresh) in enumerate(results.values()):
            axes.plot([stored, fresh], [row, row], color="#BBBBBB", linewidth=2, zorder=1)
            axes.plot(stored, row, "X", color=red, label="stored statistics" if row == 0 else None)
            axes.plot(fresh, row, "o", color=blue, label="statistics taken anew" if row == 0 else None)
        axes.set_yticks(range(len(results)), list(results))
        axes.set(ylim=(len(results) - 0.5, -0.5), xlim=(0, None), xlabel="HM on val (%)")
        axes.grid(False, axis="y")
        axes.legend(loc="lower left")
        axes.set_title(f"Does a trained network need its positional embedding?\n{data}")
    told = [f"{name}: {stored:.1f} and {fresh:.1f}" for name, (stored, fresh) in results.items()]
    figure.alt_text = (
        "HM on val in percent with the stored batch-norm statistics and with statistics taken anew. "
        f"{'; '.join(told)}."
    )
    return figure, {name: list(pair) for name, pair in results.items()}


def plot_group_confusion(
    distances: Tensor,
    label: Tensor,
    classes: Tensor,
    seen: Tensor,
    unseen: Tensor,
    *,
    beta: float,
    groups: Sequence[str],
    data: str,
) -> tuple[DescribedFigure, dict[str, Any]]:
    """Which super-group the samples of each super-group are answered with, for samples of seen and of unseen classes.

    Args:
        distances, label, classes, seen, unseen: as in `hypav.predictions`.
        groups: the super-group of every class id of the whole set.

    Returns:
        figure and {"names", "seen", "unseen": (G, G) percent of a row's samples, NaN where a group has none,
        "right class": percent of the seen and of the unseen samples, "kin": percent of the wrong answers that are of the
        right super-group, "blind": the same if a wrong answer were any other class with equal chance}.

    Raises:
        DataError: a class has no super-group; else as `check_phase`.
    """
    check_phase(distances, label, classes, seen, unseen)
    if len(groups) <= int(classes[-1]):
        raise DataError("The set names no super-group for some class; choose a set that has super-groups.")
    names = sorted({groups[c] for c in classes.tolist()})
    place = torch.tensor([names.index(groups[c]) for c in classes.tolist()])
    counts = confusion(distances, label, classes, seen, unseen, beta).double()
    shown: dict[str, Any] = {"names": names, "right class": [], "kin": [], "blind": []}
    onto = torch.nn.functional.one_hot(place, len(names)).double()
    for kind, part in (("seen", seen), ("unseen", unseen)):
        rows = torch.isin(classes, part)
        table = onto[rows].T @ counts[rows] @ onto
        shown[kind] = 100 * table / table.sum(dim=1, keepdim=True)
        right, whole = counts.diagonal()[rows].sum(), counts[rows].sum()
        wrong = counts[rows].sum(dim=1) - counts.diagonal()[rows]
        others = (onto.sum(dim=0)[place] - 1)[rows] / (len(classes) - 1)  # kin among the other classes
        shown["right class"].append(float(100 * right / whole))
        shown["kin"].append(float(100 * (table.diagonal().sum() - right) / wrong.sum()))
        shown["blind"].append(float(100 * (wrong * others).sum() / wrong.sum()))
    with use_style():
        figure = DescribedFigure(figsize=(8, 4.6), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for number, (axes, kind) in enumerate(zip(panels, ("seen", "unseen"), strict=True)):
            image = axes.imshow(shown[kind].numpy(), cmap="cividis", vmin=0, vmax=100)
            for row, column in (~shown[kind].isnan()).nonzero().tolist():
                value = float(shown[kind][row, column])
                if value >= 0.5:
                    color = "black" if value > 50 else "white"
                    axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=7, color=color)
            axes.set_title(
                f"samples of {kind} classes: {shown['right class'][number]:.0f} % right\n"
                f"of the wrong {shown['kin'][number]:.0f} % kin (blind: {shown['blind'][number]:.0f} %)"
            )
            axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=7)
            axes.set_yticks(range(len(names)), names, fontsize=7)
            axes.set_xlabel("super-group of the answer")
            axes.tick_params(length=0)
            axes.grid(False)
        panels[0].set_ylabel("super-group of the sample")
        figure.colorbar(image, ax=list(panels), label="% of the row's samples", shrink=0.7)
        figure.suptitle(f"Where do wrong answers go?\n{data}")
    told = [
        f"of the samples of {kind} classes {right:.0f} percent get the right class; of the wrong answers {kin:.0f} "
        f"percent are of the right super-group, where blind ones would be {blind:.0f} percent"
        for kind, right, kin, blind in zip(
            ("seen", "unseen"), shown["right class"], shown["kin"], shown["blind"], strict=True
        )
    ]
    figure.alt_text = f"Confusion of {len(names)} super-groups at β = {beta:g}: {'; '.join(told)}."
    return figure, shown
