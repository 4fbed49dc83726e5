"""Figures of notebook 10: how much results vary over settings and over seeds."""

from __future__ import annotations

from collections.abc import Mapping

from hypav.errors import DataError
from hypav.figures.runs import plot_differences  # noqa: F401
from hypav.figures.style import CUES, INK, Drawn, canvas


def plot_spreads(
    rows: Mapping[str, tuple[float, float]],
    *,
    data: str,
    setting: str = "curvatures",
    title: str = "Does HM move with the curvature as far as with the seed?",
) -> Drawn:
    """Draw two standard deviations of HM in points for each case, joined by a line.

    Args:
        rows: case -> (standard deviation over settings for one seed, over seeds for one setting).
        setting: the name of the settings, in the plural.

    Returns:
        figure and {case: (over settings, over seeds)}.

    Raises:
        DataError: no row is given.
    """
    if not rows:
        raise DataError("There is no spread to draw; give at least one case.")
    cues = CUES[1], CUES[0]
    labels = f"over {setting}, one seed", f"over seeds, one of the {setting}"
    with canvas(7, 1.7 + 0.36 * len(rows)) as (figure, axes):
        for row, pair in enumerate(rows.values()):
            axes.plot(pair, [row, row], color=INK, linewidth=0.8, zorder=1)
            for value, cue in zip(pair, cues, strict=True):
                axes.plot(value, row, cue.marker, color=cue.color)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set(ylim=(len(rows) - 0.5, -0.5), xlabel="standard deviation of HM (points)")
        axes.set_xlim(0, None)
        handles = [
            axes.plot([], [], cue.marker, color=cue.color, label=label)[0]
            for cue, label in zip(cues, labels, strict=True)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
        axes.set_title(f"{title}\n{data}")
    parts = "; ".join(f"{case} {pair[0]:.2f} against {pair[1]:.2f}" for case, pair in rows.items())
    figure.alt_text = (
        f"Standard deviation of HM in points on {data}, {labels[0]}, against {labels[1]}: {parts}."
    )
    return figure, {case: tuple(pair) for case, pair in rows.items()}
