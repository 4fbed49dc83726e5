"""Figures of notebook 02: one formula for hyperbolic (k < 0), flat (k = 0) and spherical (k > 0) geometry."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from torch import Tensor

from hypav import geometry
from hypav.figures import shapes
from hypav.figures.png_explorer import Control, Explorer
from hypav.figures.style import (
    BLUE,
    CUES,
    INK,
    ORANGE,
    SKY,
    VERMILION,
    Drawn,
    canvas,
    draw_lines,
    frame,
    legend_below,
    signed,
)

_LOOKS = ((BLUE, "-"), (SKY, "--"), (INK, "-"), (ORANGE, "--"), (VERMILION, "-."))


def plot_artan(ks: Sequence[float] = (-1.0, -0.5, 0.0, 0.5, 1.0)) -> Drawn:
    """Draw artan_k and tan_k for up to five curvatures.

    Returns:
        figure and {"x", "r": (95,), "k=...": {"artan_k" of x, "tan_k" of r: (95,)}}; tan_k is NaN beyond 3.
    """
    x = torch.linspace(0, 0.94, 95, dtype=torch.float64)
    r = torch.linspace(0, 1.88, 95, dtype=torch.float64)
    data: dict[str, Any] = {"x": x, "r": r}
    with canvas(7.4, 3.5, 2) as (figure, (left, right)):
        for k, (color, style) in zip(ks, _LOOKS, strict=False):
            tan = geometry.tan_k(r, k=k)
            tan = torch.where((tan >= 0) & (tan < 3), tan, torch.nan)
            row = data[f"k={k:g}"] = {"artan_k": geometry.artan_k(x, k=k), "tan_k": tan}
            left.plot(x, row["artan_k"], style, color=color, label=f"k = {signed(k)}")
            right.plot(r, row["tan_k"], style, color=color)
        left.set(title="artan: from the page to the space", xlabel="x, a norm in the page")
        left.set_ylabel("artan_k(x)")
        right.set(title="tan: back again", xlabel="r, half a distance", ylabel="tan_k(r)", ylim=(0, 2))
        figure.legend(loc="outside lower center", ncols=len(ks))
        figure.suptitle("What does the sign of k do to one pair of functions?")
    ends = ", ".join(f"{data[f'k={k:g}']['artan_k'][-1]:.2f} for k = {signed(k)}" for k in ks)
    figure.alt_text = (
        f"Five curves fan out from 0 on the left; at x = 0.94 artan is {ends}. The curve of k = 0 is the diagonal, those "
        "of k < 0 lie above it, those of k > 0 below. On the right the fan is turned over: tan is its inverse."
    )
    return figure, data


def plot_light(steps: int = 4, step: float = 0.5) -> Drawn:
    """Draw the three models as shadows of a sphere, a plane and a hyperboloid, with a light below the page.

    The figure shows cross-sections for k = 1, 0, -1. The light is 1 below the page; the lowest or highest point of the
    surface is 1 above the page.

    Args:
        steps: the number of equal steps that are marked to either side.
        step: their length on the surface, measured on the hyperboloid with ds² = dx² - dh².

    Returns:
        figure and {"k=...": {"surface" (S, 2), "marks" (2·steps + 1, 2), "shadows" (2·steps + 1,)}}.
    """
    way = torch.arange(-steps, steps + 1, dtype=torch.float64) * step
    dense = torch.linspace(-1, 1, 121, dtype=torch.float64) * step * steps
    data: dict[str, Any] = {}
    models = ("hyperboloid", -1.0), ("plane", 0.0), ("sphere", 1.0)
    with canvas(7.6, 3.0, 3) as (figure, panels):
        for axes, (name, k) in zip(panels, models, strict=True):
            whole = torch.linspace(-math.pi, math.pi, 121, dtype=torch.float64) if k > 0 else dense
            row = data[f"k={k:g}"] = {"surface": _surface(whole, k), "marks": _surface(way, k)}
            row["shadows"] = row["marks"][:, 0] / (row["marks"][:, 1] + 1)
            axes.plot(*row["surface"].T, color=BLUE)
            axes.axhline(0, color=INK, linewidth=1)
            light = torch.tensor([0.0, -1.0], dtype=torch.float64).expand_as(row["marks"])
            page = torch.stack([row["shadows"], 0 * row["shadows"]], -1)
            ends = torch.where(row["marks"][:, 1:] < 0, page, row["marks"])
            rays = torch.stack([light, ends], 1)
            draw_lines(axes, rays, "#BBBBBB", 0.8)
            axes.plot(*row["marks"].T, "o", color=BLUE, markersize=4)
            axes.plot(
                row["shadows"], 0 * row["shadows"], "|", color=VERMILION, markersize=11, markeredgewidth=2
            )
            axes.plot(0, -1, "*", color=ORANGE, markersize=13)
            axes.set(title=f"k = {signed(k)}: {name}", xlim=(-2.6, 2.6), ylim=(-1.6, 3.0), aspect="equal")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            axes.text(-2.55, 0.12, "page", color=INK, fontsize=8)
            axes.text(0.25, -1.45, "light", color=INK, fontsize=8)
        figure.suptitle("Where does the factor 2 come from?")
    first, last = ([float(data[f"k={k:g}"]["shadows"][n]) for _, k in models] for n in (steps + 1, -1))
    figure.alt_text = (
        "A light one unit below the page throws the shadow of a surface that starts one unit above it, so that small "
        f"shadows are half as long as what casts them. A first step of {step:.2f} has a shadow of {first[0]:.2f}, "
        f"{first[1]:.2f} and {first[2]:.2f} from the hyperboloid, the plane and the sphere; {steps} such steps reach "
        f"to {last[0]:.2f}, {last[1]:.2f} and {last[2]:.2f}."
    )
    return figure, data


def plot_circles(ks: Sequence[float] = (-1.0, 0.0, 1.0)) -> Drawn:
    """Draw length and area of a circle over its radius. On a sphere the radius ends at the antipode, π/√k.

    Returns:
        figure and {"radius": (64,), "k=...": {"length", "area": (64,)}}, NaN beyond the antipode.
    """
    radius = torch.linspace(0, 3.15, 64, dtype=torch.float64)
    formulas = shapes.circle_length, shapes.disc_area
    data: dict[str, Any] = {"radius": radius}
    with canvas(7.2, 3.4, 2) as (figure, (left, right)):
        for k, (color, style) in zip(ks, (_LOOKS[0], _LOOKS[2], _LOOKS[4]), strict=False):
            there = radius <= (math.pi / math.sqrt(k) if k > 0 else math.inf)
            row = data[f"k={k:g}"] = {}
            for axes, name, formula in zip((left, right), ("length", "area"), formulas, strict=True):
                row[name] = torch.where(there, formula(radius, k=k), torch.nan)
                axes.plot(radius, row[name], style, color=color, label=f"k = {signed(k)}")
        left.set(title="how long its border is", xlabel="radius r", ylim=(0, 40))
        left.set_ylabel("length of the circle")
        right.set(title="how much it holds", xlabel="radius r", ylabel="area of the disc", ylim=(0, 40))
        legend_below(figure, left)
        figure.suptitle("How does a circle grow?")
    parts = "; ".join(
        f"k = {signed(k)}: {' and '.join(f'{float(formula(2.0, k=k)):.2f}' for formula in formulas)}"
        for k in ks
    )
    figure.alt_text = (
        f"Length and area of a circle of radius 2: {parts}. The hyperbolic curves leave the flat ones upwards, the "
        "spherical ones downwards: there the length falls to 0 at the antipode, and the area ends at the whole sphere."
    )
    return figure, data


def plot_two_points(k: float, reach: float = 0.9) -> Drawn:
    """Draw two points at fixed places on the page, their geodesic, and their distance over k.

    Args:
        k: the curvature, from -1 to 1.
        reach: the norm of the farther point; it is below 1, so that both points lie in every ball.

    Returns:
        figure and {"k", "distance", "points" (2, 2), "geodesic" (61, 2), "ks" (41,), "distances" (41,)}.
    """
    data = _two_points(k, reach)
    with canvas(7.2, 3.6, 2, margins=(0.07, 0.14, 0.98, 0.82, 0.24)) as (figure, (left, right)):
        _draw_two_points(left, data)
        right.plot(data["ks"], data["distances"], color=INK)
        right.plot(k, data["distance"], "o", color=BLUE, markersize=9)
        flat = 2 * float((data["points"][0] - data["points"][1]).norm())
        right.axhline(flat, color=VERMILION, linestyle=":", linewidth=1.2)
        right.set(xlabel="k (dotted: 2|x − y|)", ylabel="distance", xticks=[-1, 0, 1], xlim=(-1.05, 1.05))
        left.set_title("the page does not change, the way does")
        right.set_title(f"distance {data['distance']:.3f} at k = {signed(k)}")
        figure.suptitle("How far are two fixed points apart, and which way?")
    bend = "straight in the page" if k == 0 else f"bent {'towards' if k < 0 else 'away from'} the centre"
    figure.alt_text = (
        f"At k = {signed(k)} the two points are {data['distance']:.2f} apart and the geodesic is {bend}; in flat space "
        f"they are {flat:.2f} apart. The distance falls all the way from {data['distances'][0]:.2f} at k = −1 to "
        f"{data['distances'][-1]:.2f} at k = 1."
    )
    return figure, data


def plot_two_points_row(ks: Sequence[float] = (-1.0, -0.5, 0.0, 0.5, 1.0)) -> Drawn:
    """Draw `plot_two_points` for several curvatures side by side, without the curve.

    Returns:
        figure and {"k=...": {"distance", "geodesic" (61, 2)}}.
    """
    spaces = [_two_points(k, 0.9) for k in ks]
    data = {f"k={s['k']:g}": {"distance": s["distance"], "geodesic": s["geodesic"]} for s in spaces}
    with canvas(1.55 * len(ks), 2.35, len(ks)) as (figure, panels):
        for axes, space in zip(panels, spaces, strict=True):
            _draw_two_points(axes, space, small=True)
            axes.set_title(f"k = {signed(space['k'])}\ndistance {space['distance']:.2f}")
        figure.suptitle("How far are two fixed points apart, and which way?")
    parts = ", ".join(f"{space['distance']:.2f} at k = {signed(space['k'])}" for space in spaces)
    figure.alt_text = (
        f"The same two points in {len(ks)} curvatures. Their distance is {parts}. The geodesic is bent towards the "
        "centre for k < 0, straight for k = 0, bent away from the centre for k > 0."
    )
    return figure, data


def triangle_area(corners: Tensor, *, k: float) -> float:
    """Area of a triangle (3, 2) around the origin, from the areas of thin sectors, without using its angles."""
    sides = shapes.segment(corners, corners.roll(-1, 0), k=k, points=2000).flatten(0, 1)
    to = sides.roll(-1, 0)
    turn = torch.atan2(sides[:, 0] * to[:, 1] - sides[:, 1] * to[:, 0], (sides * to).sum(-1)).abs()
    disc = shapes.disc_area(geometry.distance0(sides, k=k), k=k)
    return float((turn * (disc + disc.roll(-1, 0)) / 2).sum() / (2 * math.pi))


def _surface(way: Tensor, k: float) -> Tensor:
    """Points on the sphere, plane or hyperboloid through (0, 1), by arc length along its cross-section."""
    if k > 0:
        return torch.stack([way.sin(), way.cos()], -1)
    return torch.stack([way.sinh(), way.cosh()] if k < 0 else [way, torch.ones_like(way)], -1)


def _two_points(k: float, reach: float) -> dict[str, Any]:
    turn = torch.tensor([200.0, 75.0], dtype=torch.float64).deg2rad()
    norms = torch.tensor([[reach], [0.8 * reach]], dtype=torch.float64)
    points = norms * torch.stack([turn.cos(), turn.sin()], -1)
    ks = torch.linspace(-1, 1, 41, dtype=torch.float64)
    x, y = points
    return {
        "k": k,
        "distance": float(geometry.distance(x, y, k=k)),
        "points": points,
        "geodesic": shapes.segment(x, y, k=k, points=61),
        "ks": ks,
        "distances": geometry.distance(x.expand(41, 2), y.expand(41, 2), k=ks.unsqueeze(-1)),
    }


def _draw_two_points(axes: Axes, space: dict[str, Any], *, small: bool = False) -> None:
    frame(axes, space["k"], 1.5, ticks=not small)
    axes.plot(0, 0, "+", color=INK)
    axes.plot(*space["points"].T, color=VERMILION, linestyle=":", linewidth=1.2)
    axes.plot(*space["geodesic"].T, color=BLUE)
    axes.plot(*space["points"].T, "o", color=BLUE, markersize=4 if small else 6)
    if not small:
        for name, point in zip("xy", space["points"].tolist(), strict=True):
            axes.annotate(name, point, (4, 5), textcoords="offset points")


def plot_rim_errors(distances: Mapping[str, Callable[[Tensor, Tensor], Tensor]]) -> Drawn:
    """Draw the median relative error of distances between float32 points over their distance to the rim (k = -1).

    The reference is `geometry.distance` of the same points in float64. NaN and infinity count as an error of 1.

    Args:
        distances: name -> function of two (N, 8) float32 tensors, giving (N,).

    Returns:
        figure and {"gap" (11,), name: {"log10_error" (11,) to one decimal, "not_finite" (11,) in percent, to tens}}.
    """
    generator = torch.Generator().manual_seed(0)
    gap = 10.0 ** -torch.arange(1, 6.5, 0.5, dtype=torch.float64)
    ray = torch.randn(2, 200, 8, generator=generator, dtype=torch.float64)
    ray = ray / ray.norm(dim=-1, keepdim=True)
    data: dict[str, Any] = {"gap": gap}
    for name, distance in distances.items():
        error, lost = zip(*(_error(distance, (ray * (1 - g)).float()) for g in gap.tolist()), strict=True)
        # rounded coarsely, so that another processor's rounding does not show
        data[name] = {"log10_error": torch.tensor(error).log10().round(decimals=1)}
        data[name]["not_finite"] = (10 * torch.tensor(lost)).round() * 10
    with canvas(6.6, 3.8) as (figure, axes):
        for cue, (name, row) in zip(CUES[1:], list(data.items())[1:], strict=False):
            axes.loglog(gap, 10 ** row["log10_error"], **cue.line, label=name)
        axes.axhline(1, color=INK, linewidth=0.8)
        axes.invert_xaxis()
        axes.set(xlabel="1 − |x|: how far from the rim", ylabel="relative error of the distance")
        axes.set_ylim(1e-9, 5)
        axes.legend(loc="upper left", bbox_to_anchor=(0.0, 0.95))
        axes.set_title("How many digits are left near the rim, in float32?")
    parts = "; ".join(
        "{} 10^{} at a gap of 10^-1, 10^{} at 10^-3, 10^{} at 10^-6".format(
            name, *(round(float(power)) for power in row["log10_error"][[0, 4, -1]])
        )
        for name, row in list(data.items())[1:]
    ).replace("10^-", "10^−")
    figure.alt_text = f"Typical relative error of the distance of two float32 points near the rim: {parts}."
    return figure, data


def plot_printed_radius(
    ks: Sequence[float] = (-0.1, -0.2, -0.4, -0.5, -1.0, -2.0),
) -> Drawn:
    """Draw where Eq. 1 puts a long vector, with its printed radius 1/|k| and with the rim's 1/√|k|, over |k|.

    Args:
        ks: the curvatures that are marked.

    Returns:
        figure and {"size" (61,) of |k|, "rim" (61,), "marked", "printed", "ball": one number for each of ks}.
    """
    size = torch.logspace(-1.3, 0.5, 61, dtype=torch.float64)
    long = torch.full((len(ks), 1), 100.0, dtype=torch.float64)
    k = torch.tensor(ks, dtype=torch.float64).unsqueeze(-1)
    data: dict[str, Any] = {"size": size, "rim": geometry.ball_radius(-size), "marked": -k.squeeze(-1)}
    for radius in ("printed", "ball"):
        data[radius] = geometry.project(long, k=k, xi=1e-3, radius=radius).squeeze(-1)
    with canvas(6.4, 3.6) as (figure, axes):
        axes.fill_between(size, 0.1, data["rim"], color="#F0F0F0")
        axes.loglog(size, data["rim"], color=INK, label="the rim, 1/√|k|")
        printed: dict[str, Any] = {"color": VERMILION, "label": "Eq. 1 as printed, 1/|k|"}
        axes.loglog(data["marked"], data["printed"], "^", **printed)
        axes.loglog(data["marked"], data["ball"], "o", color=BLUE, label="Eq. 1 with 1/√|k|")
        axes.text(0.06, 0.4, "inside the ball", color=INK)
        axes.text(0.5, 6, "outside: no point of the space", color=INK)
        axes.set(xlabel="|k|", ylabel="norm of a long vector after Eq. 1", ylim=(0.2, 30))
        axes.set_xticks(data["marked"].tolist(), [signed(size) for size in data["marked"].tolist()])
        axes.minorticks_off()
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 0.18))
        axes.set_title("Is a vector inside the ball after Eq. 1?")
    parts = "; ".join(
        f"k = {signed(k)}: {norm:.2f} against the rim's {abs(k) ** -0.5:.2f}"
        for k, norm in zip(ks, data["printed"].tolist(), strict=True)
    )
    figure.alt_text = (
        f"Norm of a long vector after Eq. 1 as printed, for {parts}. It is outside wherever |k| < 1."
    )
    return figure, data


def _error(distance: Callable[[Tensor, Tensor], Tensor], points: Tensor) -> tuple[float, float]:
    """The median relative error, and the share of results that are NaN or infinite."""
    truth = geometry.distance(*points.double(), k=-1.0)
    answer = distance(*points).double()
    finite = answer.isfinite()
    error = torch.where(finite, (answer - truth).abs() / truth, 1.0)
    return float(error.median()), float((~finite).double().mean())


def geometries_explorer() -> Explorer:
    """Show `plot_two_points` with sliders for the curvature k and the norm of the farther point."""
    return Explorer(
        plot_two_points,
        [
            Control("k", "curvature k", value=-0.8, low=-1.0, high=1.0, step=0.05),
            Control("reach", "norm of the farther point", value=0.9, low=0.1, high=0.95, step=0.05),
        ],
    )
