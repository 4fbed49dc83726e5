"""Checks of notebook 07: the layer of Eq. 6, Eqs. 1 and 3 with a curvature per row, and the loss of Hyper-single."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from hypav import geometry
from hypav.checks import hyper_alignment
from hypav.checks.framework import Case, FunctionCheck, ModuleCheck, variant


def _embeddings(seed: int, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """phi_v and phi_a as after a ReLU, with lengths on both sides of the balls' radii."""
    generator = torch.Generator().manual_seed(seed)
    phi = torch.randn(2, rows, columns, generator=generator, dtype=torch.float64).relu() + 0.01
    lengths = torch.exp(torch.linspace(-1.5, 2, rows, dtype=torch.float64)).unsqueeze(1)
    return phi[0] * lengths, phi[1] * lengths.flip(0)


class CurvatureLayer(nn.Module):
    """Eq. 6: c_0 sigmoid(W [phi_v ; phi_a] + b), (N, N_c)."""

    def __init__(self, dim: int, N_c: int = 1, c_0: float = -0.4) -> None:
        super().__init__()
        self.linear, self.c_0 = nn.Linear(2 * dim, N_c, dtype=torch.float64), c_0

    def forward(self, phi_v: Tensor, phi_a: Tensor) -> Tensor:
        """Curvatures of phi_v and phi_a (N, dim)."""
        return self.c_0 * torch.sigmoid(self.score(phi_v, phi_a))

    def score(self, phi_v: Tensor, phi_a: Tensor) -> Tensor:
        """s, before the sigmoid."""
        return self.linear(torch.cat((phi_v, phi_a), dim=1))


def _wrong(forward: Callable[..., Tensor]) -> type[nn.Module]:
    return variant(CurvatureLayer, forward=forward)


layer = ModuleCheck(
    "The layer of Eq. 6",
    CurvatureLayer,
    [((3, 1, -0.4), {}, _embeddings(7, 6, 3)), ((4, 2, -1.5), {}, _embeddings(8, 5, 4))],
    {
        "you concatenate the sound first. The paper's order is [φ_v ; φ_a].": _wrong(
            lambda self, v, a: CurvatureLayer.forward(self, a, v)
        ),
        "c_0 is inside your sigmoid, so k lies between 0 and 1, and no space is hyperbolic.": _wrong(
            lambda self, v, a: torch.sigmoid(self.c_0 * self.score(v, a))
        ),
        "the sigmoid is missing, so k can take any value and sign.": _wrong(
            lambda self, v, a: self.c_0 * self.score(v, a)
        ),
        "the factor c_0 is missing, and with it the sign: your k are positive.": _wrong(
            lambda self, v, a: torch.sigmoid(self.score(v, a))
        ),
        "you wrote -0.4 where c_0 belongs. It is an argument.": _wrong(
            lambda self, v, a: -0.4 * torch.sigmoid(self.score(v, a))
        ),
        "you give every sample the mean of the batch. Eq. 6 has one curvature per sample.": _wrong(
            lambda self, v, a: CurvatureLayer.forward(self, v, a).mean(0).expand(len(v), -1)
        ),
        "you took tanh, which runs from -1 to 1, so half of your spaces are spherical.": _wrong(
            lambda self, v, a: self.c_0 * torch.tanh(self.score(v, a))
        ),
        "you took a softmax over the batch. The sigmoid treats each sample separately.": _wrong(
            lambda self, v, a: self.c_0 * torch.softmax(self.score(v, a), 0)
        ),
        "you add c_0. Eq. 6 multiplies by it.": _wrong(
            lambda self, v, a: self.c_0 + torch.sigmoid(self.score(v, a))
        ),
    },
    praise="One layer with 601 numbers, for phi with 300 numbers: that is all Hyper-single adds to the network.",
)


def _row_tangent(phi: Tensor, k: Tensor, *, xi: float = 1e-3) -> Tensor:
    return hyper_alignment.tangent.reference(phi, k=k, xi=xi)


