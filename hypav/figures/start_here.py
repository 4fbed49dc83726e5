"""Figures of the first page: the task, answering with a word, and what the alignment loss feels of curvature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from torch import Tensor

from hypav.alignment import alignment_loss, preset
from hypav.errors import DataError
from hypav.figures.style import INK, OKABE_ITO, DescribedFigure, cues, signed, use_style

_SEEN, _UNSEEN = OKABE_ITO["blue"], OKABE_ITO["vermilion"]

# Drawn by hand, sixteen to a row: . nothing, o light, # dark
_PICTURES = {
    "cat": """
................
..#......#......
..##....##......
..########......
..#o####o#......
..########.....#
...##oo##......#
....####.......#
...###########.#
...#############
...############.
...############.
...##.##..##.##.
...##.##..##.##.
...##.##..##.##.
................""",
    "cow": """
................
.#...#..........
.##.##..........
..###...........
.#####oo####oo#.
#o######oo####o#
####oo##oo#####o
###.oo#######oo#
.#..ooo#####ooo#
....ooo#####oo.#
....oo######oo.#
....##...oo.##..
....##......##..
....##......##..
....##......##..
................""",
    "rooster": """
................
..##............
.####........##.
..ooo.......####
oo#oo......#####
..ooo.....###.##
..ooooo..###..##
...ooooooo##.##.
...ooo##oo#.....
...oo####o......
....oo##oo......
.....oooo.......
......oo........
......#.#.......
.....##.##......
................""",
    "dog": """
