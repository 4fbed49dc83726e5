"""Figures of notebook 00: the way from points to the alignment loss, the task, recalls, and where videos land."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd
import torch
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from torch import Tensor

from hypav import geometry
from hypav.alignment import head_losses, preset, similarity_matrix
from hypav.data.features import FeatureSet, Phase
from hypav.errors import DataError
from hypav.evaluation import Metrics, harmonic_mean
from hypav.experiments.paper import paper_row
from hypav.figures.explorer import Explorer, fixed
from hypav.figures.style import (
    BLUE,
    CUES,
    HATCH,
    INK,
    VERMILION,
    Drawn,
    bare,
    canvas,
    cues,
    frame,
    minus,
    signed,
)
from hypav.training import Run

_SEEN, _UNSEEN = BLUE, VERMILION

# Drawn by hand, a column per animal: . nothing, o light, # dark
_ANIMALS = ("cat", "cow", "rooster", "dog")
_PICTURES = """
................ ................ ................ ................
..#......#...... .#...#.......... ..##............ ..........##....
..##....##...... .##.##.......... .####........##. .........####...
..########...... ..###........... ..ooo.......#### ........##o####.
..#o####o#...... .#####oo####oo#. oo#oo......##### #......#########
..########.....# #o######oo####o# ..ooo.....###.## ##.....##.####..
...##oo##......# ####oo##oo#####o ..ooooo..###..## .##...###.##....
....####.......# ###.oo#######oo# ...ooooooo##.##. ..########......
...###########.# .#..ooo#####ooo# ...ooo##oo#..... ...########.....
...############# ....ooo#####oo.# ...oo####o...... ...########.....
...############. ....oo######oo.# ....oo##oo...... ...########.....
...############. ....##...oo.##.. .....oooo....... ...##...###.....
...##.##..##.##. ....##......##.. ......oo........ ...##....##.....
...##.##..##.##. ....##......##.. ......#.#....... ...##....##.....
...##.##..##.##. ....##......##.. .....##.##...... ...##....##.....
................ ................ ................ ................"""
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
    sounds = {animal: _sound(animal) for animal in _ANIMALS}
    columns = zip(*map(str.split, _PICTURES.split("\n")[1:]), strict=True)
    pictures = {
        animal: torch.tensor([[".o#".index(mark) for mark in row] for row in rows])
        for animal, rows in zip(_ANIMALS, columns, strict=True)
    }
    margins = (0.1, 0.02, 0.99, 0.8, 0.12, 0.08)
    with canvas(8, 3.9, (3, 4), height_ratios=(1, 2.4, 0.75), margins=margins) as (figure, grid):
        for column, animal in enumerate(_ANIMALS):
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
        figure.suptitle("Which class is this, if only its name is known?", y=0.98)
        figure.text(0.43, 0.83, "seen in training", ha="center", color=_SEEN)
        figure.text(0.88, 0.83, "never seen in training", ha="center", color=_UNSEEN)
    figure.alt_text = (
        "Four columns of sound, picture and word. Cat, cow and rooster have all three and are seen in training. The "
        "fourth has three short bursts of sound and the picture of a dog, but a question mark where the word should be."
    )
    return figure, {"sound": sounds, "picture": pictures}


def four_words() -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    """Arguments of `plot_words`, placed by hand: four words, training videos of three of them, and a new video."""
    words = {
        name: torch.tensor(place, dtype=torch.float64)
        for name, place in {"cat": (1, 1.6), "cow": (3, 0.6), "rooster": (0.4, 3), "dog": (2.2, 2.3)}.items()
    }
    angle = torch.arange(12, dtype=torch.float64)
    around = (0.06 + 0.018 * angle)[:, None] * torch.stack([(2.4 * angle).cos(), (2.4 * angle).sin()], dim=1)
    videos = {name: word + around for name, word in words.items() if name != "dog"}
    return words, videos, torch.tensor([1.85, 1.75], dtype=torch.float64)


def plot_words(words: Mapping[str, Tensor], videos: Mapping[str, Tensor], new: Tensor) -> Drawn:
    """Draw class words and videos in a plane, and the distance from the new video to each word.

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


