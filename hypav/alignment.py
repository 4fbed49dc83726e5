"""The hyperbolic alignment module (Section 4.2-4.4): similarity x normalisation x base point x geometry.

For each head with curvature k: phi -> point of the space (Eq. 1) -> tangent space (Eq. 3) -> similarity matrix M of
the batch, one for video and one for audio -> mean squared difference of the normalised matrices (Eq. 4). The loss is
the mean over heads (Eq. 7).

As printed, the loss does not depend on k. The projection and the log at the origin multiply each row by a positive
number, and the cosine of Eq. 4 cancels it. So for every k and every number of heads the loss is that of flat space. This
holds for the presets `printed` and `released`. `curved` is a repair in which curvature has an effect. `released-2023`
compares lengths: it is 0 if all rows are clipped to the rim, and depends on k otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from numbers import Real
from typing import Any, Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from hypav import geometry
from hypav.avca import Embeddings, Linear, isolated_init
from hypav.errors import DataError, SettingError
from hypav.trigonometry import finite_curvature
from hypav.utils import ReverseMode, as_tensor, device_of


def is_number(value: object) -> bool:
    """Whether value is a finite int or float."""
    return isinstance(value, int | float) and math.isfinite(value)


@dataclass(frozen=True)
class Adaptive:
    """Settings of the adaptive curvatures of Eq. 6: N_c of them, each between 0 and c_0. The paper's c_0 is -0.4."""

    N_c: int = 1
    c_0: float = -0.4

    def __post_init__(self) -> None:
        if not isinstance(self.N_c, int) or self.N_c < 1:
            raise SettingError(f"N_c is {self.N_c}; Hyper-single has N_c = 1, Hyper-multiple 2 or more.")
        if not is_number(self.c_0) or self.c_0 == 0:
            raise SettingError(f"c_0 is {self.c_0}; the curvatures lie between 0 and c_0, e.g. c_0 = -0.4.")


class FixedCurvature(nn.Module):
    """The same curvatures for every sample: Hyper-alignment has one, Table 4's mixtures have two."""

    row: Tensor

    def __init__(self, curvatures: Sequence[float]) -> None:
        super().__init__()
        if not isinstance(curvatures, Sequence) or not curvatures or not all(map(is_number, curvatures)):
            raise SettingError(
                f"The curvatures are {curvatures!r}; give one finite number or more, e.g. -0.2, or Adaptive(N_c, c_0)."
            )
        self.curvatures = tuple(float(k) for k in curvatures)
        # a buffer moves with the module, so no step has to copy it to the device; it is not part of a checkpoint
        row = torch.tensor([self.curvatures], dtype=torch.float64)
        self.register_buffer("row", row, persistent=False)

    def forward(self, phi_v: Tensor, phi_a: Tensor) -> Tensor:
        """The H curvatures as (1, H), in the dtype and on the device of phi_v (N, D)."""
        return self.row.to(phi_v)


class AdaptiveCurvature(nn.Module):
    """Eq. 6: k = c_0 sigmoid(W [phi_v ; phi_a] + b), one fully-connected layer with N_c outputs."""

    def __init__(self, settings: Adaptive, dim_phi: int, generator: Generator) -> None:
        super().__init__()
        self.settings = settings
        with isolated_init(generator):
            self.layer = Linear(2 * dim_phi, settings.N_c)

    def forward(self, phi_v: Tensor, phi_a: Tensor) -> Tensor:
        """(N, N_c) curvatures of phi_v and phi_a, each (N, D); the two modalities of a sample share them."""
        return self.settings.c_0 * torch.sigmoid(self.layer(torch.cat((phi_v, phi_a), dim=1)))


Similarity = Literal["cosine", "inner", "distance", "kernel", "norms"]
Normalise = Literal["frobenius", "row", "none"]
Base = Literal["origin", "midpoint"]
ToBall = Literal["project", "expmap0", "one-length"]
ClipRadius = Literal["ball", "printed"]
Aligned = Literal["phi", "phi_att", "theta"]
Pairs = Literal["positive", "both"]