................
..........##....
.........####...
........##o####.
#......#########
##.....##.####..
.##...###.##....
..########......
...########.....
...########.....
...########.....
...##...###.....
...##....##.....
...##....##.....
...##....##.....
................""",
}
# (beginning, length) of each burst in seconds, its pitch at both ends in Hz: enough to draw, not to hear
_SOUNDS = {
    "cat": (((0.1, 0.8),), 22.0, 12.0),
    "cow": (((0.05, 0.9),), 7.0, 6.0),
    "rooster": (((0.05, 0.12), (0.2, 0.12), (0.38, 0.57)), 26.0, 20.0),
    "dog": (((0.15, 0.16), (0.5, 0.16), (0.78, 0.14)), 24.0, 10.0),
}
_RAMP = 0.15  # of a burst: how fast it sets in


def plot_task() -> tuple[DescribedFigure, dict[str, Any]]:
    """Three animals with sound, picture and word, and a fourth whose word is asked. Drawings, not recordings.

    Returns:
        figure and {"sound": {animal: (240,)}, "picture": {animal: (16, 16) with 0, 1, 2}}.
    """
    animals = tuple(_PICTURES)
    sounds = {animal: _sound(animal) for animal in animals}
    pictures = {animal: _picture(animal) for animal in animals}
    with use_style():
        figure = DescribedFigure(figsize=(8, 3.9))
        grid = figure.subplots(3, len(animals), height_ratios=(1, 2.4, 0.75))
        figure.subplots_adjust(left=0.1, right=0.99, top=0.8, bottom=0.02, hspace=0.08, wspace=0.12)
        for column, animal in enumerate(animals):
            new = animal == "dog"
            color = _UNSEEN if new else _SEEN
            heard, shown, read = grid[:, column]
            heard.plot(sounds[animal].numpy(), color=color, linewidth=0.8)
            heard.set(ylim=(-1.1, 1.1))
            colors = ListedColormap(["white", "#C8C8C8", color])
            shown.imshow(pictures[animal].numpy(), cmap=colors, vmin=0, vmax=2, interpolation="nearest")
            read.text(0.5, 0.5, "?" if new else animal, ha="center", va="center", fontsize=20, color=color)
            for axes in grid[:, column]:
                axes.set(xticks=[], yticks=[])
                axes.grid(False)
                axes.spines[:].set(visible=True, color=color, linestyle="--" if new else "-")
        for axes, name in zip(grid[:, 0], ("sound", "picture", "word"), strict=True):
            axes.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8)
        figure.suptitle("What is this, if you have only ever read its name?", y=0.98)
        figure.text(0.43, 0.83, "seen in training", ha="center", color=_SEEN)
        figure.text(0.88, 0.83, "never seen in training", ha="center", color=_UNSEEN)
    figure.alt_text = (
        "Four columns of sound, picture and word. Cat, cow and rooster have all three and are seen in training. The "
        "fourth has three short bursts of sound and the picture of a dog, but a question mark where the word should be."
    )
    return figure, {"sound": sounds, "picture": pictures}


def plot_words(
    words: Mapping[str, Tensor], videos: Mapping[str, Tensor], new: Tensor
) -> tuple[DescribedFigure, dict[str, Any]]:
    """Class words and videos in one plane, and how far the new video is from each word.

    Args:
        words: class -> (2,).
        videos: class -> (n, 2), its training videos; a class that is missing here was never seen.
        new: (2,).

    Returns:
        figure and {"words", "videos", "new", "distance": {class: float}, "nearest": class}.

    Raises:
        DataError: there is no word.
    """
    if not words:
        raise DataError("There is no word to answer with: give at least one.")
    distance = {name: float((new - word).norm()) for name, word in words.items()}
    nearest = min(distance, key=distance.__getitem__)
    with use_style():
        figure = DescribedFigure(figsize=(6, 4.4), layout="constrained")
        axes = figure.subplots()
        for name, word in words.items():
            color = _SEEN if name in videos else _UNSEEN
            if name in videos:
                axes.plot(*videos[name].T.numpy(), ".", color=color, alpha=0.5, markersize=5)
            (x, y), (a, b) = word.tolist(), new.tolist()
            width, dash = (2.0, "-") if name == nearest else (0.8, ":")
            axes.plot([a, x], [b, y], color=INK, linewidth=width, linestyle=dash)
            middle = ((a + x) / 2, (b + y) / 2)
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            axes.text(*middle, f"{distance[name]:.2f}", ha="center", va="center", fontsize=9, bbox=box)
            axes.plot(x, y, "s" if name in videos else "D", color=color, markersize=9)
            left, below = x < a, y < b  # the name on the far side from the new video
            axes.annotate(
                name,
                (x, y),
                (-10 if left else 10, -10 if below else 10),
                textcoords="offset points",
                ha="right" if left else "left",
                va="top" if below else "bottom",
                color=color,
                fontsize=13,
            )
        axes.plot(*new.tolist(), "*", color="black", markersize=15)
        handles = [
            Line2D([], [], linestyle="none", marker="s", color=_SEEN, label="word of a seen class"),
            Line2D([], [], linestyle="none", marker=".", color=_SEEN, label="its training videos"),
            Line2D([], [], linestyle="none", marker="D", color=_UNSEEN, label="word of an unseen class"),
            Line2D([], [], linestyle="none", marker="*", color="black", markersize=11, label="the new video"),
        ]
        axes.legend(handles=handles, loc="upper right")
        axes.set(xlabel="first coordinate", ylabel="second coordinate", aspect="equal")
        axes.margins(x=0.32, y=0.2)
        axes.set_title("Which word is nearest to the new video?")
    told = ", ".join(f"{name} {value:.2f}" for name, value in distance.items())
    figure.alt_text = (
        f"A plane with the words {', '.join(words)}; training videos lie around {', '.join(videos)} only. "
        f"The new video's distances: {told}. The nearest word is {nearest}."
    )
    data = {
        "words": dict(words),
        "videos": dict(videos),
        "new": new,
        "distance": distance,
        "nearest": nearest,
    }
    return figure, data


def plot_felt_curvature(
    phi_v: Tensor,
    phi_a: Tensor,
    *,
    presets: Sequence[str] = ("paper", "released", "curved"),
    reach: float = 1.0,
) -> tuple[DescribedFigure, dict[str, Any]]:
    """The alignment loss of each preset as k runs from -reach to reach, in units of its value at k = 0.

    Args:
        phi_v, phi_a: (N, D) embeddings of the same N videos.

    Returns:
        figure and {"k": (41,), preset: (41,)}.
    """
    ks = torch.arange(-20, 21, dtype=torch.float64) * (reach / 20)
    shown: dict[str, Tensor] = {"k": ks}
    for name in presets:
        losses = torch.stack([alignment_loss(phi_v, phi_a, k.reshape(1, 1), preset(name)) for k in ks])
        shown[name] = (losses / losses[20]).detach()
    with use_style():
        figure = DescribedFigure(figsize=(6.4, 3.4), layout="constrained")
        axes = figure.subplots()
        for number, (name, look) in enumerate(cues(presets).items()):
            places = (4 * (number % 2), 8)  # so that the marks of equal curves do not hide each other
            style: dict[str, Any] = {"color": look.color, "linestyle": look.linestyle, "marker": look.marker}
            axes.plot(ks.numpy(), shown[name].numpy(), **style, markevery=places, label=name)
        axes.set(xlabel="curvature k", ylabel="loss / loss at k = 0", ylim=(0, None))
        axes.axvline(0, color=INK, linewidth=0.8, zorder=0)
        for x, word in ((-0.5, "hyperbolic"), (0.5, "spherical")):
            axes.text(x * reach, 0.94, word, transform=axes.get_xaxis_transform(), ha="center", color=INK)
        axes.legend(title="preset")
        axes.set_title("Does the alignment loss feel the curvature?")
    told = [f"{name} {float(shown[name][0]):.2f} and {float(shown[name][-1]):.2f}" for name in presets]
    ends = f"k = {signed(-reach)} and k = {signed(reach)}"
    figure.alt_text = (
        f"The alignment loss over the curvature, each preset in units of its own value at k = 0. At {ends}: "
        f"{'; '.join(told)}."
    )
    return figure, shown


def _picture(animal: str) -> Tensor:
    return torch.tensor([[".o#".index(mark) for mark in row] for row in _PICTURES[animal].split()])


def _sound(animal: str) -> Tensor:
    """(240,) of one second: in each burst a tone that glides from one pitch to the other, swelling and dying."""
    bursts, first, last = _SOUNDS[animal]
    time = torch.linspace(0, 1, 240, dtype=torch.float64)
    wave = torch.zeros_like(time)
    for start, length in bursts:
        t = ((time - start) / length).clamp(0, 1)
        swell = (t / _RAMP).clamp(max=1) * (1 - t)
        turns = length * (first * t + (last - first) * t**2 / 2)
        wave += swell * torch.sin(2 * torch.pi * turns)
    return wave
