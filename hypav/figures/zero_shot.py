"""Figures of notebook 04: the border that beta moves, the phases, a table of scores, the choice of beta, and its harm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import torch
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from torch import Tensor

from hypav.data.simulated import COUNTS, simulated
from hypav.errors import SettingError
from hypav.eszsl import Ridge, eszsl_scores
from hypav.evaluation import Curve, Scores
from hypav.figures.beta_explorer import beta_explorer  # noqa: F401
from hypav.figures.runs import plot_phases  # noqa: F401
from hypav.figures.style import BLUE, HATCH, INK, VERMILION, Cue, Drawn, bare, canvas, cues

_SEEN, _UNSEEN = BLUE, VERMILION
_MARKS = (Cue(_SEEN, "o", "-", ""), Cue(_UNSEEN, "D", "-", HATCH))
_QUARTERS = (0, 25, 50, 75, 100)


def border_toy() -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Words in the plane, videos (N, 2) and the number of each video's word (N,), placed by hand. "dog" is unseen.

    The videos of dogs lie nearer to "cat" than to "dog" as often as not: no training video has pulled them to their word.
    """
    places = {"cat": (1.0, 1.6), "cow": (3.0, 0.6), "rooster": (0.4, 3.0), "dog": (2.2, 2.3)}
    words = {name: torch.tensor(place, dtype=torch.float64) for name, place in places.items()}
    middles = torch.tensor([(1.05, 1.6), (2.8, 0.8), (0.6, 2.85), (1.62, 2.0)], dtype=torch.float64)
    generator = torch.Generator().manual_seed(3)
    around = 0.28 * torch.randn(4, 25, 2, generator=generator, dtype=torch.float64)
    videos = (middles[:, None] + around).reshape(-1, 2)
    # two decimals, so that every machine has the same bits
    return words, (100 * videos).round() / 100, torch.arange(4).repeat_interleave(25)


def plot_borders(betas: Sequence[float]) -> Drawn:
    """Draw the part of the plane that belongs to each word of `border_toy`, for each beta in a panel.

    Returns:
        figure and {"β = ...": [S, U] in percent}.
    """
    words, videos, label = border_toy()
    places, names = torch.stack(list(words.values())), list(words)
    seen = torch.tensor([name != "dog" for name in names])
    scores = Scores(
        torch.cdist(videos, places), label, torch.arange(4), *(seen.nonzero()[:, 0], (~seen).nonzero()[:, 0])
    )
    low, high = (-0.6, -0.4), (3.9, 3.9)
    x, y = (torch.linspace(a, b, 300, dtype=torch.float64) for a, b in zip(low, high, strict=True))
    page = torch.cartesian_prod(x, y)
    tints = ["#DCEAF5", "#BCD6EB", "#EDF4FA", "#F9DCC4"]
    shown: dict[str, list[float]] = {}
    with canvas(8, 3.5, len(betas), sharey=True) as (figure, panels):
        for axes, beta in zip(panels, betas, strict=True):
            nearest = (torch.cdist(page, places) + beta * seen).argmin(dim=1).reshape(300, 300).T
            levels = [-0.5, 0.5, 1.5, 2.5, 3.5]
            axes.contourf(x, y, nearest, levels=levels, colors=tints)
            axes.contour(x, y, (nearest == 3).double(), levels=[0.5], colors=[_UNSEEN], linewidths=2)
            for number, (name, word) in enumerate(words.items()):
                cue = _MARKS[name == "dog"]
                axes.plot(
                    *videos[label == number].T.numpy(), cue.marker, color=cue.color, markersize=3, alpha=0.7
                )
                axes.plot(*word.tolist(), cue.marker, color=cue.color, markersize=11, markeredgecolor="black")
                axes.annotate(
                    name, word.tolist(), (0, 9), textcoords="offset points", ha="center", fontsize=11
                )
            m = scores.metrics(beta)
            shown[f"β = {beta:g}"] = [100 * m.S, 100 * m.U]
            axes.set(
                title=f"β = {beta:g}: S {100 * m.S:.0f} %, U {100 * m.U:.0f} %",
                aspect="equal",
                xticks=[],
                yticks=[],
            )
            axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
            axes.grid(False)
            axes.spines[:].set_visible(True)
        handles = [
            Line2D(
                [],
                [],
                ls="none",
                marker=cue.marker,
                color=cue.color,
                label=f"{kind}: word, videos",
            )
            for kind, cue in zip(("seen classes", "unseen class"), _MARKS, strict=True)
        ]
        handles.append(Line2D([], [], color=_UNSEEN, linewidth=2, label="border of the unseen word"))
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
        figure.suptitle("Which part of the plane is answered with the unseen word?")
    parts = [f"at {name} S is {S:.0f} percent and U {U:.0f} percent" for name, (S, U) in shown.items()]
    figure.alt_text = (
        "Four words in a plane, with videos around them. Three classes are seen; dog is unseen, and its videos lie "
        f"between the words cat and dog. As β grows, the part that is answered with dog grows: {'; '.join(parts)}."
    )
    return figure, shown


