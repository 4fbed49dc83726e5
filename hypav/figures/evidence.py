"""Figures of RESULTS.md: every method beside AVCA, and HM against the pull of the alignment loss."""

from __future__ import annotations

from typing import Any

import pandas as pd
from pandas import DataFrame

from hypav.errors import DataError
from hypav.figures.style import BLUE, GREEN, INK, ORANGE, VERMILION, Cue, Drawn, canvas, cues, minus

# the look of a row of the forest, by how its name begins
_LOOKS = {
    "linear": Cue(ORANGE, "X", "-", ""),
    "printed": Cue(BLUE, "o", "-", ""),
    "curved": Cue(VERMILION, "^", "-", ""),
}
_OTHER = Cue(GREEN, "D", "-", "")


def plot_forest(table: DataFrame, *, title: str = "Does an alignment loss help AVCA?") -> Drawn:
    """Draw a panel per set with each method's HM minus AVCA's and its 95 % interval; HM itself stands beside it.

    Args:
        table: of `hypav.experiments.contrasts.forest`. The linear reference should be among its rows.

    Returns:
        figure and {set: {row: (difference, half of the interval, HM)}}.

    Raises:
        DataError: there is no row.
    """
    table = table[table["row"] != "AVCA"]
    if table.empty:
        raise DataError("There is no difference to draw; give runs of AVCA and of another method.")
    sets, rows = list(dict.fromkeys(table["data"])), list(dict.fromkeys(table["row"]))
    shown: dict[str, dict[str, tuple[float, float, float]]] = {}
    size = 8.0, 1.7 + 0.34 * len(rows)
    with canvas(*size, panels=len(sets), sharey=True, sharex=True) as (figure, panels):
        for axes, name in zip(panels, sets, strict=True):
            part = table[table["data"] == name].set_index("row")
            shown[name] = {}
            for place, row in enumerate(rows):
                if row not in part.index:
                    axes.text(0.5, place, "not run", color=INK, va="center")
                    continue
                mean, half, HM = (float(part.loc[row, c]) for c in ("difference", "difference ±", "HM"))
                cue = next((cue for start, cue in _LOOKS.items() if row.startswith(start)), _OTHER)
                if not pd.isna(half):
                    axes.plot([mean - half, mean + half], [place, place], color=cue.color, linewidth=2)
                axes.plot(mean, place, cue.marker, color=cue.color)
                axes.text(
                    1.01, place, f"{HM:.1f}", transform=axes.get_yaxis_transform(), va="center", fontsize=9
                )
                shown[name][row] = (mean, half, HM)
            axes.axvline(0, color=INK, linestyle="--", linewidth=1.2)
            axes.text(1.01, -0.85, "HM", transform=axes.get_yaxis_transform(), va="center", fontsize=9)
            axes.set_xlabel("HM minus AVCA's, in points")
            axes.set_title(name, pad=12)
        panels[0].set_yticks(range(len(rows)), rows)
        panels[0].set_ylim(len(rows) - 0.5, -0.6)
        figure.suptitle(f"{title}\nbars: 95 % interval over seeds; dashed: AVCA")
    figure.alt_text = (
        f"{title} HM minus AVCA's, in points, with half of the 95 percent interval. "
        + " ".join(
            f"{name}: " + "; ".join(f"{row} {_signed(*values)}" for row, values in part.items()) + "."
            for name, part in shown.items()
        )
    )
    return figure, shown


def plot_pull(table: DataFrame, *, title: str = "How loud may Eq. 4 be?") -> Drawn:
    """Draw HM minus AVCA's against the pull of a loss, one panel per set and one line per loss.

    Args:
        table: of `hypav.experiments.contrasts.loudness`. Of the rows without a pull only ESZSL is shown, as text: it is
            off the scale.

    Returns:
        figure and {set: {loss: {pull: (difference, half of the interval)}, "linear (ESZSL)": difference}}.

    Raises:
        DataError: no run has a pull.
    """
    linear = table[table["preset"] == "ESZSL"].set_index("data")["difference"]
    table = table[table["pull"].notna() & table["difference"].notna()]
    if table.empty:
        raise DataError("No run has a pull; hypav reproduce loudness trains such runs.")
    sets, looks = list(dict.fromkeys(table["data"])), cues(table["preset"])
    shown: dict[str, dict[str, Any]] = {}
    with canvas(8.0, 3.9, panels=len(sets), sharey=True) as (figure, panels):
        for axes, name in zip(panels, sets, strict=True):
            shown[name] = {}
            for place, (loss, part) in enumerate(table[table["data"] == name].groupby("preset", sort=False)):
                x = part["pull"] * 1.12**place  # side by side, so that the bars stay apart
                axes.errorbar(
                    x, part["difference"], part["difference ±"].astype(float).fillna(0), capsize=3,
                    label=loss, **looks[loss].line,
                )  # fmt: skip
                values = part[["pull", "difference", "difference ±"]].itertuples(index=False, name=None)
                shown[name][str(loss)] = {pull: (mean, half) for pull, mean, half in values}
            axes.axhline(0, color=INK, linestyle="--", linewidth=1.2)
            if name in linear:
                note = f"linear (ESZSL): {linear[name]:+.1f}, off the scale"
                axes.text(0.5, 0.96, note, ha="center", transform=axes.transAxes, fontsize=9)
                shown[name]["linear (ESZSL)"] = float(linear[name])
            axes.set_xscale("log")
            axes.set_xlabel("pull: gradient on phi, L_avca's = 1")
            axes.set_title(name)
        panels[0].set_ylabel("HM minus AVCA's, in points")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(looks))
        figure.suptitle(f"{title}\nbars: 95 % interval over seeds; dashed: AVCA")
    lines = []
    for name, losses in shown.items():
        parts = [f"{loss} {_signed(v)}" for loss, v in losses.items() if isinstance(v, float)]
        parts += [
            f"{loss} " + ", ".join(f"{_signed(*v)} at {pull:g}" for pull, v in by_pull.items())
            for loss, by_pull in losses.items()
            if not isinstance(by_pull, float)
        ]
        lines.append(f"{name}: {'; '.join(parts)}.")
    figure.alt_text = f"{title} HM minus AVCA's, in points, against the pull. {' '.join(lines)}"
    return figure, shown


def _signed(mean: float, half: float = float("nan"), HM: float | None = None) -> str:
    text = f"{round(mean, 1) + 0.0:+.1f}" + ("" if pd.isna(half) else f" ± {half:.1f}")
    return minus(text) + ("" if HM is None else f" (HM {HM:.1f})")
