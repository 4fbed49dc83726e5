"""Figures of appendix A2: what a batch norm stores, and what a change to a trained network seems to cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.ticker import MaxNLocator
from torch import Tensor

from hypav.errors import DataError
from hypav.figures.style import BLUE, INK, VERMILION, Drawn, canvas, cues, legend_below


def plot_momentum(
    batches: Tensor, running: Mapping[str, Tensor], quality: Mapping[str, Sequence[float]], *, data: str
) -> Drawn:
    """Draw one unit's mean in each batch and as stored by the batch norm, and the HM with the stored mean.

    Args:
        batches: (n,) the unit's mean in each batch.
        running: name of a momentum -> (n,) the running mean after each batch.
        quality: name of a momentum -> HM in percent after each batch.

    Returns:
        figure and {"batches", "running": {...}, "quality": {...}}.
    """
    steps = list(range(1, len(batches) + 1))
    with canvas(8, 3.4, 2) as (figure, (left, right)):
        left.plot(steps, batches.tolist(), "x", color=INK, label="mean of the batch")
        for name, cue in cues(running).items():
            left.plot(
                steps, running[name].tolist(), **cue.line, markersize=4, label=f"stored, momentum {name}"
            )
            right.plot(steps, list(quality[name]), **cue.line)
        left.set(title="one unit", ylabel="mean before normalising")
        right.set(title="all of val, same weights throughout", ylabel="HM (%)")
        for axes in (left, right):
            axes.set_xlabel("batch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        legend_below(figure, left, 3)
        figure.suptitle(f"What does evaluation see of the batches?\n{data}")
    parts = [
        f"with momentum {name} the stored mean lies {float((r - batches).abs().mean()):.2f} from the batch's on average "
        f"and HM runs from {min(quality[name]):.1f} to {max(quality[name]):.1f} percent"
        for name, r in running.items()
    ]
    figure.alt_text = (
        f"{len(batches)} batches pass a network whose weights do not change: {'; '.join(parts)}."
    )
    lists = {momentum: list(values) for momentum, values in quality.items()}
    return figure, {"batches": batches, "running": dict(running), "quality": lists}


def plot_interventions(results: Mapping[str, tuple[float, float]], *, data: str) -> Drawn:
    """Draw HM after each change to a trained network, with stored and with fresh batch-norm statistics.

    Args:
        results: what was changed -> (HM with stored statistics, HM with fresh ones), in percent.

    Returns:
        figure and {what was changed: [stored, fresh]}.

    Raises:
        DataError: nothing was changed.
    """
    if not results:
        raise DataError("There is no intervention to draw.")
    with canvas(7.2, 1.5 + 0.45 * len(results)) as (figure, axes):
        for row, (stored, fresh) in enumerate(results.values()):
            axes.plot([stored, fresh], [row, row], color="#BBBBBB", linewidth=2, zorder=1)
            axes.plot(stored, row, "X", color=VERMILION, label="stored statistics" if row == 0 else None)
            axes.plot(fresh, row, "o", color=BLUE, label="statistics taken anew" if row == 0 else None)
        axes.set_yticks(range(len(results)), list(results))
        axes.set(ylim=(len(results) - 0.5, -0.5), xlim=(0, None), xlabel="HM on val (%)")
        axes.grid(False, axis="y")
        axes.legend(loc="lower left")
        axes.set_title(f"Does a trained network need its positional embedding?\n{data}")
    parts = [f"{name}: {stored:.1f} and {fresh:.1f}" for name, (stored, fresh) in results.items()]
    figure.alt_text = (
        "HM on val in percent with the stored batch-norm statistics and with statistics taken anew. "
        f"{'; '.join(parts)}."
    )
    return figure, {name: list(pair) for name, pair in results.items()}
