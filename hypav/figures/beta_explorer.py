"""The explorer of notebook 04: a toy with two seen and two unseen classes in the plane, as beta moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from hypav.evaluation import Curve, Scores
from hypav.figures.explorer import Explorer, fixed, rounded
from hypav.figures.style import BLUE, INK, VERMILION, Drawn, canvas, histograms

_WORDS = ((-1.6, 0.9), (-0.8, -1.5), (1.3, 1.3), (1.4, -0.6))
_MARKS = "so^D"
_EDGES = [-2 + step / 4 for step in range(25)]
_BETAS = [round(-1 + step * 0.05, 2) for step in range(61)]
_NAMES = ("seen 1", "seen 2", "unseen 1", "unseen 2")


def toy_samples(n: int = 15) -> list[list[float]]:
    """n samples of each of four classes as [x₁, x₂, class], rounded; the unseen ones lie towards the seen words."""
    g = torch.Generator().manual_seed(0)
    words = torch.tensor(_WORDS, dtype=torch.float64)
    middle = words[:2].mean(0)
    samples = []
    for label, word in enumerate(words):
        center = word if label < 2 else 0.4 * word + 0.6 * middle
        points = center + 0.55 * torch.randn(n, 2, generator=g, dtype=torch.float64)
        samples += [[*point, label] for point in rounded(points, 2)]
    return samples


def plot_border(
    beta: float = 0.0,
    samples: Sequence[Sequence[float]] | None = None,
    words: Sequence[Sequence[float]] = _WORDS,
) -> Drawn:
    """Draw the border between seen and unseen answers, the histograms of its two kinds of samples, and S, U, HM over β.

    Args:
        beta: is added to the distances of the seen words.
        samples: [x₁, x₂, class] each; by default `toy_samples()`.
        words: (4, 2), of the classes 0 and 1, which are seen, and 2 and 3, which are not.

    Returns:
        figure and `border_numbers`.
    """
    samples = toy_samples() if samples is None else samples
    data = border_numbers(beta, samples, words)
    table, at = (torch.tensor(part, dtype=torch.float64) for part in (samples, words))
    ticks = torch.linspace(-3, 3, 121, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"), -1)
    gap = _distances(grid.flatten(0, 1), at)
    height = (gap[:, 2:].amin(1) - gap[:, :2].amin(1) - beta).reshape(121, 121)
    with canvas(8, 3.6, 3) as (figure, (plane, bars, chart)):
        plane.contourf(ticks, ticks, height, levels=[-99, 0], colors=[VERMILION], alpha=0.13)
        plane.contour(ticks, ticks, height, levels=[0], colors=[VERMILION])
        for label, (marker, name) in enumerate(zip(_MARKS, _NAMES, strict=True)):
            color = BLUE if label < 2 else VERMILION
            plane.plot(*table[table[:, 2] == label, :2].T, marker, color=color, markersize=4)
            plane.plot(*at[label].tolist(), marker, color=color, mfc="white", mew=2, markersize=11)
            plane.annotate(name, at[label].tolist(), (8, 6), textcoords="offset points", fontsize=9)
        plane.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", title="which class is the answer?")
        plane.grid(False)
        edges = torch.tensor(_EDGES)
        counts = torch.tensor(data["histogram"])
        histograms(bars, edges, dict(zip(("seen", "unseen"), counts, strict=True)))
        bars.axvline(beta, color=INK, linestyle="--")
        bars.set(xlabel="d(unseen) − d(seen)", ylabel="samples", title="when does it switch?")
        bars.legend(loc="upper left", fontsize=8)
        curve = torch.tensor(data["curve"])
        for column, (name, color, dash, marker) in enumerate(
            (("S", BLUE, "-", "s"), ("U", VERMILION, "--", "^"), ("HM", INK, "-.", "o"))
        ):
            chart.plot(_BETAS, curve[:, column], dash, color=color, label=name)
            chart.plot(beta, data[name], marker, color=color)
        chart.set(xlabel="β", ylabel="percent", ylim=(0, 100), title="S, U and HM for every β")
        chart.legend(loc="lower right", fontsize=8)
        figure.suptitle("Where should β put the border?")
    figure.alt_text = border_words(beta, samples, data)
    return figure, data


def border_numbers(
    beta: float, samples: Sequence[Sequence[float]], words: Sequence[Sequence[float]] = _WORDS
) -> dict[str, Any]:
    """The numbers of `plot_border`.

    Returns:
        {"gap" (N,): d(nearest unseen) - d(nearest seen), "S", "U", "HM" in percent, "switched": [samples of seen, of
        unseen classes that get an unseen class], "histogram" (2, 24) counts, "curve" (61, 3): S, U, HM over β}.
    """
    table, at = (torch.tensor(part, dtype=torch.float64) for part in (samples, words))
    label, classes = table[:, 2].long(), torch.arange(4)
    scores = Scores(_distances(table[:, :2], at), label, classes, classes[:2], classes[2:])
    gap, novel = scores.nearest.last_seen, label >= 2

    def percent(curve: Curve) -> list[list[float]]:
        return (100 * torch.stack([curve.S, curve.U, curve.HM], -1)).tolist()

    S, U, HM = percent(scores.curve([beta]))[0]
    kinds = (gap[~novel], gap[novel])
    return {
        "gap": gap,
        "S": S,
        "U": U,
        "HM": HM,
        "switched": [int((values < beta).sum()) for values in kinds],
        "histogram": [_counts(values) for values in kinds],
        "curve": percent(scores.curve(_BETAS)),
    }


def border_words(beta: float, samples: Sequence[Sequence[float]], data: dict[str, Any]) -> str:
    """`plot_border` in words."""
    seen = sum(label < 2 for *_, label in samples)
    S, U, HM = (fixed(data[name], 1) for name in ("S", "U", "HM"))
    return (
        f"β = {fixed(beta)}: S {S}, U {U}, HM {HM} percent. An unseen class is the answer for {data['switched'][0]} of "
        f"the {seen} samples of seen classes and for {data['switched'][1]} of the {len(samples) - seen} others."
    )


def beta_explorer() -> Explorer:
    """Show `plot_border` with a slider for β."""
    samples = toy_samples()
    figure, numbers = plot_border(0.0, samples)
    words = [list(word) for word in _WORDS]
    return Explorer("beta", figure, numbers, {"beta": 0.0, "words": words, "samples": samples})


def _distances(points: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """The distances (N, 4), from differences: cdist would take inner products of many points."""
    return (points.unsqueeze(1) - words).norm(dim=-1)


def _counts(values: torch.Tensor) -> list[int]:
    """How many values lie in each bin; its lower edge belongs to a bin."""
    place = ((values - _EDGES[0]) * 4).floor().long()
    inside = place[(place >= 0) & (place < len(_EDGES) - 1)]
    return torch.bincount(inside, minlength=len(_EDGES) - 1).tolist()
