"""Shapes in the plane of curvature k as points to draw: circles, geodesics, triangles, tilings.

The plane is the κ-stereographic model of `hypav.geometry` in two dimensions: the Poincaré disk for k < 0, the plane
with x at half scale for k = 0, the stereographic sphere for k > 0. Lengths are geodesic, so they mean the same for
every k. All results are float64.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hypav.errors import SettingError
from hypav.geometry import conformal_factor, expmap, geodesic, logmap, mobius_add, tan_k


def circle(center: Tensor, radius: float, *, k: float, points: int = 121) -> Tensor:
    """The circle of points at distance `radius` from center (2,), closed, (points, 2)."""
    return expmap(center.double(), _directions(points) * radius / conformal_factor(center.double(), k=k), k=k)


def segment(x: Tensor, y: Tensor, *, k: float, points: int = 31) -> Tensor:
    """The geodesic between (..., 2) points x and y, (..., points, 2)."""
    t = torch.linspace(0, 1, points, dtype=torch.float64).unsqueeze(-1)
    return geodesic(t, x.double().unsqueeze(-2), y.double().unsqueeze(-2), k=k)


def triangle(side: float, *, k: float) -> Tensor:
    """The corners (3, 2) of an equilateral triangle around the origin with sides of length `side`.

    Raises:
        SettingError: the sphere of curvature k is too small for it.
    """
    half = side * math.sqrt(abs(k)) / 2
    if k > 0 and 2 * math.sin(half) / math.sqrt(3) >= 1:
        raise SettingError(f"A triangle of side {side} does not fit on the sphere of curvature {k}.")
    # the sine rule in the triangle of centre, corner and midpoint of a side, with the angle 2π/6 at the centre
    if k < 0:
        corner = math.tanh(math.asinh(2 * math.sinh(half) / math.sqrt(3)) / 2) / math.sqrt(-k)
    elif k > 0:
        corner = math.tan(math.asin(2 * math.sin(half) / math.sqrt(3)) / 2) / math.sqrt(k)
    else:
        corner = side / math.sqrt(3) / 2
    turn = torch.tensor([90.0, 210.0, 330.0], dtype=torch.float64).deg2rad()
    return corner * torch.stack([turn.cos(), turn.sin()], -1)


def angle_sum(corners: Tensor, *, k: float) -> float:
    """The sum of the angles of a polygon with corners (N, 2), in degrees."""
    to_next, to_last = (logmap(corners, corners.roll(shift, 0), k=k) for shift in (-1, 1))
    cosine = torch.nn.functional.cosine_similarity(to_next, to_last, dim=-1)
    return float(cosine.clamp(-1, 1).acos().rad2deg().sum())


def tiling(p: int, q: int, layers: int) -> tuple[Tensor, float]:
    """A tiling by regular p-gons, q of which meet in each corner: `layers` layers around the polygon at the origin.

    The angles determine the curvature: (p-2)(q-2) < 4 gives the sphere, k = 1; = 4 the plane; > 4 the hyperbolic plane,
    k = -1. Corners: Coxeter, "Regular Polytopes" (1973), Section 2.5.

    Returns:
        The polygons' corners (tiles, p, 2), and k.

    Raises:
        SettingError: p or q below 3.
    """
    if p < 3 or q < 3:
        raise SettingError(f"{{{p},{q}}} is not a tiling: p and q must be at least 3.")
    excess = (p - 2) * (q - 2) - 4
    k = 0.0 if excess == 0 else -math.copysign(1.0, excess)
    cotangents = 1 / (math.tan(math.pi / p) * math.tan(math.pi / q))
    radius = 1.0 if k == 0 else math.acosh(cotangents) if k < 0 else math.acos(cotangents)
    corner = float(tan_k(torch.tensor(radius / 2, dtype=torch.float64), k=k))
    angle = torch.arange(p).double() * 2 * math.pi / p + math.pi / p
    tiles = layer = (corner * torch.stack([angle.cos(), angle.sin()], -1)).unsqueeze(0)
    for _ in range(layers):
        mirrored = torch.cat([_mirror(layer, layer[:, n], layer[:, (n + 1) % p], k) for n in range(p)])
        layer = _new(mirrored, tiles)
        tiles = torch.cat([tiles, layer])
    return tiles, k


def _directions(points: int) -> Tensor:
    angle = torch.linspace(0, 2 * math.pi, points, dtype=torch.float64)
    return torch.stack([angle.cos(), angle.sin()], -1)


def _mirror(tiles: Tensor, a: Tensor, b: Tensor, k: float) -> Tensor:
    """The tiles (N, p, 2), reflected in the geodesics through their corners a and b (N, 2)."""
    a = a.unsqueeze(1)
    moved, axis = mobius_add(-a, tiles, k=k), mobius_add(-a, b.unsqueeze(1), k=k)
    axis = axis / axis.norm(dim=-1, keepdim=True)
    # now a is at the origin, and geodesics through the origin are straight lines
    mirrored = 2 * (moved * axis).sum(-1, keepdim=True) * axis - moved
    return mobius_add(a, mirrored, k=k).flip(1)


def _new(candidates: Tensor, known: Tensor) -> Tensor:
    """The candidates that are not known tiles, each once; tiles are compared by their mean corner."""
    seen = {_name(tile) for tile in known}
    fresh = []
    for tile in candidates:
        if (name := _name(tile)) not in seen:
            seen.add(name)
            fresh.append(tile)
    return torch.stack(fresh) if fresh else candidates[:0]


def _name(tile: Tensor) -> tuple[float, ...]:
    # + 0.0 turns -0.0 into 0.0
    return tuple(round(number, 5) + 0.0 for number in tile.mean(0).tolist())