def plot_linear_map() -> Drawn:
    """Draw the scores of the linear reference as a product of three tables, with one video and one class marked.

    Returns:
        figure and {table: [left, bottom, columns, rows]} of the boxes.
    """
    boxes = {"X": (0, 0, 4, 6), "V": (6, 2, 3, 4), "Wᵀ": (11, 3, 5, 3), "scores": (18, 0, 5, 6)}
    signs = {5.0: "·", 10.0: "·", 17.0: "="}
    columns_of = {"X": "features", "V": "numbers\nof a word", "Wᵀ": "classes", "scores": "classes"}
    with canvas(8, 2.7, margins=(0.01, 0.02, 0.99, 0.88)) as (figure, axes):
        centred: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 11}
        for name, (x, y, columns, rows) in boxes.items():
            axes.add_patch(Rectangle((x, y), columns, rows, facecolor="#F7F7F7", edgecolor=INK))
            axes.text(x + 1 + (name == "scores"), y + 0.75, name, **centred)
            axes.text(x + columns / 2, y - 0.25, columns_of[name], ha="center", va="top", fontsize=11)
        for x, y, columns, rows, color, hatch in (
            (0, 4, 4, 1, _SEEN, ""), (13, 3, 1, 3, _UNSEEN, HATCH), (20, 4, 1, 1, INK, ""),
        ):  # fmt: skip
            axes.add_patch(Rectangle((x, y), columns, rows, facecolor=color, edgecolor="white", hatch=hatch))
        axes.text(-0.4, 3, "videos", rotation=90, ha="right", va="center", fontsize=11)
        for place, sign in signs.items():
            axes.text(place, 4.4, sign, ha="center", va="center", fontsize=20)
        axes.set(xlim=(-1.6, 23.3), ylim=(-1.6, 6.2))
        bare(axes)
        figure.suptitle("How does one matrix V score every video against every class?")
    figure.alt_text = (
        "Three tables are multiplied. X has a row for each video and a column for each feature. V has a row for each "
        "feature and a column for each number of a word vector. W transposed has a column for each class. Their product "
        "is the table of scores. A row of X and a column of W transposed are marked; they give one score."
    )
    return figure, {name: list(box) for name, box in boxes.items()}


def plot_best_betas(phases: Mapping[str, Scores], *, data: str) -> Drawn:
    """Draw HM over beta for each phase, and the beta at which it is highest.

    Returns:
        figure and {phase: {"beta" of the highest HM, "HM" there in percent, "curve": HM in percent at 81 betas to 4}}.
    """
    betas = torch.arange(81, dtype=torch.float64) / 20
    shown: dict[str, dict[str, Any]] = {}
    with canvas(7.2, 3.3) as (figure, axes):
        for (name, cue), scores in zip(cues(phases).items(), phases.values(), strict=True):
            best, curve = scores.exact_optimum(), 100 * scores.curve(betas).HM
            shown[name] = {"beta": best.beta, "HM": 100 * best.HM, "curve": curve}
            axes.plot(betas, curve, color=cue.color, linestyle=cue.linestyle, label=name)
            axes.plot(best.beta, 100 * best.HM, cue.marker, color=cue.color)
            axes.axvline(best.beta, color=cue.color, linestyle=cue.linestyle, linewidth=0.9)
        axes.set(xlabel="β", ylabel="HM in %", ylim=(0, 100), yticks=_QUARTERS)
        axes.legend(loc="upper right")
        axes.set_title(f"Is the best β of val the best β of test?\n{data}")
    parts = [f"{name}: highest HM {n['HM']:.1f} percent at β = {n['beta']:.1f}" for name, n in shown.items()]
    figure.alt_text = f"HM over β rises to one top and falls again. {'; '.join(parts)}."
    return figure, shown


