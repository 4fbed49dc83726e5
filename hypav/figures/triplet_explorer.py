"""The explorer of notebook 05: words, pictures and sounds of three classes, moved down the gradient of chosen terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hypav.figures.explorer import Explorer, fixed
from hypav.figures.style import BLUE, GREEN, VERMILION, Drawn, bare, canvas
from hypav.losses import THETAS, triplets

# the terms by their names in `hypav.losses`, and how the explorer calls them
TERMS = {
    "tv": "anchor word, two pictures",
    "vt": "anchor picture, two words",
    "ta": "anchor word, two sounds",
    "at": "anchor sound, two words",
    "reg": "no triplet: squared distances",
}
KINDS = ("w", "v", "a")
RATE = 0.3  # of a step down the gradient

Points = Mapping[str, Sequence[Sequence[float]]]

_POINTS: Points = {
    "w": ((-1.2, 1.0), (0.3, -1.3), (1.5, 0.9)),
    "v": ((0.6, 0.3), (-0.9, 0.2), (0.1, -0.6)),
    "a": ((-0.2, -1.7), (1.1, 1.6), (-1.8, -0.3)),
}
_MARKS = {"w": "s", "v": "o", "a": "^"}
_WORDS = {"w": "word", "v": "picture", "a": "sound"}


def plot_pulls(points: Points = _POINTS, chosen: Sequence[str] = ("tv", "vt"), *, steps: int = 0) -> Drawn:
    """Draw the points of three classes, and where a step down the gradient of the chosen terms takes them.

    Args:
        points: "w", "v", "a": the words, pictures and sounds (3, 2) of three classes.
        chosen: of "tv", "vt", "ta", "at", triplet terms of `hypav.losses`, and "reg", the mean squared difference of
            pictures and sounds to their word. A negative is of the next class.
        steps: how many steps the points have made.

    Returns:
        figure and `pull_numbers`.
    """
    data = pull_numbers(points, chosen)
    with canvas(5.6, 4.8) as (figure, axes):
        for kind in KINDS:
            for i, (point, color) in enumerate(zip(points[kind], (BLUE, VERMILION, GREEN), strict=True)):
                to = [x + 5 * (y - x) for x, y in zip(point, data["after"][kind][i].tolist(), strict=True)]
                axes.plot(*zip(point, to, strict=True), color=color, linewidth=1)
                label = f"{_WORDS[kind]}s" if i == 0 else None
                axes.plot(*point, _MARKS[kind], color=color, markersize=9 if kind == "w" else 7, label=label)
                axes.annotate(str(i + 1), point, (6, 5), textcoords="offset points")
        bare(axes)
        axes.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
        axes.legend(loc="lower right")
        axes.set_title("Where do the chosen terms pull the points?")
    figure.alt_text = pull_words(chosen, steps, data)
    return figure, data


def pull_numbers(points: Points, chosen: Sequence[str]) -> dict[str, Any]:
    """The numbers of `plot_pulls`.

    Returns:
        {"terms": {name: value}, "loss": the sum of the chosen ones, "after": {"w", "v", "a": (3, 2) after one step},
        "right": how many pictures and sounds are nearest to the word of their class}.
    """
    now = {kind: torch.tensor(points[kind], dtype=torch.float64, requires_grad=True) for kind in KINDS}
    terms = _terms(now)
    loss = sum((terms[name] for name in TERMS if name in chosen), torch.zeros((), dtype=torch.float64))
    slopes = (
        torch.autograd.grad(loss, list(now.values()), allow_unused=True) if loss.requires_grad else [None] * 3
    )
    after = {
        kind: (x - RATE * slope if slope is not None else x).detach()
        for (kind, x), slope in zip(now.items(), slopes, strict=True)
    }
    gaps = [(now[kind].unsqueeze(1) - now["w"]).norm(dim=-1) for kind in ("v", "a")]
    right = sum(int((gap.argmin(1) == torch.arange(3)).sum()) for gap in gaps)
    return {
        "terms": {name: float(terms[name].detach()) for name in TERMS},
        "loss": float(loss.detach()),
        "after": after,
        "right": right,
    }


def pull_words(chosen: Sequence[str], steps: int, data: Mapping[str, Any]) -> str:
    """`plot_pulls` in words."""
    names = "; ".join(words for name, words in TERMS.items() if name in chosen) or "none"
    return (
        f"Step {steps}. Chosen terms: {names}. Their sum is {fixed(data['loss'], 3)}. {data['right']} of the 6 pictures "
        "and sounds are nearest to the word of their own class."
    )


def triplet_explorer() -> Explorer:
    """Show `plot_pulls` with a box for each term, and buttons for a step and for play."""
    chosen = ("tv", "vt")
    figure, data = plot_pulls(_POINTS, chosen)
    state: dict[str, Any] = {kind: [list(point) for point in _POINTS[kind]] for kind in KINDS}
    return Explorer(
        "triplets", figure, data, {**state, **{name: name in chosen for name in TERMS}, "steps": 0}
    )


def _terms(points: Mapping[str, Tensor]) -> dict[str, Tensor]:
    e = SimpleNamespace()
    for kind, x in points.items():
        setattr(e, f"theta_{kind}", x)
        setattr(e, f"theta_{kind}_neg", x.roll(-1, 0))
    return {
        **triplets(e, {name: THETAS[name] for name in TERMS if name in THETAS}),
        "reg": F.mse_loss(e.theta_v, e.theta_w) + F.mse_loss(e.theta_a, e.theta_w),
    }
