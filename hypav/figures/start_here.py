"""Figures of notebook 00: the task, answering with a word, and how the alignment loss responds to curvature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from torch import Tensor

from hypav import geometry
from hypav.alignment import PRESETS, alignment_loss, head_losses, preset
from hypav.errors import DataError
from hypav.figures.explorer import Explorer, fixed
from hypav.figures.runs import plot_history  # noqa: F401
from hypav.figures.style import BLUE, INK, VERMILION, Drawn, canvas, cues, frame, signed

_SEEN, _UNSEEN = BLUE, VERMILION

# Drawn by hand, sixteen characters per row: . nothing, o light, # dark
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
# each burst: (start, length) in seconds, and its pitch at both ends in Hz; enough for a drawing, not for a sound
_SOUNDS = {
    "cat": (((0.1, 0.8),), 22.0, 12.0),
    "cow": (((0.05, 0.9),), 7.0, 6.0),
    "rooster": (((0.05, 0.12), (0.2, 0.12), (0.38, 0.57)), 26.0, 20.0),
    "dog": (((0.15, 0.16), (0.5, 0.16), (0.78, 0.14)), 24.0, 10.0),
}


def plot_task() -> Drawn:
    """Draw three animals with sound, picture and word, and a fourth without its word. These are drawings, not recordings.

    Returns:
        figure and {"sound": {animal: (240,)}, "picture": {animal: (16, 16) with 0, 1, 2}}.
    """
    animals = tuple(_PICTURES)
    sounds = {animal: _sound(animal) for animal in animals}
    pictures = {
        animal: torch.tensor([[".o#".index(mark) for mark in row] for row in rows.split()])
        for animal, rows in _PICTURES.items()
    }
    margins = (0.1, 0.02, 0.99, 0.8, 0.12, 0.08)
    with canvas(8, 3.9, (3, 4), height_ratios=(1, 2.4, 0.75), margins=margins) as (figure, grid):
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


def plot_words(words: Mapping[str, Tensor], videos: Mapping[str, Tensor], new: Tensor) -> Drawn:
    """Draw class words and videos in a plane, and the distance of the new video to each word.

    Args:
        words: class -> (2,), its word.
        videos: class -> (n, 2), its training videos; only for seen classes.
        new: (2,), the new video.

    Returns:
        figure and {"words", "videos", "new", "distance": {class: float}, "nearest": class}.

    Raises:
        DataError: no word is given.
    """
    if not words:
        raise DataError("There is no word to choose from; give at least one class word.")
    distance = {name: float((new - word).norm()) for name, word in words.items()}
    nearest = min(distance, key=distance.__getitem__)
    with canvas(6, 4.4) as (figure, axes):
        for name, word in words.items():
            color = _SEEN if name in videos else _UNSEEN
            if name in videos:
                axes.plot(*videos[name].T.numpy(), ".", color=color, alpha=0.5, markersize=5)
            (x, y), (a, b) = word.tolist(), new.tolist()
            width, dash = (2.0, "-") if name == nearest else (0.8, ":")
            axes.plot([a, x], [b, y], color=INK, linewidth=width, linestyle=dash)
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            middle = (a + x) / 2, (b + y) / 2
            axes.text(*middle, f"{distance[name]:.2f}", ha="center", va="center", fontsize=9, bbox=box)
            axes.plot(x, y, "s" if name in videos else "D", color=color, markersize=9)
            left, below = x < a, y < b  # the name goes on the side away from the new video
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
    listed = ", ".join(f"{name} {value:.2f}" for name, value in distance.items())
    figure.alt_text = (
        f"A plane with the words {', '.join(words)}; training videos lie around {', '.join(videos)} only. "
        f"The new video's distances: {listed}. The nearest word is {nearest}."
    )
    return figure, {
        "words": dict(words),
        "videos": dict(videos),
        "new": new,
        "distance": distance,
        "nearest": nearest,
    }


def plot_felt_curvature(phi_v: Tensor, phi_a: Tensor) -> Drawn:
    """Draw the alignment loss of each preset over k from -1 to 1, in units of its value at k = 0.

    Args:
        phi_v, phi_a: (N, D) embeddings of the same N videos.

    Returns:
        figure and {"k": (41,), preset: (41,)}.
    """
    ks = torch.arange(-20, 21, dtype=torch.float64) * 0.05
    presets = [name for name in PRESETS if name != "released-2023"]
    shown: dict[str, Tensor] = {"k": ks}
    for name in presets:
        losses = torch.stack([alignment_loss(phi_v, phi_a, k.reshape(1, 1), preset(name)) for k in ks])
        shown[name] = (losses / losses[20]).detach()
    with canvas(6.4, 3.4) as (figure, axes):
        for number, (name, cue) in enumerate(cues(presets).items()):
            marks = (4 * (number % 2), 8)  # the marks of equal curves must not hide each other
            axes.plot(ks.numpy(), shown[name].numpy(), **cue.line, markevery=marks, label=name)
        axes.set(xlabel="curvature k", ylabel="loss / loss at k = 0", ylim=(0, None))
        axes.axvline(0, color=INK, linewidth=0.8, zorder=0)
        for x, word in ((-0.5, "hyperbolic"), (0.5, "spherical")):
            axes.text(x, 0.94, word, transform=axes.get_xaxis_transform(), ha="center", color=INK)
        axes.legend(title="preset")
        axes.set_title("Does the alignment loss feel the curvature?")
    parts = [f"{name} {float(shown[name][0]):.2f} and {float(shown[name][-1]):.2f}" for name in presets]
    figure.alt_text = (
        "The alignment loss over the curvature, each preset in units of its own value at k = 0. At k = −1 and k = 1: "
        f"{'; '.join(parts)}."
    )
    return figure, shown


# the embeddings of four videos in two coordinates: of their pictures, and of their sounds
_EIGHT = (
    ((-4.0, -0.5), (3.0, 2.5), (-2.0, 2.5), (-1.5, 5.5)),
    ((-5.0, 4.0), (5.0, 6.5), (-1.5, 4.0), (1.5, 6.0)),
)
_PRESETS = ("printed", "released", "curved")


def plot_alignment_ball(k: float = -0.5) -> Drawn:
    """Draw four videos' two embeddings as points of the space of curvature k, and three alignment losses over k.

    Returns:
        figure and `alignment_ball_numbers`.
    """
    data = alignment_ball_numbers(torch.tensor(_EIGHT, dtype=torch.float64), k)
    view = 2.4
    with canvas(7.4, 4.0, 2) as (figure, (ball, chart)):
        frame(ball, k, view)
        for kind, (color, marker) in enumerate(((BLUE, "s"), (VERMILION, "o"))):
            for row in torch.tensor(_EIGHT[kind]):
                end = 4 * row / row.norm()
                ball.plot([0, float(end[0])], [0, float(end[1])], ":", color=color, linewidth=1)
            name = ("picture", "sound")[kind]
            ball.plot(
                *data["printed_points"][kind].T, marker, color=color, label=f"{name}: printed, released"
            )
            hollow = {"mfc": "white", "mec": color, "mew": 1.6}
            ball.plot(
                *data["curved_points"][kind].T, marker, linestyle="none", **hollow, label=f"{name}: curved"
            )
        ball.set_title(f"the eight points for k = {signed(k)}")
        ks = torch.arange(-20, 21, dtype=torch.float64) * 0.05
        for number, (name, cue) in enumerate(cues(_PRESETS).items()):
            line = {**cue.line, "marker": ""}
            chart.plot(ks.numpy(), data["curves"][name].numpy(), **line)
            chart.plot(k, data["relative"][name], cue.marker, color=cue.color, markersize=9 - 2 * number)
            chart.plot([], [], **cue.line, label=name)
        chart.axvline(k, color=INK, linewidth=0.8, linestyle=":")
        chart.set(xlabel="curvature k", ylabel="loss / loss at k = 0", ylim=(0, 2))
        chart.legend(loc="lower left")
        chart.set_title("three losses over k")
        figure.legend(*ball.get_legend_handles_labels(), loc="outside lower center", ncols=2)
        figure.suptitle("Which loss changes when the points move with k?")
    figure.alt_text = alignment_ball_words(k, data)
    return figure, data


def alignment_ball_numbers(phi: Tensor, k: float) -> dict[str, Any]:
    """The numbers of `plot_alignment_ball`.

    Args:
        phi: (2, N, 2), the embeddings of N videos' pictures and sounds.
        k: the curvature.

    Returns:
        {"loss", "relative": {preset: at k, and divided by the value at k = 0}, "curves": {preset: (41,)} for k from -1
        to 1, "printed_points", "curved_points" (2, N, 2)}.
    """
    ks = torch.tensor([[*(round((i - 20) * 0.05, 2) for i in range(41)), k]], dtype=torch.float64)
    loss = {name: head_losses(phi[0], phi[1], ks, preset(name)) for name in _PRESETS}
    curved = preset("curved")
    inside = geometry.expmap0(curved.scale * phi, k=k)
    return {
        "loss": {name: float(values[-1]) for name, values in loss.items()},
        "relative": {name: float(values[-1] / values[20]) for name, values in loss.items()},
        "curves": {name: values[:-1] / values[20] for name, values in loss.items()},
        "printed_points": geometry.project(phi, k=k, xi=curved.xi),
        "curved_points": geometry.project(inside, k=k, xi=curved.xi),
    }


def alignment_ball_words(k: float, data: Mapping[str, Any]) -> str:
    """`plot_alignment_ball` in words."""
    space = "hyperbolic" if k < 0 else "spherical" if k > 0 else "flat"
    parts = ", ".join(f"{name} {fixed(value, 3)}" for name, value in data["relative"].items())
    return f"Curvature {signed(k)}, {space}. Each loss divided by its value at k = 0: {parts}."


def alignment_ball_explorer(k: float = -0.5) -> Explorer:
    """Show `plot_alignment_ball` with a slider for the curvature."""
    figure, data = plot_alignment_ball(k)
    phi_v, phi_a = ([list(row) for row in rows] for rows in _EIGHT)
    return Explorer("alignment_ball", figure, data, {"k": k, "phi_v": phi_v, "phi_a": phi_a})


def _sound(animal: str) -> Tensor:
    """One second of sound (240,): in each burst a tone glides from one pitch to the other, swells and fades."""
    bursts, first, last = _SOUNDS[animal]
    time = torch.linspace(0, 1, 240, dtype=torch.float64)
    wave = torch.zeros_like(time)
    for start, length in bursts:
        t = ((time - start) / length).clamp(0, 1)
        swell = (t / 0.15).clamp(max=1) * (1 - t)
        turns = length * (first * t + (last - first) * t**2 / 2)
        wave += swell * torch.sin(2 * torch.pi * turns)
    return wave
