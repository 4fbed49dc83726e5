"""Gromov's delta: at one base point against the row-wise max-min product, and over all base points."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from hypav.hyperbolicity import gromov_delta, gromov_delta_all


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
        lambda: result.update(ours=gromov_delta(d)),
        lambda: result.update(reference=row_wise(d)),
        at_least=goal,
        rounds=1,
    )
    assert torch.equal(result["ours"], result["reference"])


@pytest.mark.parametrize(("kind", "n"), [("clustered", 500), ("Gaussian", 1000)])
def test_all_base_points(
    benchmark: Any, note: Callable[[str], None], goal: Callable[..., None], kind: str, n: int
) -> None:
    make, _ = POINTS[kind]
    n = 60 if benchmark.disabled else n
    x = make(n)
    d = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    start = time.perf_counter()
    delta = benchmark.pedantic(gromov_delta_all, args=(d,), rounds=1)
    took = time.perf_counter() - start
    if not benchmark.disabled:
        rows = 20
        start = time.perf_counter()
        for base in range(rows):
            A = (d[base][:, None] + d[base][None] - d) / 2
            for row in A[:rows]:
                torch.minimum(row[:, None], A).amax(0)
        naive = (time.perf_counter() - start) / rows**2 * n**2
        goal(f"delta over all {n} base points, {kind}", took, "s", at_most=5)
        note(f"  the naive loop over them, extrapolated: {naive:.0f} s")
    else:
        largest = torch.stack([row_wise(d.roll((i, i), (0, 1))) for i in range(n)]).amax()
        torch.testing.assert_close(delta, largest, rtol=1e-13, atol=0)
