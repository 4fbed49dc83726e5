"""Where the curvatures of the alignment heads come from: fixed numbers, or Eq. 6's layer on phi.

k is the sectional curvature (k < 0 hyperbolic, 0 flat, k > 0 spherical). Both kinds return one column a head:
(1, H) fixed, (N, H) adaptive, one row a sample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from hypav.errors import SettingError
from hypav.layers import Linear, isolated_init

__all__ = ["Adaptive", "AdaptiveCurvature", "FixedCurvature", "is_number"]


def is_number(value: object) -> bool:
    """Whether value is a finite int or float."""
    return isinstance(value, int | float) and math.isfinite(value)


@dataclass(frozen=True)
class Adaptive:
    """Settings of the adaptive curvatures: N_c of them, each between 0 and c_0 (Eq. 6; the paper's c_0 is -0.4)."""

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
        # on the device of the training, so that no step copies it there; no part of a checkpoint
        row = torch.tensor([self.curvatures], dtype=torch.float64)
        self.register_buffer("row", row, persistent=False)

    def forward(self, phi_v: Tensor, phi_a: Tensor) -> Tensor:
        """(1, H) in the dtype and on the device of phi_v (N, D)."""
        return self.row.to(phi_v)


class AdaptiveCurvature(nn.Module):
    """Eq. 6: k = c_0 sigmoid(W [phi_v ; phi_a] + b), one fully-connected layer with N_c outputs."""

    def __init__(self, settings: Adaptive, dim_phi: int, generator: Generator) -> None:
        super().__init__()
        self.settings = settings
        with isolated_init(generator):
            self.layer = Linear(2 * dim_phi, settings.N_c)

    def forward(self, phi_v: Tensor, phi_a: Tensor) -> Tensor:
        """(N, N_c) curvatures for phi_v and phi_a, each (N, D), shared by the two modalities of a sample."""
        return self.settings.c_0 * torch.sigmoid(self.layer(torch.cat((phi_v, phi_a), dim=1)))
