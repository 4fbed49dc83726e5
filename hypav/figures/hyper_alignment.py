"""Figures of notebook 06: the lengths of phi, Eqs. 1 and 3, what Eq. 4 compares, and how loud it is in Eq. 5."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from matplotlib import colormaps
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle
from torch import Tensor

from hypav import geometry
from hypav.avca import AVCA
from hypav.data.batches import TripletSampler, make_batch
from hypav.data.features import FeatureSet, Phase
from hypav.errors import DataError
from hypav.figures.style import (
    BLUE,
    INK,
    VERMILION,
    Drawn,
    bare,
    canvas,
    draw_seeds,
    histograms,
    signed,
)
from hypav.losses import avca_terms, total
from hypav.stats import t_interval

_VIDEO, _AUDIO = BLUE, VERMILION
_XI = 1e-3  # Eq. 1 cuts at (1 - xi) of the ball's radius


def small_batch(
    data: FeatureSet, videos: Phase, phi_v: Tensor, phi_a: Tensor
) -> tuple[Tensor, Tensor, list[str], list[str]]:
    """Rows for a drawing: of three super-groups two classes each, and two videos of each class, in this order.

    Args:
        videos: the phase that phi belongs to.
        phi_v, phi_a: (N, D) of its N videos.

    Returns:
        phi_v and phi_a of the chosen videos, and the super-group and the class of each.
    """
    names, present = data.super_groups or data.class_names, videos.classes.tolist()
    chosen: list[int] = []
    for name in sorted({names[c] for c in present})[:3]:
        members = [c for c in present if names[c] == name][:2]
        for c in members:
            chosen += (videos.label == c).nonzero()[: 4 // len(members), 0].tolist()
    labels = videos.label[chosen].tolist()
    return phi_v[chosen], phi_a[chosen], [names[c] for c in labels], [data.class_names[c] for c in labels]


def losses_and_pull(
    network: AVCA, videos: Phase, alignment: Callable[[Tensor, Tensor], Tensor], size: int
) -> tuple[float, float, float]:
    """Eq. 4 and L_avca of one batch, and the pull: the length of Eq. 4's gradient on phi as a share of L_avca's.

    Args:
        alignment: gives the loss of phi_v and phi_a, each (N, D).
        size: videos in the batch; it also seeds the generator that draws them.
    """
    stream = torch.Generator().manual_seed(size)
    index, negative = TripletSampler(videos.label, batch_size=size, generator=stream).draw(1)
    batch = make_batch(videos, index[0], negative[0])
    e = network(*batch)
    L_avca, term = total(avca_terms(e, batch.text)), alignment(e.phi_v, e.phi_a)
    lengths = []
    for loss in (term, L_avca):
        gradients = torch.autograd.grad(loss, (e.phi_v, e.phi_a), retain_graph=True)
        lengths.append(torch.cat(gradients).norm().item())
    return term.item(), L_avca.item(), lengths[0] / lengths[1]


def plot_lengths(phi: Mapping[str, Tensor], *, k: float, data: str) -> Drawn:
    """Draw the lengths of the rows of phi, and the length to which Eq. 1 cuts them, just inside the rim of the ball.

    Args:
        phi: name -> (N, D), at most two.

    Returns:
        figure and {"edges" of the bins, name: rows in each, "radius": (1 - xi) R, "cut": {name: percent longer than it}}.
    """
    rim = float(geometry.ball_radius(torch.tensor(k, dtype=torch.float64)))
    radius = (1 - _XI) * rim
    lengths = {name: rows.detach().double().norm(dim=1) for name, rows in phi.items()}
    top = torch.stack([values.quantile(0.99) for values in lengths.values()]).max()
    edges = torch.linspace(0, float(top), 25, dtype=torch.float64)
    shown: dict[str, Any] = {"edges": edges, "radius": radius, "cut": {}}
    with canvas(7.2, 3.4) as (figure, axes):
        for name, values in lengths.items():
            shown[name] = torch.histogram(values.clamp_max(float(top)), edges).hist
            shown["cut"][name] = 100 * float((values > radius).double().mean())
        histograms(axes, edges, {name: shown[name] for name in lengths})
        axes.axvspan(0, radius, color="#EEEEEE", zorder=0)
        axes.axvline(radius, color=INK, linestyle="--")
        axes.set_ylim(0, 1.4 * axes.get_ylim()[1])  # room for the text above the bars
        height = 0.84 * axes.get_ylim()[1]
        axes.annotate(
            f"Eq. 1 cuts at {radius:.2f}; whatever is shorter\nlies inside the ball of k = {signed(k)}",
            (radius / 2, height),
            (1.5 * radius + 0.02 * float(top), height),
            va="center",
            color=INK,
            arrowprops={"arrowstyle": "->", "color": INK},
        )
        axes.set(xlabel="|φ|, the length of a row (the longest 1 % in the last bin)", ylabel="videos")
        axes.set_xlim(0, None)
        axes.legend(loc="upper right")
        axes.set_title(f"Does φ fit into the ball?\n{data}")
    parts = [
        f"{name} has a median length of {values.median():.1f}, and {shown['cut'][name]:.1f} percent are longer"
        for name, values in lengths.items()
    ]
    figure.alt_text = (
        f"Histograms of the lengths of the rows, {data}. The ball of k = {signed(k)} ends at {rim:.2f}, and "
        f"Eq. 1 cuts at {radius:.2f}: {'; '.join(parts)}."
    )
    return figure, shown


def plot_steps_to_tangent(phi_v: Tensor, phi_a: Tensor, *, k: float | Tensor, data: str) -> Drawn:
    """Draw the rows of a batch before Eq. 1, after it, and after Eq. 3 at the origin.

    The videos are arranged like the hours of a clock; only the lengths have a meaning.

    Args:
        phi_v, phi_a: (N, D) of the same N videos.
        k: the curvature, or one for each video: (N, 1). Then each video has a ball of its own.

    Returns:
        figure and {step: (2, N) lengths, video and audio}.
    """
    phi = torch.stack((phi_v, phi_a)).detach().double()
    points = geometry.project(phi, k=k, xi=_XI)
    own = k.flatten().tolist() if isinstance(k, Tensor) else None
    lengths = {
        "φ": phi.norm(dim=-1),
        "after Eq. 1": points.norm(dim=-1),
        "after Eq. 3": geometry.logmap0(points, k=k).norm(dim=-1),
    }
    titles = (
        "φ, as the encoders give it",
        "after Eq. 1: cut to the ball"
        if own is None
        else f"after Eq. 1: each cut to its own ball\n(clockwise, k = {', '.join(map(signed, own))})",
        "after Eq. 3: tangent vectors\n(flat again: no ball)",
    )
    radii = geometry.ball_radius(torch.as_tensor(k, dtype=torch.float64)).flatten().tolist()
    hours = torch.arange(phi.shape[1], dtype=torch.float64) * (2 * torch.pi / phi.shape[1])
    with canvas(8, 3.7, 3, margins=(0.02, 0.17, 0.98, 0.78, 0.1)) as (figure, panels):
        for axes, title, (name, length) in zip(panels, titles, lengths.items(), strict=True):
            reach = 1.12 * max(float(length.max()), max(radii) if name != "after Eq. 3" else 0.0)
            for radius in sorted(radii, reverse=True) if name != "after Eq. 3" else ():
                axes.add_patch(Circle((0, 0), radius, facecolor="#EEEEEE", edgecolor="black"))
            for row, color, marker, turn in ((0, _VIDEO, "o", 0.0), (1, _AUDIO, "^", 0.12)):
                angle = torch.pi / 2 - hours - turn
                x, y = (length[row] * angle.cos()).tolist(), (length[row] * angle.sin()).tolist()
                for a, b in zip(x, y, strict=True):
                    axes.plot([0, a], [0, b], color=color, linewidth=0.7, alpha=0.6)
                axes.plot(x, y, marker, color=color, markersize=5)
            scale = 10.0 ** math.floor(math.log10(reach))
            scale *= 5 if 5 * scale < reach else 1
            axes.plot([-reach, scale - reach], [-reach, -reach], color=INK, linewidth=2)
            axes.text(scale / 2 - reach, -1.06 * reach, f"{scale:g}", ha="center", va="top", color=INK)
            axes.set(xlim=(-reach, reach), ylim=(-1.05 * reach, reach), aspect="equal", title=title)
            bare(axes)
        handles = [
            Line2D([], [], color=_VIDEO, marker="o", linewidth=0.7, label="video"),
            Line2D([], [], color=_AUDIO, marker="^", linewidth=0.7, label="its sound"),
        ]
        figure.legend(handles=handles, loc="lower center", ncols=2)
        figure.suptitle(f"What is left of the lengths? {data}")
    parts = [f"{name} from {float(v.min()):.2f} to {float(v.max()):.2f}" for name, v in lengths.items()]
    balls = (
        f"The ball of k = {signed(float(k))} has the radius {radii[0]:.2f}."
        if own is None
        else f"Clockwise from the top the videos have k from {signed(own[0])} to {signed(own[-1])}, and balls with radii "
        f"from {radii[0]:.2f} to {radii[-1]:.2f}."
    )
    figure.alt_text = (
        f"{phi.shape[1]} videos and their sounds as spokes of a wheel, their lengths true and their directions not. "
        f"Lengths: {'; '.join(parts)}. {balls}"
    )
    return figure, lengths


def plot_similarities(
    m_v: Tensor, m_a: Tensor, groups: Sequence[str], *, data: str, classes: Sequence[str] | None = None
) -> Drawn:
    """Draw the similarity matrices of video and audio for one batch, and their difference, which Eq. 4 squares.

    Args:
        m_v, m_a: (N, N), of the same kind of similarity.
        groups: the group of each row, sorted; lines separate the groups.
        classes: the class of each row, sorted; each class has a thin frame.

    Returns:
        figure and {"video", "audio", "difference": (N, N)}.

    Raises:
        DataError: the number of names is not that of the rows.
    """
    for kind, given in (("group", groups), ("class", groups if classes is None else classes)):
        if len(given) != len(m_v):
            raise DataError(f"There are {len(given)} {kind} names for {len(m_v)} rows of the matrix.")
    shown = {"video": m_v.detach(), "audio": m_a.detach(), "difference": (m_v - m_a).detach()}
    blocks = _blocks(groups)
    names = list(blocks)
    middles = [start + (size - 1) / 2 for start, size in blocks.values()]
    low = min(float(shown["video"].min()), float(shown["audio"].min()))
    high = max(float(shown["video"].max()), float(shown["audio"].max()))
    extent = float(shown["difference"].abs().max())
    scales = {"video": ("cividis", low, high), "audio": ("cividis", low, high)}
    with canvas(8, 3.9, 3) as (figure, panels):
        figure.set_layout_engine("constrained", h_pad=0.08)  # keeps the two titles apart
        titles = ("videos with videos, M_v", "sounds with sounds, M_a", "M_v − M_a")
        for axes, title, (name, matrix) in zip(panels, titles, shown.items(), strict=True):
            cmap, least, most = scales.get(name, ("PuOr", -extent, extent))
            few = colormaps[cmap].resampled(25)  # the stored picture has only 128 colours for all panels
            image = axes.imshow(matrix.numpy(), cmap=few, vmin=least, vmax=most, interpolation="nearest")
            color = "white" if name in scales else INK
            for start, _ in list(blocks.values())[1:]:
                axes.axhline(start - 0.5, color=color, linewidth=1.6)
                axes.axvline(start - 0.5, color=color, linewidth=1.6)
            for start, size in _blocks(classes or ()).values():
                square: dict[str, Any] = {"fill": False, "edgecolor": color, "linewidth": 0.8}
                axes.add_patch(Rectangle((start - 0.5, start - 0.5), size, size, **square))
            axes.set_xticks(middles, names)
            axes.set_yticks(middles, names if axes is panels[0] else [""] * len(names))
            axes.tick_params(length=0)
            if axes is panels[0]:
                axes.set_yticklabels(names, rotation=90, va="center")
            axes.grid(False)
            axes.set_title(title)
            figure.colorbar(image, ax=axes, orientation="horizontal", shrink=0.85, aspect=18)
        figure.suptitle(f"Do sounds group the batch as pictures do?\n{data}")
    other = torch.tensor([[a != b for b in groups] for a in groups])
    same = ~other & ~torch.eye(len(groups), dtype=torch.bool)
    framed = "" if classes is None else f", {len(_blocks(classes))} classes framed on the diagonal"
    parts = [
        f"{name} {float(m[same].mean()):.2f} inside a group and {float(m[other].mean()):.2f} between groups"
        for name, m in list(shown.items())[:2]
    ]
    figure.alt_text = (
        f"Three {len(groups)} by {len(groups)} matrices in {len(names)} blocks{framed}. "
        f"Mean similarity: {'; '.join(parts)}. The largest difference of the two is {extent:.2f}."
    )
    return figure, shown


def plot_loudness(
    sizes: Sequence[int], losses: Sequence[float], *, L_avca: Sequence[float], data: str
) -> Drawn:
    """Draw Eq. 4 over the batch size N, with its upper bound 2/N² and L_avca, to which Eq. 5 adds it.

    Args:
        losses, L_avca: the losses of Eq. 4 and of AVCA, one for each size.

    Returns:
        figure and {"N", "Eq. 4", "ceiling", "L_avca": lists}.
    """
    ceiling = [2 / size**2 for size in sizes]
    with canvas(6.4, 3.8) as (figure, axes):
        axes.loglog(sizes, L_avca, "s", linestyle="-", color="black", label="L_avca, measured")
        axes.loglog(sizes, ceiling, color=_AUDIO, linestyle="--", label="ceiling of Eq. 4, 2/N²")
        axes.loglog(sizes, losses, "o", linestyle=":", color=_VIDEO, label="Eq. 4, measured")
        axes.set_xticks(list(sizes), [str(size) for size in sizes])
        axes.minorticks_off()
        axes.set(xlabel="videos in the batch, N", ylabel="loss", ylim=(None, 30 * max(L_avca)))
        axes.legend(loc="upper right", ncols=3)
        axes.set_title(f"How large is Eq. 4 beside L_avca?\n{data}")
    first, last = losses[0] / L_avca[0], losses[-1] / L_avca[-1]
    figure.alt_text = (
        f"Eq. 4 and its ceiling 2/N² fall as the batch grows, while L_avca stays between {min(L_avca):.1f} and "
        f"{max(L_avca):.1f}. Eq. 4 is "
        f"{1e6 * first:.2f} millionths of it at N = {sizes[0]} and {1e6 * last:.2f} at N = {sizes[-1]}."
    )
    shown = {"N": list(sizes), "Eq. 4": list(losses), "ceiling": ceiling, "L_avca": list(L_avca)}
    return figure, shown


def plot_with_and_without(HM: Mapping[str, Sequence[float]], *, linear: float, data: str) -> Drawn:
    """Draw HM of two methods for each seed, joined by a line, and the linear reference as a dashed line.

    Args:
        HM: method -> per cent, one for each seed in the same order; two methods.
        linear: HM of the linear reference in per cent.

    Returns:
        figure and {"HM": {method: values}, "difference": Interval of the second minus the first, "linear": linear}.
    """
    first, second = HM
    differences = [b - a for a, b in zip(HM[first], HM[second], strict=True)]
    interval = t_interval(differences)
    with canvas(7.2, 4) as (figure, axes):
        draw_seeds(axes, HM, linear)
        axes.set_xticks([0, 1], [first, second])
        axes.set(xlim=(-0.5, 1.5), ylabel="HM (%), a line per seed")
        axes.set_title(f"Does Eq. 4 raise HM?\n{data}")
    parts = [f"{name} {', '.join(f'{v:.1f}' for v in values)}" for name, values in HM.items()]
    figure.alt_text = (
        f"HM in per cent per seed on {data}: {'; '.join(parts)}. The linear reference has {linear:.1f}. "
        f"{second} minus {first}: {interval.mean:+z.1f} points, 95 % interval from {interval.low:+z.1f} to "
        f"{interval.high:+z.1f}."
    )
    shown = {"HM": {name: list(values) for name, values in HM.items()}, "linear": linear}
    return figure, {**shown, "difference": (interval.mean, interval.low, interval.high)}


def _blocks(names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """The first row of each name and the number of its rows, for sorted names."""
    return {name: (names.index(name), names.count(name)) for name in dict.fromkeys(names)}