def plot_recalls() -> Drawn:
    """Draw invented recalls of five classes, with S, U and HM. A bar is as wide as its class has videos.

    Returns:
        figure and {"recall": {class: share}, "S", "U", "HM"}.
    """
    videos = {"cat": 40, "cow": 16, "rooster": 16, "dog": 20, "owl": 10}
    recall = {"cat": 0.9, "cow": 0.7, "rooster": 0.5, "dog": 0.3, "owl": 0.1}
    unseen = ("dog", "owl")
    groups = {"S": [name for name in recall if name not in unseen], "U": unseen}
    means = {group: sum(recall[name] for name in names) / len(names) for group, names in groups.items()}
    spans, left = {"S": (0.0, 78.0), "U": (81.0, 114.0)}, 0.0
    with canvas(6.4, 3.6) as (figure, axes):
        for name, width in videos.items():
            color, hatch = (_UNSEEN, HATCH) if name in unseen else (_SEEN, "")
            axes.bar(left, recall[name], width, align="edge", facecolor="none", edgecolor=color, hatch=hatch)
            axes.text(
                left + width / 2,
                0.03,
                name,
                ha="center",
                color=color,
                bbox={"fc": "white", "ec": "none", "pad": 1},
            )
            left += width + 3
        for name, (start, end) in spans.items():
            axes.plot([start, end], 2 * [means[name]], "--", color=INK)
            axes.text(end, means[name] + 0.02, f"{name} = {means[name]:.2f}", ha="right")
        means["HM"] = float(harmonic_mean(*map(torch.tensor, means.values())))
        axes.axhline(means["HM"], color=INK, linestyle=":")
        axes.text(left, means["HM"] + 0.02, f"HM = {means['HM']:.2f}", ha="right")
        axes.set(xticks=[], ylim=(0, 1), xlabel="three seen classes, then two unseen ones (hatched)")
        axes.set(ylabel="recall", title="What do S, U and HM count?")
    listed = ", ".join(f"{name} {value:.1f} of {videos[name]} videos" for name, value in recall.items())
    figure.alt_text = (
        "Five bars, one per class. A bar is as wide as the class has videos, and as high as its recall: "
        f"{listed}. Dashed lines show the "
        f"mean height of the seen classes, S = {means['S']:.2f}, and of the unseen ones, dog and owl, U = "
        f"{means['U']:.2f}. A dotted line shows HM = {means['HM']:.2f}."
    )
    return figure, {"recall": recall, **means}


def eight_points() -> tuple[Tensor, Tensor]:
    """The pictures and the sounds of four videos, (4, 2) each: the points of the explorer, five times nearer to 0."""
    phi_v, phi_a = torch.tensor(_EIGHT, dtype=torch.float64) / 5
    return phi_v, phi_a


