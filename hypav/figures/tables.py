"""How far results scatter over settings, beside how far they scatter over seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypav.errors import DataError
from hypav.figures.style import CUES, INK, DescribedFigure, use_style


def plot_spreads(
    rows: Mapping[str, tuple[float, float]],
    *,
    data: str,
    setting: str = "curvatures",
    title: str = "Does HM move with the curvature as far as with the seed?",
) -> tuple[DescribedFigure, dict[str, Any]]:
    """A row a case: two standard deviations of HM in points, joined by a line.

    Args:
        rows: case -> (over the settings at one seed, over the seeds at one setting).
        data: what the data are called; the name of a simulated set says that it is one.
        setting: what the settings are, in the plural.

    Returns:
        figure and {case: (over settings, over seeds)}.

    Raises:
        DataError: there is no row.
    """
    if not rows:
        raise DataError("There is no spread to draw: give at least one case.")
    over_settings, over_seeds = CUES[1], CUES[0]
    labels = f"over {setting}, one seed", f"over seeds, one of the {setting}"
    with use_style():
        figure = DescribedFigure(figsize=(7, 1.7 + 0.36 * len(rows)), layout="constrained")
        axes = figure.subplots()
        for place, own in enumerate(rows.values()):
            axes.plot(own, [place, place], color=INK, linewidth=0.8, zorder=1)
            for value, look in zip(own, (over_settings, over_seeds), strict=True):
                axes.plot(value, place, look.marker, color=look.color)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set(ylim=(len(rows) - 0.5, -0.5), xlabel="standard deviation of HM (points)")
        axes.set_xlim(0, None)
        handles = [
            axes.plot([], [], look.marker, color=look.color, label=label)[0]
            for look, label in zip((over_settings, over_seeds), labels, strict=True)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
        axes.set_title(f"{title}\n{data}")
    told = "; ".join(f"{case} {own[0]:.2f} against {own[1]:.2f}" for case, own in rows.items())
    figure.alt_text = (
        f"Standard deviation of HM in points on {data}, {labels[0]}, against {labels[1]}: {told}."
    )
    return figure, {case: tuple(own) for case, own in rows.items()}
