"""Eq. 1-3 in the κ-stereographic model: Poincaré ball (k < 0), flat space (k = 0), stereographic sphere (k > 0).

The same code serves all three. k is the sectional curvature; the released code's positive c is -k. Every function
takes k by keyword: a number, or a tensor that broadcasts against (..., 1), such as (N, 1) for a curvature per row.
Gradients flow to k. Everything is computed in float64 and rounded once, to the dtype of the points: near the rim all
results depend on 1 + k|x|², which loses most of its digits in float32.

The model: Bachmann, Bécigneul, Ganea, "Constant Curvature Graph Convolutional Networks", ICML 2020. Möbius addition
and parallel transport are geoopt's; tan_k and artan_k are those of `hypav.trigonometry`, which says why.

With sync=False the host does not wait for the device; training steps use this. Then k is not checked, and a k of NaN
gives NaN. The training loop checks its losses once per epoch.

Points, k, t and weights may also be arrays or lists: arrays keep their dtype, lists get torch's default dtype. A tensor
among the points decides the device.

Every function raises SettingError if k is NaN or infinite, if points differ in D, if shapes do not broadcast, or if
points are integers, and DataError if they are not tables of numbers.

Derivatives of every order are right, by autograd or torch.func.jacrev; there is no forward mode (jvp, jacfwd, hessian).
torch.func.vmap works too. Inside it k is not checked, and pairwise_distance needs sync=False.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from numbers import Real

import torch
from torch import Tensor

from hypav.errors import SettingError
from hypav.trigonometry import artan_k as artan_k  # users look for it here
from hypav.trigonometry import artan_ratio, finite_curvature, rim_margin, tan_ratio
from hypav.trigonometry import tan_k as tan_k
from hypav.utils import as_tensor, device_of, holds

with warnings.catch_warnings():
    # geoopt 0.5.1 compiles each function with torch.jit.script, for which torch 2.13 warns of deprecation
    warnings.filterwarnings("ignore", message=r".*torch\.jit\.", category=DeprecationWarning)
    import geoopt.manifolds.stereographic.math as stereographic


def _plain() -> AbstractContextManager[None]:
    """Runs geoopt's compiled functions as written; torch.jit's optimiser makes second derivatives in torch.func wrong."""
    return torch.jit.optimized_execution(False)


def ball_radius(k: float | Tensor, radius: str = "ball") -> Tensor:
    """Radius R of the ball that Eq. 1 projects onto, in the shape of k; infinite for k >= 0.

    Args:
        k: the curvature.
        radius: "ball" for 1/√|k|, the radius of the Poincaré ball (paper Section 3), or "printed" for 1/|k| as
            Eq. 1 prints it, which lies outside the ball for |k| < 1.

    Raises:
        SettingError: `radius` is unknown.
    """
    dtype = as_tensor("k", k).dtype
    dtype = dtype if dtype.is_floating_point else torch.get_default_dtype()
    return _radius(finite_curvature(k), radius).to(dtype)


def project(
    x: Tensor, *, k: float | Tensor, xi: float | None = None, radius: str = "ball", sync: bool = True
) -> Tensor:
    """Eq. 1, Γ_H: rows longer than (1 - ξ)R are shortened to (1 - ξ)R; the identity for k >= 0.

    Eq. 1 prints R as the threshold, which would make the length jump there. The threshold here is (1 - ξ)R, as released.

    Args:
        x: (..., D) points.
        k: the curvature, broadcasting against (..., 1).
        xi: ξ, the margin to the rim. Default 4e-3 in float32 and 1e-5 in float64 (geoopt's); 1e-3 as released.
        radius: which R, see `ball_radius`.

    Raises:
        SettingError: ξ is outside [0, 1), or `radius` is unknown.
    """
    (x,), k, dtype = _prepare(x, k=k, sync=sync)
    xi = (1e-5 if dtype == torch.float64 else 4e-3) if xi is None else xi
    if not (isinstance(xi, Real) and 0 <= xi < 1):
        raise SettingError(
            f"xi is {xi!r}, but the margin ξ of Eq. 1 lies in [0, 1); the released code has 1e-3."
        )
    length = torch.linalg.vector_norm(x.detach(), dim=-1, keepdim=True).clamp_min(1e-5)  # as released
    clipped = ~(length <= (1 - xi) * _radius(k.detach(), radius))  # true if k is NaN, which must stay NaN
    # a norm has no second derivative at 0, so it is taken of clipped rows only; the 1e-5 protects the division
    norm = torch.linalg.vector_norm(torch.where(clipped, x, 1.0), dim=-1, keepdim=True).clamp_min(1e-5)
    limit = (1 - xi) * _radius(torch.where(clipped, k, -1.0), radius)  # the -1 keeps the gradient finite
    return (x * torch.where(clipped, limit / norm, 1.0)).to(dtype)


def conformal_factor(x: Tensor, *, k: float | Tensor) -> Tensor:
    """λ_k(x) = 2/(1 + k|x|²), shape (..., 1): 2 in flat space, unbounded towards the rim of the ball."""
    (x,), k, dtype = _prepare(x, k=k)
    return (2 / _one_plus(x, k, dtype)).to(dtype)


def mobius_add(x: Tensor, y: Tensor, *, k: float | Tensor) -> Tensor:
    """Eq. 2 for (..., D) points, with -k for its |c|, so that it also holds for k >= 0.

    x ⊕_k y = [(1 - 2k<x,y> - k|y|²)x + (1 + k|x|²)y] / [1 - 2k<x,y> + k²|x|²|y|²]
    """
    (x, y), k, dtype = _prepare(x, y, k=k)
    with _plain():
        return stereographic.mobius_add(x, y, k=k).to(dtype)


def expmap0(v: Tensor, *, k: float | Tensor, sync: bool = True) -> Tensor:
    """exp_0(v) = tan_k(|v|)v/|v|, the inverse of `logmap0`, for (..., D) tangent vectors at the origin.

    Rounding puts the image of a long v on the rim itself. Apply `project` if you need a margin.
    """
    (v,), k, dtype = _prepare(v, k=k, sync=sync)
    return (v * tan_ratio(k * _square(v))).to(dtype)


def logmap0(x: Tensor, *, k: float | Tensor, sync: bool = True) -> Tensor:
    """Eq. 3 at z = 0, where λ = 2: log_0(x) = artan_k(|x|)x/|x|, for (..., D) points.

    Eq. 1 with its "printed" radius puts points on and beyond the rim. There artanh's argument is clamped to 1 - eps of
    the dtype. The gradient passes through the clamp with artanh's slope at the clamped point, as in the released code.
    """
    (x,), k, dtype = _prepare(x, k=k, sync=sync)
    return (x * artan_ratio(k * _square(x), _one_plus(x, k, dtype))).to(dtype)


def expmap(z: Tensor, v: Tensor, *, k: float | Tensor) -> Tensor:
    """exp_z(v) = z ⊕_k tan_k(λ_k(z)|v|/2)v/|v|, the inverse of `logmap`, for (..., D) points and vectors."""
    (z, v), k, dtype = _prepare(z, v, k=k)
    return mobius_add(z, expmap0(v / _one_plus(z, k, dtype), k=k), k=k).to(dtype)


def logmap(z: Tensor, x: Tensor, *, k: float | Tensor, sync: bool = True) -> Tensor:
    """Eq. 3: log_z(x) = 2/λ_k(z) artan_k(|-z ⊕_k x|)(-z ⊕_k x)/|-z ⊕_k x|, for (..., D) points."""
    (z, x), k, dtype = _prepare(z, x, k=k, sync=sync)
    w_z, w_x, gap = _one_plus(z, k, dtype), _one_plus(x, k, dtype), _square(x - z)
    _, u, w, denominator = _moved_to_origin(gap, w_z * w_x, k)
    moved = (w_z * (x - z) + k * gap * z) / denominator  # Eq. 2 for -z ⊕ x, without cancellation at x = z
    return (w_z * moved * artan_ratio(u, w)).to(dtype)


def distance(x: Tensor, y: Tensor, *, k: float | Tensor) -> Tensor:
    """Geodesic distance 2 artan_k(|-x ⊕_k y|) of (..., D) points, shape (...); 2|x - y| in flat space.

    The distance has a kink at coincident points; its gradient there is set to zero.

    >>> x, y = torch.tensor([0.0, 0.0]), torch.tensor([0.5, 0.0])
    >>> [round(float(distance(x, y, k=k)), 4) for k in (-1.0, 0.0, 1.0)]
    [1.0986, 1.0, 0.9273]
    """
    (x, y), k, dtype = _prepare(x, y, k=k)
    return _distance(_square(x - y), _one_plus(x, k, dtype) * _one_plus(y, k, dtype), k).squeeze(-1).to(dtype)


def distance0(x: Tensor, *, k: float | Tensor) -> Tensor:
    """Distance of (..., D) points to the origin, 2 artan_k(|x|), shape (...)."""
    x = as_tensor("points", x, device=device_of(k))
    return distance(x, torch.zeros_like(x), k=k)


def pairwise_distance(x: Tensor, y: Tensor | None = None, *, k: float | Tensor, sync: bool = True) -> Tensor:
    """`distance` of all (N, D) points x to all (M, D) points y (default x), shape (N, M).

    The memory is O(NM), because the differences of all pairs are not stored. With sync=False, points closer than 3e-7 of
    their norms count as coincident, and distances between close points have only float32 precision.

    Raises:
        SettingError: x or y is not a matrix, or k is not a single number.
    """
    device = device_of(x, y, k)
    x = as_tensor("x", x, device=device)
    y = x if y is None else as_tensor("y", y, device=device)
    k = as_tensor("k", k, dtype=torch.float64)
    if x.ndim != 2 or y.ndim != 2 or k.numel() != 1:
        raise SettingError(
            f"pairwise_distance takes (N, D) and (M, D) points and one number k, but got {tuple(x.shape)}, "
            f"{tuple(y.shape)} and {tuple(k.shape)}; use distance for a curvature per row."
        )
    (rows, columns), k, dtype = _prepare(x.unsqueeze(1), y.unsqueeze(0), k=k.reshape(()), sync=sync)
    gap = _pairwise_square(rows.squeeze(1), columns.squeeze(0), sync).unsqueeze(-1)
    return _distance(gap, _one_plus(rows, k, dtype) * _one_plus(columns, k, dtype), k).squeeze(-1).to(dtype)


def geodesic(t: float | Tensor, x: Tensor, y: Tensor, *, k: float | Tensor) -> Tensor:
    """The point (..., D) at fraction t of the way from x to y: x at t = 0, y at t = 1.

    t is a number or broadcasts against (..., 1), as k does: n points of one geodesic have t of shape (n, 1).

    Raises:
        SettingError: t has another shape, is NaN or infinite.
    """
    (x, y), k, dtype = _prepare(x, y, k=k)
    t = as_tensor("t", t, dtype=torch.float64).to(x)
    _require_fit("t", t, x, y, *([k] if k.ndim else []))
    if not holds(t.isfinite().all()):
        raise SettingError("t holds NaN or an infinite number, but is a fraction of the way from x to y.")
    return expmap(x, t * logmap(x, y, k=k), k=k).to(dtype)


def midpoint(
    x: Tensor, *, k: float | Tensor, weights: Sequence[float] | Tensor | None = None, sync: bool = True
) -> Tensor:
    """Gyro-midpoint of (N, D) points, shape (D,): 1/2 ⊗_k [Σ w_i λ_i x_i / Σ w_i(λ_i - 1)] (Ungar 2010).

    It is the mean on the hyperboloid or sphere, scaled back onto it. In flat space it is the mean.

    Args:
        x: (..., N, D) points; the dimensions before N are kept.
        k: the curvature, the same for all N points: a number, or (..., 1, 1).
        weights: (N,) w, not negative; equal by default.

    Raises:
        SettingError: there are no points, k differs between points, or the weights have another shape, are negative or
            are all zero.
    """
    (x,), k, dtype = _prepare(x, k=k, sync=sync)
    n = x.shape[-2] if x.ndim > 1 else 0
    if n == 0 or (k.ndim > 1 and k.shape[-2] != 1):
        raise SettingError(
            f"midpoint takes (N, D) points and one curvature for them all, but got {tuple(x.shape)} and "
            f"{tuple(k.shape)}; points of different curvature lie in different spaces."
        )
    weights = x.new_ones(n) if weights is None else as_tensor("weights", weights, dtype=x.dtype).to(x)
    if weights.shape != (n,) or (sync and not holds((weights >= 0).all() & (weights.sum() > 0))):
        raise SettingError(f"The weights must be {n} numbers, one per point, not negative and not all zero.")
    share = (weights / weights.sum()).unsqueeze(-1)
    factor = 2 / _one_plus(x, k, dtype)
    space, time = (share * factor).mT @ x, (share * (factor - 1)).sum(-2, keepdim=True)
    # The mean has length >= 1 on the hyperboloid, and 0 on the sphere if the points balance: this protects sqrt.
    length = (time**2 + k * _square(space)).clamp_min(1e-30)
    length = torch.where(k < 0, length.clamp_min(1.0), length).sqrt()
    return (space / (time + length)).squeeze(-2).to(dtype)


def _radius(k: Tensor, radius: str) -> Tensor:
    if radius not in ("ball", "printed"):
        raise SettingError(f'radius is {radius!r}, but must be "ball" (1/√|k|) or "printed" (1/|k|).')
    size = torch.where(k >= 0, 1.0, -k)  # the 1 keeps the gradient finite for k >= 0, which has no rim
    return torch.where(k >= 0, torch.inf, size ** (-0.5 if radius == "ball" else -1.0))


def _square(x: Tensor) -> Tensor:
    return x.square().sum(-1, keepdim=True)


def _one_plus(x: Tensor, k: Tensor, dtype: torch.dtype) -> Tensor:
    """1 + k|x|² = 2/λ_k(x), clamped to the open ball. This protects λ, the denominator of Eq. 2 and artanh."""
    return (1 + k * _square(x)).clamp_min(rim_margin(dtype))


def _moved_to_origin(gap: Tensor, product: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """q = |-x ⊕ y|², u = kq, 1 + u and Eq. 2's denominator, from gap = |x - y|² and product = (1 + k|x|²)(1 + k|y|²).

    The denominator 1 + 2k<x,y> + k²|x|²|y|² equals product - k gap, and q = gap/denominator. For k < 0 nothing cancels,
    neither at the rim nor at coincident points.
    """
    denominator = product - k * gap
    denominator = denominator.clamp_min(1e-30)  # zero for antipodes on the sphere: protects the division
    return gap / denominator, k * gap / denominator, product / denominator, denominator


def _distance(gap: Tensor, product: Tensor, k: Tensor) -> Tensor:
    """2 artan_k(√q) of `_moved_to_origin`. √q has no slope at q = 0 and gets the subgradient 0 there."""
    q, u, w, _ = _moved_to_origin(gap, product, k)
    root = torch.where(q == 0, 0.0, torch.where(q == 0, 1.0, q).sqrt())
    return 2 * root * artan_ratio(u, w)


def _pairwise_square(x: Tensor, y: Tensor, sync: bool) -> Tensor:
    """|x_i - y_j|² (N, M) from inner products, or from differences for pairs whose inner products cancel."""
    total = _square(x) + _square(y).mT
    square = total - 2 * x @ y.mT
    if not sync:  # the host cannot know which pairs cancel; their remainder is rounding and gets no gradient
        return torch.where(square <= 1e-13 * total, 0.0, square)
    try:
        i, j = (square <= 1e-3 * total).nonzero(as_tuple=True)
    except RuntimeError as error:
        if "Batching rule" not in str(error):
            raise
        raise SettingError("Inside torch.func.vmap pairwise_distance needs sync=False.") from error
    if len(i) > 4 * (len(x) + len(y)):  # close points: differences for all pairs, slower, still O(NM) memory
        return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square()
    return square.index_put((i, j), (x[i] - y[j]).square().sum(-1))


def _prepare(
    *points: Tensor, k: float | Tensor, sync: bool = True
) -> tuple[tuple[Tensor, ...], Tensor, torch.dtype]:
    """The points and k in float64, and the dtype to round the result to."""
    device = device_of(*points, k)
    points = tuple(as_tensor("points", point, device=device) for point in points)
    dtype = points[0].dtype
    for point in points[1:]:
        dtype = torch.promote_types(dtype, point.dtype)
    if not dtype.is_floating_point:
        raise SettingError(f"The points are {dtype}, but geometry needs real numbers; call .float() first.")
    shapes = " and ".join(str(tuple(point.shape)) for point in points)
    try:
        if 0 in {point.ndim for point in points} or len({point.shape[-1] for point in points}) > 1:
            raise RuntimeError
        torch.broadcast_shapes(*(point.shape for point in points))
    except RuntimeError:
        raise SettingError(
            f"Points of shape {shapes} do not fit; points are (..., D), with the same number D of coordinates."
        ) from None
    k = as_tensor("k", k, dtype=torch.float64).to(points[0].device, torch.float64)
    k = finite_curvature(k) if sync else k
    _require_fit("k", k, *points)
    return tuple(point.double() for point in points), k, dtype


def _require_fit(name: str, value: Tensor, *points: Tensor) -> None:
    """Check that a value per point broadcasts against (..., 1), so that it cannot be spread over coordinates."""
    try:
        if value.ndim > 0 and value.shape[-1] != 1:
            raise RuntimeError
        torch.broadcast_shapes(value.shape, *((*point.shape[:-1], 1) for point in points))
    except RuntimeError:
        shapes = " and ".join(str(tuple(point.shape)) for point in points)
        raise SettingError(
            f"{name} of shape {tuple(value.shape)} does not fit points of shape {shapes}; "
            "pass a number or a tensor that broadcasts against (..., 1), such as (N, 1) for N points."
        ) from None