@dataclass(frozen=True)
class AlignmentConfig:
    """Everything that defines the alignment loss; the defaults are Eqs. 1-7 as printed.

    similarity: "cosine" (paper) or "inner" product of tangent vectors. "distance" is minus the geodesic distance and
        "kernel" is exp(-distance), both between points of the space. "norms" is the product of norms that the code as
        first published in 2023 computes instead of the cosine.
    normalise: "frobenius" M/|M|_F (paper), "row" scales each row to length 1 (Tung & Mori, ICCV 2019), "none" (released).
    base: the point z of the log map (Eq. 3): "origin" (paper) or the gyro-"midpoint" of the batch's video and audio.
    to_ball: "project" takes phi as a point and clips it (Eq. 1); "expmap0" takes it as a tangent vector at the origin.
        "one-length" does so too, but first gives all rows the length 1, so that all points are equally far from the
        origin. It is a control: the directions are left, and in flat space too (Moreira et al., WACV 2024).
    clip_radius: "ball" 1/sqrt|k|, or "printed" 1/|k| as in Eq. 1. For |k| < 1 the printed radius lies outside the ball,
        where Eq. 3's artanh is undefined; such points are then clipped to the ball.
    curvatures: one k per head, or Adaptive(N_c, c_0). If points of a batch are compared inside the space (distance,
        kernel, midpoint), a head needs a single k: the mean of its adaptive curvatures over the batch.
    aligned: which embeddings are aligned (Table 6).
    pairs: "positive" (paper), or "both" (released), the sum of the losses of the positive and the negative batch.
    weight: weight of the alignment loss in the total (paper Eq. 5: 1, released 1e-3). It is 1 if neither it nor a pull
        is given, and None with a pull.
    scale: multiplies the embeddings before Eq. 1. It is 1 in the paper and the released code. There |phi| is about 12
        and the ball's radius about 2, so nearly every row is clipped to the rim.
    xi: the small number of Eq. 1. The paper does not give it; the released code has 1e-3.
    pull: instead of a weight, how long the weighted loss's gradient on phi is in the first step of a stage, as a share of
        L_avca's: with 0.1 it is a tenth as long. Training turns it into a weight once, which then stays for the stage.
    """

    similarity: Similarity = "cosine"
    normalise: Normalise = "frobenius"
    base: Base = "origin"
    to_ball: ToBall = "project"
    clip_radius: ClipRadius = "ball"
    curvatures: tuple[float, ...] | Adaptive = (-0.2,)
    aligned: Aligned = "phi"
    pairs: Pairs = "positive"
    weight: float | None = None
    scale: float = 1.0
    xi: float = 1e-3
    pull: float | None = None

    def __post_init__(self) -> None:
        for name, kind in _CHOICES.items():
            if getattr(self, name) not in get_args(kind):
                raise SettingError(
                    f"AlignmentConfig.{name} is {getattr(self, name)!r}; choose {', '.join(get_args(kind))}."
                )
        if isinstance(self.curvatures, int | float):
            object.__setattr__(self, "curvatures", (self.curvatures,))
        if not isinstance(self.curvatures, Adaptive):
            object.__setattr__(self, "curvatures", FixedCurvature(self.curvatures).curvatures)
        if self.pull is not None:
            if self.weight is not None:
                raise SettingError(
                    f"weight is {self.weight!r} and pull {self.pull!r}; give one of them, as a pull sets the weight."
                )
            if not (is_number(self.pull) and self.pull > 0):
                raise SettingError(f"pull is {self.pull!r}; it must be a finite number above 0, e.g. 0.1.")
            object.__setattr__(self, "pull", float(self.pull))
        elif self.weight is None:
            object.__setattr__(self, "weight", 1.0)
        elif not (is_number(self.weight) and self.weight >= 0):
            raise SettingError(f"weight is {self.weight!r}; it must be a finite number of at least 0.")
        if self.weight is not None:
            object.__setattr__(self, "weight", float(self.weight))  # 1 and 1.0 are one run
        if not (is_number(self.scale) and self.scale > 0):
            raise SettingError(f"scale is {self.scale!r}; it must be a finite number above 0.")
        if not (is_number(self.xi) and 0 < self.xi < 1):
            raise SettingError(f"xi is {self.xi!r}; Eq. 1's small number lies in (0, 1), e.g. 1e-3.")

    @property
    def compares_in_space(self) -> bool:
        """Whether points of a batch are compared inside the space, so that they need a common curvature."""
        return self.similarity in ("distance", "kernel") or self.base == "midpoint"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, which `from_dict` reads. Without a pull there is no "pull", as in older files."""
        values = asdict(self)
        if self.pull is None:
            del values["pull"]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AlignmentConfig:
        """The inverse of `to_dict`.

        Raises:
            SettingError: unknown field or invalid value.
        """
        values = dict(values)
        k = values.get("curvatures")
        try:
            if isinstance(k, Mapping):
                values["curvatures"] = Adaptive(**k)
            return cls(**values)
        except TypeError as error:
            raise SettingError(f"These are not the fields of an AlignmentConfig: {error}.") from error


_CHOICES = {
    "similarity": Similarity,
    "normalise": Normalise,
    "base": Base,
    "to_ball": ToBall,
    "clip_radius": ClipRadius,
    "aligned": Aligned,
    "pairs": Pairs,
}

PRESETS: Mapping[str, AlignmentConfig] = {
    # Eqs. 1-7 as printed; the radius is that of the paper's text, as Eq. 1's lies outside the ball
    "printed": AlignmentConfig(),
    # the released code since 2024-07
    "released": AlignmentConfig(normalise="none", pairs="both", weight=1e-3),
    # the code as first published (2023-09 to 2024-07): products of norms instead of cosines
    "released-2023": AlignmentConfig(similarity="norms", normalise="none", pairs="both", weight=1e-3),
    # curvature has an effect: distances inside the space, between points that are not all on the rim
    "curved": AlignmentConfig(similarity="distance", normalise="none", to_ball="expmap0", scale=0.1),
}
# three other losses on which curvature has an effect; at weight 1 they are too weak to change a run, so give a pull
REPAIRS: Mapping[str, AlignmentConfig] = {
    "curved-normalised": replace(PRESETS["curved"], normalise="frobenius"),
    "curved-kernel": replace(PRESETS["curved"], similarity="kernel"),
    "curved-midpoint": replace(
        PRESETS["curved"], similarity="cosine", normalise="frobenius", base="midpoint"
    ),
}


def preset(name: str, **changes: Any) -> AlignmentConfig:
    """The configuration `name` of PRESETS or REPAIRS with `changes` to its fields; None keeps a field.

    >>> preset("curved", curvatures=(-1.0,), weight=0.1).similarity
    'distance'

    Raises:
        SettingError: there is no such preset.
    """
    known = {**PRESETS, **REPAIRS}
    if name not in known:
        raise SettingError(f"There is no preset {name!r}; choose {', '.join(known)}.")
    given = {field: value for field, value in changes.items() if value is not None}
    if "pull" in given:  # the preset's weight gives way to it, but not one that is given too
        given = {"weight": None, **given}
    return replace(known[name], **given)


_preset = preset  # alignment_loss has an argument of that name


def _to_space(phi: Tensor, k: Tensor, config: AlignmentConfig) -> Tensor:
    """Points of the space (2, H, N, D) from embeddings of video and audio (2, 1, N, D); k is (H, 1 or N, 1)."""
    phi = F.normalize(phi, dim=-1) if config.to_ball == "one-length" else phi
    phi = phi * config.scale if config.scale != 1 else phi
    if config.to_ball != "project":
        phi = geometry.expmap0(phi, k=k, sync=False)
    # after expmap0 this only moves points away from the rim that rounding put there
    points = geometry.project(phi, k=k, xi=config.xi, radius=config.clip_radius, sync=False)  # Eq. 1
    # for |k| < 1 the printed radius leaves points outside the ball, where Eq. 3 has no value and no gradient
    return points if config.clip_radius == "ball" else geometry.project(points, k=k, xi=config.xi, sync=False)


def _to_tangent(points: Tensor, k: Tensor, config: AlignmentConfig) -> Tensor:
    """Eq. 3: tangent vectors (2, H, N, D) of the points, at the origin or at the midpoint of a head's video and audio."""
    if config.base == "origin":
        return geometry.logmap0(points, k=k, sync=False)
    z = geometry.midpoint(torch.cat(points.unbind(), dim=1), k=k, sync=False).unsqueeze(1)
    return geometry.logmap(z, points, k=k, sync=False)


