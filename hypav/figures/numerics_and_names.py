"""Figures of appendix A1: arrows that come back shorter, digits lost near the rim, and the radius of Eq. 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hypav import geometry
from hypav.figures.style import BLUE, CUES, INK, VERMILION, Drawn, canvas, signed


def plot_round_trip(lengths: Sequence[float] = (0, 1, 2, 3, 4, 5, 6, 7, 10, 12, 14, 16, 20, 22)) -> Drawn:
    """Draw the length of log_0(exp_0(v)) over the length of v, in float32 and in float64 (k = -1).

    Returns:
        figure and {"length", "float32", "float64": to one decimal}, (n,) each.
    """
    arrows = torch.tensor(lengths, dtype=torch.float64).unsqueeze(-1) * torch.eye(2, dtype=torch.float64)[0]
    data: dict[str, Any] = {"length": arrows[:, 0]}
    for dtype in (torch.float32, torch.float64):
        point = geometry.expmap0(arrows.to(dtype), k=-1.0)
        # lengths at which rounding is coarse are left out above, so that one decimal is the same on every processor
        data[f"{dtype}"[6:]] = geometry.logmap0(point, k=-1.0)[:, 0].double().round(decimals=1)
    with canvas(6.4, 3.6) as (figure, axes):
        axes.plot(lengths, lengths, "--", color=INK, label="the length that went in")
        axes.plot(lengths, data["float64"], "o-", color=BLUE, label="float64")
        axes.plot(lengths, data["float32"], "^-", color=VERMILION, label="float32")
        axes.set(xlabel="length of v", ylabel="length of log_0(exp_0(v))")
        axes.legend(loc="upper left")
        axes.set_title("Which length comes back, with clamps?")
    ends = ", ".join(f"{name} {float(data[name][-1]):.1f}" for name in ("float32", "float64"))
    figure.alt_text = (
        "The length of log_0(exp_0(v)) over the length of v. Both curves follow the diagonal and then stay level, "
        f"float32 from about 8 on and float64 from about 18 on. For the longest arrow, {lengths[-1]}, they give: {ends}."
    )
    return figure, data


def plot_rim_errors(distances: Mapping[str, Callable[[Tensor, Tensor], Tensor]]) -> Drawn:
    """Draw the median relative error of distances between float32 points over their gap to the rim (k = -1).

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
