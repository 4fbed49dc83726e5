"""Figures of runs and data that several notebooks use. Numbers are in percent, as the paper prints them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pandas as pd
import torch
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Patch, Rectangle

from hypav.data.features import PHASES, FeatureSet
from hypav.errors import DataError
from hypav.figures.style import BLUE, HATCH, VERMILION, Drawn, canvas, minus

PLANTED = {
    "distortion": "less distortion (points)",
    "cousins": "cousins at 5 (points)",
    "siblings": "siblings at 5 (points)",
    "top1": "top-1, seen (points)",
    "top1_unseen": "top-1, unseen (points)",
}
_TASKS = {"metric": "trained for the\ntree distance", "classes": "trained for\nthe class"}


def plot_planted_map(
    found: pd.DataFrame,
    measures: Sequence[str] = ("distortion", "cousins", "siblings", "top1"),
    *,
    against: str = "the other curvatures",
) -> Drawn:
    """Draw what negative curvature gains on a planted tree, over the dimension, the number of leaves, measure and task.

    A cell holds the gain of k < 0. It is framed if the 95 % interval excludes 0. Blue and + are for k < 0.

    Args:
        found: from `hypav.experiments.planted.contrasts`.
        measures: the keys of PLANTED to show, one column each.
        against: the other side of the contrasts, in words.

    Returns:
        figure and {task: {measure: {"D = 2, 81 leaves": (gain, low, high)}}}.

    Raises:
        DataError: a measure is unknown or was not tested.
    """
    tested = found[found["gain"].notna()] if "gain" in found else found.iloc[:0]
    if unknown := [name for name in measures if name not in PLANTED or not (tested["measure"] == name).any()]:
        raise DataError(
            f"There is no contrast of {unknown[0]} in this table; choose among {', '.join(PLANTED)}."
        )
    tasks = [task for task in _TASKS if (tested["task"] == task).any()]
    leaves = tested["branching"] ** tested["depth"]
    dims, sizes = sorted(tested["dim"].unique()), sorted(leaves.unique())
    colors = LinearSegmentedColormap.from_list("gain", [VERMILION, "white", BLUE])
    shown: dict[str, dict[str, dict[str, tuple[float, float, float]]]] = {}
    with canvas(
        8, 1.1 + len(tasks) * (0.7 + 0.34 * len(sizes)), (len(tasks), len(measures)), sharey=True
    ) as (
        figure,
        panels,
    ):
        for column, measure in enumerate(measures):
            unit = 100 if measure == "distortion" else 1
            rows = tested[tested["measure"] == measure]
            most = unit * float(rows["gain"].abs().max())
            for row, task in enumerate(tasks):
                axes = panels[row, column]
                cells = shown.setdefault(task, {}).setdefault(measure, {})
                for cell in rows[rows["task"] == task].to_dict("records"):
                    size = cell["branching"] ** cell["depth"]
                    at = (dims.index(cell["dim"]), sizes.index(size))
                    gain, low, high = (unit * float(cell[name]) for name in ("gain", "low", "high"))
                    cells[f"D = {cell['dim']}, {size} leaves"] = (gain, low, high)
                    share = 0.5 + 0.4 * gain / most if most else 0.5
                    corner = (at[0] - 0.46, at[1] - 0.44)
                    axes.add_patch(Rectangle(corner, 0.92, 0.88, facecolor=colors(share), edgecolor="none"))
                    sure = not low <= 0 <= high
                    if sure:
                        axes.add_patch(
                            Rectangle(corner, 0.92, 0.88, facecolor="none", edgecolor="black", lw=1.4)
                        )
                    text = minus(f"{round(gain) + 0.0:+.0f}")
                    axes.text(*at, text, ha="center", va="center", weight="bold" if sure else "regular")
                axes.set(xlim=(-0.55, len(dims) - 0.45), ylim=(-0.55, len(sizes) - 0.45))
                axes.set_xticks(range(len(dims)), [str(dim) for dim in dims])
                axes.set_yticks(range(len(sizes)), [str(size) for size in sizes])
                axes.grid(False)
                axes.tick_params(length=0)
                axes.spines[:].set_visible(False)
                if row == 0:
                    axes.set_title(PLANTED[measure])
                if row == len(tasks) - 1:
                    axes.set_xlabel("dimension D")
                if column == 0:
                    axes.set_ylabel(f"{_TASKS[task]}\n\nleaves")
        figure.suptitle(
            f"Where does negative curvature help on a planted tree?\n+: k < 0 is better than {against}"
        )
    parts = []
    for task, by_measure in shown.items():
        for measure, cells in by_measure.items():
            wins = [name for name, (_, low, _) in cells.items() if low > 0]
            losses = [name for name, (_, _, high) in cells.items() if high < 0]
            which = f" ({'; '.join(wins)})" if wins else ""
            parts.append(
                f"{' '.join(_TASKS[task].split())}, {PLANTED[measure]}: k < 0 better in {len(wins)} of {len(cells)} "
                f"settings{which}, worse in {len(losses)}"
            )
    figure.alt_text = f"Gains of k < 0 over {against}. {'. '.join(parts)}."
    return figure, shown


def plot_phases(data: FeatureSet) -> Drawn:
    """Draw for each phase which classes are seen, unseen or absent: one column for each class, ordered by role.

    Returns:
        figure and {phase: {"seen", "unseen": numbers of classes, "seen_samples", "unseen_samples"}}.
    """
    train = data.split_classes["stage_1_train"]
    held, last = data.split_classes["stage_1_val_unseen"], data.split_classes["stage_2_test_unseen"]
    column = {int(c): n for n, c in enumerate(torch.cat([train, held, last]))}
    shown: dict[str, dict[str, int]] = {}
    with canvas(8, 3.2) as (figure, axes):
        for row, name in enumerate(PHASES):
            phase = data.phase(name)
            novel = torch.isin(phase.label, phase.unseen)
            shown[name] = {
                "seen": len(phase.seen),
                "unseen": len(phase.unseen),
                "seen_samples": int((~novel).sum()),
                "unseen_samples": int(novel.sum()),
            }
            for members, color, hatch in ((phase.seen, BLUE, ""), (phase.unseen, VERMILION, HATCH)):
                left = [column[int(c)] for c in members]
                corners = ((0.06, -0.34), (0.94, -0.34), (0.94, 0.34), (0.06, 0.34))
                boxes = [[(x + dx, row + dy) for dx, dy in corners] for x in left]
                axes.add_collection(PolyCollection(boxes, facecolor=color, edgecolor="white", hatch=hatch))
        ends = [0, len(train), len(train) + len(held), len(column)]
        words = (f"{len(train)} train", f"{len(held)} val-unseen", f"{len(last)} test-unseen")
        middles = [(a + b) / 2 for a, b in pairwise(ends)]
        axes.set(xlim=(-0.3, len(column) + 0.3), ylim=(len(PHASES) - 0.4, -0.6))
        axes.set_xlabel("classes, by their role")
        axes.set_xticks(middles, words)
        labels = [f"{name}\n{n['seen_samples'] + n['unseen_samples']} samples" for name, n in shown.items()]
        axes.set_yticks(range(len(PHASES)), labels)
        axes.tick_params(length=0)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        keys = [Patch(facecolor=BLUE), Patch(facecolor=VERMILION, hatch=HATCH, edgecolor="white")]
        figure.legend(
            keys, ["seen: trained on", "unseen: only its name"], loc="outside lower center", ncols=2
        )
        figure.suptitle(f"Which classes does each phase know?\n{data.name}")
    parts = [
        f"{name}: {n['seen']} seen classes ({n['seen_samples']} samples)"
        + (f" and {n['unseen']} unseen ({n['unseen_samples']})" if n["unseen"] else "")
        for name, n in shown.items()
    ]
    figure.alt_text = (
        f"Phases as rows, the {len(column)} classes of {data.name} as columns. {'; '.join(parts)}. "
        "Val-unseen classes become seen in train_val; test-unseen classes are in no phase but test."
    )
    return figure, shown