def plot_beta(curve: Curve, *, betas: Sequence[float], data: str) -> Drawn:
    """Draw S, U and HM over beta, and the same on the seen-unseen curve, with some betas marked.

    Args:
        curve: from `Scores.curve`, at betas close enough for a line.
        betas: the betas to mark, all on the curve.

    Returns:
        figure and {"β = ...": [S, U, HM] in percent, "top": the highest HM of the curve}.

    Raises:
        SettingError: a beta is not on the curve.
    """
    percent = {name: (100 * getattr(curve, name)).numpy() for name in ("S", "U", "HM")}
    rows = [int((curve.betas - b).abs().argmin()) for b in betas]
    for b, row in zip(betas, rows, strict=True):
        if abs(float(curve.betas[row]) - b) > 1e-6:
            raise SettingError(f"The curve was not measured at β = {b:g}; compute it with that beta.")
    shown: dict[str, Any] = {
        f"β = {b:.2f}": [float(percent[name][row]) for name in percent]
        for b, row in zip(betas, rows, strict=True)
    }
    shown["top"] = float(percent["HM"].max())
    with canvas(8, 3.6, 2, margins=(0.08, 0.15, 0.98, 0.8, 0.25)) as (figure, (left, right)):
        for name, cue in cues(percent).items():
            line: dict[str, Any] = {"color": cue.color, "linestyle": cue.linestyle, "label": name}
            left.plot(curve.betas.numpy(), percent[name], **line)
            left.plot(betas, percent[name][rows], cue.marker, color=cue.color, linestyle="none")
        for b in betas:
            left.axvline(b, color=INK, linewidth=0.8, linestyle=":")
        left.set(xlabel="β", ylabel="%", ylim=(0, 100), yticks=_QUARTERS)
        left.set_xticks(range(math.ceil(float(curve.betas[0])), math.floor(float(curve.betas[-1])) + 1))
        left.legend(loc="center right")
        right.plot(percent["U"], percent["S"], color=INK)
        right.plot(percent["U"][rows], percent["S"][rows], "o", color=_UNSEEN)
        reach = 10 * (1 + int(100 * curve.ZSL) // 10)
        for b, row in zip(betas, rows, strict=True):
            point = percent["U"][row], percent["S"][row]
            x, ha = (
                (8, "left") if point[0] < reach / 5 else (-6, "right")
            )  # to the right of points near the axis
            y, va = (4, "bottom") if point[1] < 15 else (-4, "top")
            right.annotate(f"β = {b:g}", point, (x, y), textcoords="offset points", ha=ha, va=va)
        right.set(xlim=(0, reach), ylim=(0, 100), xlabel="U (%)", ylabel="S (%)", yticks=_QUARTERS)
        right.set_xticks(range(0, reach + 1, 10))
        figure.suptitle(f"How do S, U and HM change with β?\n{data}")
    parts = [
        f"β = {b:.2f}: S {percent['S'][r]:.1f}, U {percent['U'][r]:.1f}, HM {percent['HM'][r]:.1f}"
        for b, r in zip(betas, rows, strict=True)
    ]
    figure.alt_text = (
        f"As β grows S falls and U rises, in percent: {'; '.join(parts)}. The greatest HM on this curve is "
        f"{shown['top']:.1f}."
    )
    return figure, shown


def switches(scores: Scores, names: Sequence[str]) -> pd.DataFrame:
    """Four videos: the class, the nearest seen and unseen class, their distances, and the beta that switches the answer.

    For each kind of video the one with the median switch is taken: seen or unseen, and right with one of its two classes
    or with none. A kind without a video is left out.
    """
    near, label = scores.nearest, scores.label
    seen, unseen = scores.classes[near.seen], scores.classes[near.unseen]
    of_unseen = torch.isin(label, scores.unseen)
    kinds = {
        "seen, right before": ~of_unseen & (seen == label),
        "seen, never right": ~of_unseen & (seen != label),
        "unseen, right after": of_unseen & (unseen == label),
        "unseen, never right": of_unseen & (unseen != label),
    }
    rows = []
    for kind, mask in kinds.items():
        inside = mask.nonzero()[:, 0]
        if len(inside) == 0:
            continue
        i = int(inside[near.last_seen[inside].argsort(stable=True)[len(inside) // 2]])
        short = [names[int(c)].rpartition(".")[2] for c in (label[i], seen[i], unseen[i])]
        d_seen, d_unseen = (
            float(scores.distances[i, near.seen[i]]),
            float(scores.distances[i, near.unseen[i]]),
        )
        rows.append([short[0], kind, short[1], d_seen, short[2], d_unseen, d_unseen - d_seen])
    header = ["class", "kind", "nearest seen", "distance", "nearest unseen", "distance ", "switches at β"]
    return pd.DataFrame(rows, columns=header)


def peeking_gains(sets: Mapping[str, int]) -> dict[str, dict[str, list[float]]]:
    """Points of HM that ESZSL gains on simulated sets by choosing beta, or beta and its ridges, on test and not on val.

    Args:
        sets: size of `simulated` -> number of sets, with the seeds 1, 2, ... and 64 features for speed.

    Returns:
        what was chosen on test -> "n unseen classes" -> gain of each set: the argument of `plot_peeking`.
    """
    ridges = [Ridge(gamma, lam) for gamma in (1.0, 10.0, 100.0) for lam in (1.0, 10.0)]
    gains: dict[str, dict[str, list[float]]] = {"β": {}, "β and ridges": {}}
    for size, count in sets.items():
        counts = replace(COUNTS[size], dim_audio=64, dim_video=64, dim_text=64)
        for seed in range(1, count + 1):
            data = simulated(counts, seed=seed)
            found = []
            for ridge in ridges:
                on_val = eszsl_scores(data["train"], data["val"], "both", ridge).curve().best()
                on_test = eszsl_scores(data["train_val"], data["test"], "both", ridge).curve()
                honest = float(on_test.HM[on_test.betas == on_val.beta])
                found.append((on_val.HM, honest, float(on_test.HM.max())))
            _, honest, peeked = max(found)
            most = max(best for *_, best in found)
            for name, best in (("β", peeked), ("β and ridges", most)):
                kind = f"{counts.test_unseen} unseen classes"
                gains[name].setdefault(kind, []).append(100 * (best - honest))
    return gains


def plot_peeking(gains: Mapping[str, Mapping[str, Sequence[float]]]) -> Drawn:
    """Draw how much a choice on test data raises HM: one dot per simulated set, and a bar for the mean.

    Args:
        gains: what was chosen on test -> kind of set -> gain in HM over the choice on val, in points, for each set.

    Returns:
        figure and {choice: {set: {"gains", "mean"}}}.
    """
    kinds = list(dict.fromkeys(kind for of in gains.values() for kind in of))
    styles = cues(gains)
    shown: dict[str, dict[str, Any]] = {}
    parts = []
    with canvas(7.2, 1.6 + 0.75 * len(kinds)) as (figure, axes):
        for n, (choice, by_kind) in enumerate(gains.items()):
            cue, shift = styles[choice], 0.34 * (n - (len(gains) - 1) / 2)
            shown[choice] = {}
            for kind, values in by_kind.items():
                row, mean, most = kinds.index(kind) + shift, sum(values) / len(values), max(values)
                shown[choice][kind] = {"gains": list(values), "mean": mean}
                axes.barh(row, mean, 0.28, color=cue.color, alpha=0.3)
                axes.plot(values, [row] * len(values), cue.marker, color=cue.color, ms=4)
                axes.plot([mean, mean], [row - 0.14, row + 0.14], color=cue.color, linewidth=2.5)
                at: dict[str, Any] = {
                    "transform": axes.get_yaxis_transform(),
                    "va": "center",
                    "color": cue.color,
                }
                axes.text(1.01, row, f"mean +{mean:.1f}", **at)
                parts.append(
                    f"{kind}, {choice}: +{mean:.1f} in the mean of {len(values)} sets, +{most:.1f} at most"
                )
        axes.axvline(0, color=INK)
        axes.set(xlabel="HM if chosen on test − HM if chosen on val (points)", ylim=(len(kinds) - 0.5, -0.5))
        axes.set_yticks(range(len(kinds)), kinds)
        axes.margins(x=0.03)
        axes.grid(False, axis="y")
        handles = [Line2D([], [], color=cue.color, marker=cue.marker, ls="none") for cue in styles.values()]
        figure.legend(handles, list(styles), loc="outside lower center", ncols=len(gains))
        axes.set_title("How much HM does a look at test gain? SIMULATED sets")
    figure.alt_text = f"Points of HM gained by choosing on test, simulated sets. {'; '.join(parts)}."
    return figure, shown