def _tangents(phi: Tensor, k: Tensor, config: AlignmentConfig) -> Tensor:
    """Eq. 1 and Eq. 3: tangent vectors (2, H, N, D) of the embeddings (2, 1, N, D)."""
    if config.base != "origin":
        return _to_tangent(_to_space(phi, k, config), k, config)
    # at the origin both maps only change a row's length, so only the length is mapped, as a point on a line
    length = torch.linalg.vector_norm(phi, dim=-1, keepdim=True, dtype=torch.float64)
    return F.normalize(phi, dim=-1) * _to_tangent(_to_space(length, k, config), k, config).to(phi.dtype)


def _factor(x: Tensor, kind: Similarity) -> Tensor:
    """u (..., N, .) such that u u^T is the similarity matrix. A zero row has cosine 0 with all others."""
    if kind == "cosine":
        return F.normalize(x, dim=-1)
    return x if kind == "inner" else torch.linalg.vector_norm(x, dim=-1, keepdim=True)


def similarity_matrix(x: Tensor, kind: Similarity, k: Tensor | float = 0.0) -> Tensor:
    """M (N, N) of Eq. 4 for the rows of x (N, D).

    The rows are tangent vectors, or for "distance" and "kernel" points of the space with curvature k. A zero row has
    cosine 0 with all others.
    """
    x = as_tensor("x", x, device=device_of(k))
    if kind not in ("distance", "kernel"):
        u = _factor(x, kind)
        return u @ u.mT
    distance = geometry.pairwise_distance(x, k=k, sync=False)
    return -distance if kind == "distance" else torch.exp(-distance)