def _rows() -> list[Case]:
    cases: list[Case] = []
    for seed, xi in ((3, 1e-3), (4, 0.1)):
        phi, _ = _embeddings(seed, 6, 4)
        k = -torch.tensor([0.05, 0.2, 0.4, 1.3, 0.2, 0.6], dtype=torch.float64).unsqueeze(1)
        cases.append(((phi, k), {"xi": xi}))
    return cases


def _all_to_the_rim(phi: Tensor, k: Tensor, xi: float) -> Tensor:
    return torch.atanh(torch.tensor(1 - xi)) * geometry.ball_radius(k) * phi / phi.norm(dim=1, keepdim=True)


row_tangent = FunctionCheck(
    "Eq. 1 and Eq. 3 with a curvature per row",
    _row_tangent,
    _rows(),
    {
        "Eq. 3 is missing: these are points of the balls.": lambda phi, k, *, xi: geometry.project(
            phi, k=k, xi=xi
        ),
        "you stretch the short rows to the rim as well. Eq. 1 leaves them as they are.": lambda phi, k, *, xi: (
            _all_to_the_rim(phi, k, xi)
        ),
        "all rows have the mean curvature. Each row has its own.": lambda phi, k, *, xi: _row_tangent(
            phi, k.mean().expand_as(k), xi=xi
        ),
        "all rows have the curvature of the first one. Each row has its own.": lambda phi, k, *, xi: (
            _row_tangent(phi, k[:1].expand_as(k), xi=xi)
        ),
        "your arrows are twice as long. At the origin Eq. 3 halves the distance.": lambda phi, k, *, xi: (
            2 * _row_tangent(phi, k, xi=xi)
        ),
        "the factor 1/√|k| in front of artanh is missing.": lambda phi, k, *, xi: (
            _row_tangent(phi, k, xi=xi) / geometry.ball_radius(k)
        ),
        "you wrote tanh. Eq. 3 has its inverse, artanh.": lambda phi, k, *, xi: (
            geometry.ball_radius(k)
            * torch.tanh(
                geometry.project(phi, k=k, xi=xi).norm(dim=1, keepdim=True) / geometry.ball_radius(k)
            )
            * phi
            / phi.norm(dim=1, keepdim=True)
        ),
        "you multiply by the whole row. Eq. 3 multiplies a length by a unit vector.": lambda phi, k, *, xi: (
            _row_tangent(phi, k, xi=xi) * phi.norm(dim=1, keepdim=True)
        ),
        "you pass no xi: the margin is an argument of your function.": lambda phi, k, *, xi: _row_tangent(
            phi, k, xi=0.01
        ),
    },
    praise="The length of a row that Eq. 1 cuts now tells its curvature, and nothing else.",
)


def _single(
    phi_v: Tensor,
    phi_a: Tensor,
    layer: nn.Module,
    *,
    xi: float = 1e-3,
    loss: Callable[..., Tensor] = hyper_alignment.eq4.reference,
) -> Tensor:
    """Eq. 4, or the same mistake in Eq. 4, with a layer's curvatures."""
    k = layer(phi_v, phi_a)
    return loss(_row_tangent(phi_v, k, xi=xi), _row_tangent(phi_a, k, xi=xi))


def _fixed(seed: int, dim: int) -> CurvatureLayer:
    layer, generator = CurvatureLayer(dim), torch.Generator().manual_seed(seed)
    for parameter in layer.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return layer


single_loss = FunctionCheck(
    "The loss of Hyper-single",
    _single,
    [((*_embeddings(seed, 6, 4), _fixed(seed, 4)), {"xi": 0.01}) for seed in (9, 10)],
    {
        sentence: partial(_single, loss=wrong)
        for sentence, wrong in hyper_alignment.eq4.mistakes.items()
        if "subtract first" not in sentence
    },
    praise="Video and sound share one curvature per video. The check cannot see which curvatures you used. Why not?",
)