def plot_alignment_steps(phi_v: Tensor, phi_a: Tensor, ks: Sequence[float]) -> Drawn:
    """Draw the way of points to the alignment loss: points, ball (Eq. 1), arrows (Eq. 3), tables of cosines (Eq. 4).

    Args:
        phi_v, phi_a: (N, 2), the pictures and the sounds of the same N videos.
        ks: the curvatures, all negative; one row of five panels each.

    Returns:
        figure and {"points": (2, N, 2), "k = ...": {"ball": (2, N, 2), "arrows": (2, N, 2), "cosines": (2, N, N)}}.
    """
    points = torch.stack([phi_v, phi_a])
    shown: dict[str, Any] = {"points": points}
    for k in ks:
        ball = geometry.project(points, k=k, xi=1e-3)
        arrows = geometry.logmap0(ball, k=k)
        cosines = torch.stack([similarity_matrix(each, "cosine") for each in arrows])
        shown[f"k = {signed(k)}"] = {"ball": ball, "arrows": arrows, "cosines": cosines}
    steps = {k: shown[f"k = {signed(k)}"] for k in ks}
    looks = {"picture": (BLUE, "s"), "sound": (VERMILION, "o")}
    longest = float(points.norm(dim=2).max())
    reach = 1.12 * max(float(step["arrows"].norm(dim=2).max()) for step in steps.values())
    with canvas(8, 0.75 + 1.8 * len(ks), (len(ks), 5)) as (figure, grid):
        for row, (k, step) in zip(grid, steps.items(), strict=True):
            side = 1.15 * max(abs(k) ** -0.5, longest)
            for axes, where in zip(row[:2], (points, step["ball"]), strict=True):
                frame(axes, k, side, ticks=False)
                for each, (color, mark) in zip(where, looks.values(), strict=True):
                    axes.plot(*each.T.numpy(), mark, color=color, markersize=5)
            frame(row[2], 0.0, reach, ticks=False)
            for ends, (color, mark) in zip(step["arrows"], looks.values(), strict=True):
                for end in ends.tolist():
                    row[2].plot(*zip((0.0, 0.0), end, strict=True), color=color)
                row[2].plot(*ends.T.numpy(), mark, color=color, markersize=4)
            for axes, table in zip(row[3:], step["cosines"], strict=True):
                image = axes.imshow(table.numpy(), cmap="PuOr", vmin=-1, vmax=1)
                bare(axes)
            row[0].set_ylabel(f"k = {signed(k)}", fontsize=11)
        names = ("points φ", "in the ball (Eq. 1)", "arrows (Eq. 3)", "cosines, pictures", "cosines, sounds")
        for axes, name in zip(grid[0], names, strict=True):
            axes.set_title(name)
        figure.colorbar(image, ax=list(grid[:, 4]), ticks=[-1, 0, 1], shrink=0.8)
        handles = [
            Line2D([], [], ls="none", marker=mark, color=color, label=f"{name} of a video")
            for name, (color, mark) in looks.items()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
        figure.suptitle("What happens to eight points on the way to the loss?")
    parts = []
    for k, step in steps.items():
        moved = int(((step["ball"] - points).norm(dim=2) > 1e-9).sum())
        low, high = (float(end) for end in step["arrows"].norm(dim=2).aminmax())
        parts.append(
            f"At k = {signed(k)}, {moved} of {points[..., 0].numel()} points are pulled into the ball, and the arrows "
            f"are {low:.1f} to {high:.1f} long."
        )
    tables = [step["cosines"] for step in steps.values()]
    if len(ks) > 1 and all(torch.allclose(table, tables[0]) for table in tables):
        parts.append("The tables of cosines are the same in all rows.")
    figure.alt_text = (
        "Each row from left to right: points in the plane, the same points in a ball, arrows from the centre to them, a "
        f"square table of the cosines between the arrows of pictures, and one of sounds. {' '.join(parts)}"
    )
    return figure, shown


def plot_tables(phi_v: Tensor, phi_a: Tensor) -> Drawn:
    """Draw the two tables of cosines that Eq. 4 compares, each divided by its norm, and their difference.

    Args:
        phi_v, phi_a: (N, D), the pictures and the sounds of the same N videos.

    Returns:
        figure and {"tables": pictures, sounds and difference (3, N, N), "loss": the value of Eq. 4}.
    """
    v, a = (similarity_matrix(phi, "cosine") for phi in (phi_v, phi_a))
    v, a = v / v.norm(), a / a.norm()
    tables, loss = torch.stack([v, a, v - a]), float((v - a).square().mean())
    names = ("pictures: M_v / its norm", "sounds: M_a / its norm", "difference")
    with canvas(7.2, 3.0, 3) as (figure, panels):
        for axes, table, name in zip(panels, tables, names, strict=True):
            axes.imshow(table.numpy(), cmap="PuOr", vmin=-1, vmax=1)
            for (row, column), value in zip(
                torch.ones_like(table).nonzero().tolist(), table.flatten().tolist(), strict=True
            ):
                axes.text(column, row, minus(f"{value:.2f}"), ha="center", va="center")
            bare(axes)
            axes.set_title(name)
        figure.suptitle("How far apart are the two tables?")
    figure.alt_text = (
        f"Three square tables of numbers: the cosines of {len(v)} pictures and those of their sounds, each table divided "
        f"by its norm, and the difference of the two. The mean of the squared differences is {loss:.3f}."
    )
    return figure, {"tables": tables, "loss": loss}


def plot_landing(run: Run, phase: Phase, data: FeatureSet) -> Drawn:
    """Draw where a network puts the videos of three classes, in the plane through their words: seen and unseen classes.

    Three points span a plane. What a video has besides is at right angles to it and adds the same to the squared distance
    from each of the three words. So the nearest of the three words is the same in the plane as in the whole space. Of all
    triples among the first nine classes the median one is drawn, by the share of videos nearest to their word.

    Returns:
        figure and {title: {"words": (3, 2), "videos": {name: (n, 2)}, "nearest": share of videos nearest to their word}}.
    """
    theta_v, theta_w = run.embed(phase)[1:]
    column = torch.searchsorted(phase.classes, phase.label)
    shown: dict[str, Any] = {}
    parts = []
    with canvas(8, 4.3, 2) as (figure, panels):
        for axes, (kind, part) in zip(panels, (("seen", phase.seen), ("unseen", phase.unseen)), strict=True):
            triple, share = _middle_triple(
                torch.cdist(theta_v, theta_w), column, torch.searchsorted(phase.classes, part[:9])
            )
            words = theta_w[list(triple)]
            first, second = words[1] - words[0], words[2] - words[0]
            along = first / first.norm()
            across = second - (second @ along) * along
            plane = torch.stack([along, across / across.norm()], dim=1)
            flat = (words - words[0]) @ plane
            names = [data.class_names[int(phase.classes[row])] for row in triple]
            videos = {
                name: (theta_v[column == row] - words[0]) @ plane
                for name, row in zip(names, triple, strict=True)
            }
            for cue, word, (name, places) in zip(CUES[1:], flat, videos.items(), strict=False):
                axes.plot(*places.T.numpy(), cue.marker, color=cue.color, markersize=4, alpha=0.45)
                axes.plot(*word.tolist(), cue.marker, color=cue.color, markersize=13, markeredgecolor="black")
                below = word[1] < flat[:, 1].mean()
                axes.annotate(
                    name.rpartition(".")[2],
                    word.tolist(),
                    (0, -12 if below else 12),
                    textcoords="offset points",
                    ha="center",
                    va="top" if below else "bottom",
                )
            axes.margins(0.22)
            _draw_borders(axes, flat)
            title = f"three {kind} classes: {100 * share:.0f} % nearest to their word"
            axes.set(title=title, aspect="equal", xticks=[], yticks=[])
            axes.grid(False)
            axes.spines[:].set_visible(True)
            shown[kind] = {"words": flat, "videos": videos, "nearest": share}
            count = sum(map(len, videos.values()))
            parts.append(
                f"Three {kind} classes, {', '.join(names)}: of {count} videos {100 * share:.0f} percent lie nearest to "
                "the word of their class"
            )
        marks = [
            Line2D([], [], ls="none", marker="o", color=INK, markersize=size, label=name)
            for size, name in ((11, "word"), (4, "a video of this class"))
        ]
        marks.append(Line2D([], [], color=INK, linestyle=":", label="equally far from two words"))
        figure.legend(handles=marks, loc="outside lower center", ncols=3)
        figure.suptitle(f"Do videos land near the word of their class?\n{data.name}")
    figure.alt_text = f"Two planes, each through the words of three classes. {'. '.join(parts)}."
    return figure, shown


def _middle_triple(distances: Tensor, column: Tensor, choice: Tensor) -> tuple[tuple[int, ...], float]:
    """The triple of columns with the median share of videos nearest to their own word, and the share."""
    found = []
    for triple in combinations(choice.tolist(), 3):
        inside = torch.isin(column, torch.tensor(triple))
        nearest = torch.tensor(triple)[distances[inside][:, list(triple)].argmin(dim=1)]
        found.append((float((nearest == column[inside]).double().mean()), triple))
    share, triple = sorted(found)[len(found) // 2]
    return triple, share


def first_table(ours: Metrics, reference: Metrics, data: FeatureSet) -> pd.DataFrame:
    """Our network, the linear reference and chance on this data, and two rows of the paper as printed, in per cent."""
    chance, among_unseen = 100 / len(data["test"].classes), 100 / len(data["test"].unseen)
    percent = [[100 * value for value in (m.S, m.U, m.HM, m.ZSL)] for m in (reference, ours)]
    here, key = ("SIMULATED" if data.simulated else data.name), ("UCF-GZSL", "main")
    rows = [
        ["chance", here, chance, chance, chance, among_unseen],
        ["linear reference (ESZSL)", here, *percent[0]],
        ["Hyper-alignment, 60 steps a stage", here, *percent[1]],
        *(
            [
                f"{name}, paper's Table 1",
                "UCF-GZSL",
                *(f"{value:.2f}" for value in paper_row(key, name).values()),
            ]
            for name in ("AVCA", "Hyper-alignment")
        ),
    ]
    return pd.DataFrame(rows, columns=["method", "data", "S", "U", "HM", "ZSL"])


def _draw_borders(axes: Any, words: Tensor) -> None:
    """The lines on which two of three words are equally far, and the third is farther: rays from the circumcentre."""
    system = 2 * (words[1:] - words[0])
    centre = torch.linalg.solve(system, (words[1:].square() - words[0].square()).sum(dim=1))
    limits = axes.get_xlim(), axes.get_ylim()
    far = 10 * (words - centre).norm(dim=1).max()
    for i, j, third in ((0, 1, 2), (0, 2, 1), (1, 2, 0)):
        side = words[j] - words[i]
        ray = torch.stack([-side[1], side[0]]) / side.norm()
        ray = ray * -torch.sign(ray @ (words[third] - words[i]))
        # on an acute side the ray leaves the third word; all rays start at the centre
        axes.plot(*torch.stack([centre, centre + far * ray]).T.numpy(), ":", color=INK, linewidth=1)
    axes.set(xlim=limits[0], ylim=limits[1])


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


def alignment_ball_explorer() -> Explorer:
    """Show `plot_alignment_ball` with a slider for the curvature."""
    phi_v, phi_a = ([list(row) for row in rows] for rows in _EIGHT)
    return Explorer("alignment_ball", *plot_alignment_ball(), {"k": -0.5, "phi_v": phi_v, "phi_a": phi_a})


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