def _normalised(matrix: Tensor, kind: Normalise) -> Tensor:
    # the clamp avoids 0/0 if all points of a batch coincide; F.normalize uses the same 1e-12
    if kind == "frobenius":
        return matrix / torch.linalg.matrix_norm(matrix, keepdim=True).clamp_min(1e-12)
    return F.normalize(matrix, dim=-1) if kind == "row" else matrix


class _GramDifference(ReverseMode):
    """1/N^2 |u u^T - v v^T|_F^2 for u and v (H, N, D), shape (H,), and u u^T - v v^T, which has no gradient.

    It stores one N x N matrix per head. Autograd would store both products, their squares and all gradients.
    """

    @staticmethod
    def forward(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        difference = torch.bmm(u, u.mT).baddbmm_(v, v.mT, alpha=-1)
        return torch.linalg.vector_norm(difference, dim=(1, 2)).square() / u.shape[1] ** 2, difference

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)  # no N x N zeros for the gradient that there is not
        ctx.save_for_backward(*inputs, output[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, Tensor | None]:
        if grad is None:
            return None, None
        u, v, difference = ctx.saved_tensors
        if torch.is_grad_enabled():  # what was stored has no gradient, which a second derivative needs
            difference = torch.baddbmm(torch.bmm(u, u.mT), v, v.mT, alpha=-1)
        slope = (4 / u.shape[1] ** 2 * grad)[:, None, None]
        return torch.bmm(difference, u) * slope, torch.bmm(difference, v) * -slope


def _half_normalised(u: Tensor) -> Tensor:
    """u / sqrt|u u^T|_F, whose u u^T has Frobenius norm 1. |u^T u|_F is the same number from a D x D matrix."""
    gram = u.mT @ u if u.shape[-1] < u.shape[-2] else u @ u.mT
    return u / torch.linalg.matrix_norm(gram, keepdim=True).clamp_min(1e-12).sqrt()


def head_losses(phi_v: Tensor, phi_a: Tensor, k: Tensor, config: AlignmentConfig) -> Tensor:
    """Eq. 4 for every head, (H,), unweighted. Nothing here waits for the device.

    Args:
        phi_v, phi_a: (N, D) embeddings of the same N samples.
        k: (1, H), or (N, H) with a curvature per sample.
    """
    k = k.T.unsqueeze(-1)
    if config.compares_in_space:
        k = k.mean(dim=1, keepdim=True)
    phi = torch.stack((phi_v, phi_a)).unsqueeze(1)
    if config.similarity in ("distance", "kernel"):
        points = _to_space(phi, k, config)
        m_v, m_a = (
            torch.stack(
                [similarity_matrix(x, config.similarity, k_head) for x, k_head in zip(heads, k, strict=True)]
            )
            for heads in points
        )
    else:
        u = _factor(_tangents(phi, k, config), config.similarity)
        if config.normalise != "row":
            return _GramDifference.apply(*(u if config.normalise == "none" else _half_normalised(u)))[0]
        m_v, m_a = u @ u.mT
    # 1/N^2 |M_v - M_a|_F^2
    return (_normalised(m_v, config.normalise) - _normalised(m_a, config.normalise)).square().mean(dim=(1, 2))


def alignment_loss(
    phi_v: Tensor, phi_a: Tensor, k: float | Tensor = -0.2, preset: str | AlignmentConfig = "printed"
) -> Tensor:
    """The alignment loss: Eq. 4, averaged over heads (Eq. 7); a scalar, without its weight in the total loss.

    As printed, the loss is the same for every curvature; under "curved" it is not:

    >>> g = torch.Generator().manual_seed(0)
    >>> phi_v, phi_a = torch.rand(2, 8, 5, generator=g, dtype=torch.float64)
    >>> for name in ("printed", "curved"):
    ...     print(name, *(f"{1e3 * alignment_loss(phi_v, phi_a, k, name).item():.3f}" for k in (-1.0, 0.0, 1.0)))
    printed 0.761 0.761 0.761
    curved 6.852 6.737 6.622

    Args:
        phi_v, phi_a: (N, D) embeddings of the same N samples: tensors, arrays (which keep their dtype) or lists.
        k: the sectional curvature; or a tensor (1, H) with one per head, or (N, H) with one per sample and head.
        preset: the name of a preset, or a configuration; the curvatures in it are not used.

    Second derivatives are right too. They are NaN if a row of phi is zero, as a length has none there.

    Raises:
        DataError: phi_v and phi_a are not tables of real numbers of the same shape.
        SettingError: k is not a finite number or has another shape; there is no such preset.
    """
    config = preset if isinstance(preset, AlignmentConfig) else _preset(preset)
    device = device_of(phi_v, phi_a, k)
    phi_v, phi_a = as_tensor("phi_v", phi_v, device=device), as_tensor("phi_a", phi_a, device=device)
    if not (phi_v.is_floating_point() and phi_a.is_floating_point()):
        raise DataError(f"phi_v is {phi_v.dtype} and phi_a {phi_a.dtype}; call .float() first.")
    if phi_v.ndim != 2 or phi_v.shape != phi_a.shape:
        raise DataError(
            f"phi_v is {tuple(phi_v.shape)} and phi_a {tuple(phi_a.shape)}; give two (N, D) tables of the same shape."
        )
    if isinstance(k, str) or (isinstance(k, Real) and not math.isfinite(k)):
        raise SettingError(f"k is {k!r}; give a finite number, e.g. -0.2, or a tensor (1, H) or (N, H).")
    if isinstance(k, Real):
        k = phi_v.new_full((1, 1), float(k))
    k = as_tensor("k", k, dtype=phi_v.dtype).to(phi_v.device)
    finite_curvature(k)
    if k.ndim != 2 or len(k) not in (1, len(phi_v)):
        raise SettingError(f"k is {tuple(k.shape)}; it must be (1, H) or ({len(phi_v)}, H).")
    return head_losses(phi_v, phi_a, k, config).mean()


class AlignmentLoss(NamedTuple):
    """The alignment loss of a batch.

    total: the weighted mean over heads. heads: (H,), unweighted, summed over pairs. curvatures: (1 or N, H).
    """

    total: Tensor
    heads: Tensor
    curvatures: Tensor


class Alignment(nn.Module):
    """The alignment loss with its curvatures. Only adaptive curvatures have parameters, drawn from `generator`.

    weight: the configuration's. With a pull it is a tensor, 1 until training sets it, which is saved with the network.
    """

    weight: Tensor | float

    def __init__(self, config: AlignmentConfig, dim_phi: int, generator: Generator) -> None:
        super().__init__()
        self.config = config
        self.curvature: FixedCurvature | AdaptiveCurvature
        if isinstance(config.curvatures, Adaptive):
            self.curvature = AdaptiveCurvature(config.curvatures, dim_phi, generator)
        else:
            self.curvature = FixedCurvature(config.curvatures)
        if config.weight is None:
            self.register_buffer("weight", torch.ones(()))
        else:
            self.weight = config.weight

    def forward(self, e: Embeddings) -> AlignmentLoss:
        """The alignment loss of a batch. The input of the curvature layer is always phi (Eq. 6)."""
        heads, curvatures = self._pair(e, "")
        if self.config.pairs == "both":
            heads = heads + self._pair(e, "_neg")[0]
        return AlignmentLoss(self.weight * heads.mean(), heads, curvatures)  # Eq. 7

    def _pair(self, e: Embeddings, suffix: str) -> tuple[Tensor, Tensor]:
        name = {"phi": "phi_{}", "phi_att": "phi_{}_att", "theta": "theta_{}"}[self.config.aligned] + suffix
        x_v, x_a = getattr(e, name.format("v")), getattr(e, name.format("a"))
        k = self.curvature(getattr(e, f"phi_v{suffix}"), getattr(e, f"phi_a{suffix}"))
        return head_losses(x_v, x_a, k, self.config), k
