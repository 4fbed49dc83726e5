"""Gromov's delta at one base point against the row-wise max-min product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from hypav.hyperbolicity import distances, search


def gaussian(n: int) -> Tensor:
    return torch.randn(n, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def clustered(n: int) -> Tensor:
    """ReLU features of 50 classes, as theta_v is."""
    g = torch.Generator().manual_seed(0)
    centres = torch.randn(50, 64, generator=g, dtype=torch.float64)
    noise = 0.3 * torch.randn(n, 64, generator=g, dtype=torch.float64)
    return (centres[torch.randint(50, (n,), generator=g)] + noise).relu()


def row_wise(d: Tensor) -> Tensor:
    """max_ij [max_k min(A_ik, A_kj) - A_ij], one row i at a time: n^3 terms, O(n^2) memory."""
    A = (d[0][:, None] + d[0][None] - d) / 2
    return torch.stack([(torch.minimum(row[:, None], A).amax(0) - row).amax() for row in A]).amax()


POINTS = {"Gaussian": (gaussian, 100), "clustered": (clustered, 10)}


@pytest.mark.parametrize("kind", list(POINTS))
@pytest.mark.parametrize("n", [1500, 2000])
def test_one_base_point(side_by_side: Callable[..., float], benchmark: Any, kind: str, n: int) -> None:
    make, goal = POINTS[kind]
    x = make(200 if benchmark.disabled else n)
    d = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    result: dict[str, Tensor] = {}
    side_by_side(
        f"delta at one base point, n = {n}, {kind}",
        lambda: result.update(ours=search(distances(d))),
        lambda: result.update(reference=row_wise(d)),
        at_least=goal,
        rounds=1,
    )
    assert torch.equal(result["ours"], result["reference"])
