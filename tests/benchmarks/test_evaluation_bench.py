"""S, U and HM over the released 16 betas, and the exact optimum over all betas, after the forward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from hypav.evaluation import RELEASED_BETAS, Scores, class_distances

CASES = {"UCF-GZSL": (1820, 51, 9, 101), "VGGSound-GZSL": (12482, 276, 69, 309)}


def phase(case: str) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    samples, count, n_unseen, _ = CASES[case]
    g = torch.Generator().manual_seed(0)
    theta_w = torch.randn(count, 64, generator=g)
    label = torch.arange(samples) % count
    theta_v = theta_w[label] + 2 * torch.randn(samples, 64, generator=g)
    classes = torch.arange(count)
    return theta_v, theta_w, label, classes, classes[n_unseen:], classes[:n_unseen]


def released_loop(case: str) -> tuple[float, float]:
    """As released: distances and two full matrices again for each beta; the recall of all classes by counting."""
    theta_v, theta_w, label, classes, seen, unseen = phase(case)
    count = torch.bincount(label, minlength=CASES[case][3])

    def recall(answer: Tensor, of: Tensor) -> float:
        right = torch.bincount(label[answer == label], minlength=CASES[case][3])
        return float((right[of] / count[of]).mean())

    best = (0.0, 0.0)
    for beta in RELEASED_BETAS:
        full = torch.full((len(theta_v), CASES[case][3]), 99999999999999.0)
        full[:, classes] = torch.cdist(theta_v, theta_w)
        mask = torch.full_like(full, beta)
        mask[:, unseen] = 0
        answer = (full + mask).argmin(dim=1)
        only = torch.full_like(full, 99999999999999.0)
        only[:, unseen] = full[:, unseen]
        recall(only.argmin(dim=1), unseen)
        S, U = recall(answer, seen), recall(answer, unseen)
        best = max(best, (2 * S * U / (S + U + 2.2e-16), -beta))
    return best[0], -best[1]


@pytest.mark.parametrize("case", list(CASES))
def test_the_released_betas(side_by_side: Callable[..., float], benchmark: Any, case: str) -> None:
    if benchmark.disabled and case != "UCF-GZSL":
        pytest.skip("the small case is enough to see that the two agree")
    theta_v, theta_w, *rest = phase(case)
    ours = Scores(class_distances(theta_v, theta_w), *rest).curve().best()
    HM, beta = released_loop(case)
    assert (ours.HM, ours.beta) == pytest.approx((HM, beta), abs=1e-6)
    samples, count = CASES[case][:2]
    side_by_side(
        f"evaluation, {samples} x {count}, 16 betas",
        lambda: Scores(class_distances(theta_v, theta_w), *rest).curve(),
        lambda: released_loop(case),
        at_least=10,
        rounds=5,
    )


@pytest.mark.parametrize("case", list(CASES))
def test_exact_optimum_costs_one_sort(side_by_side: Callable[..., float], case: str) -> None:
    """Compared with the 16 betas: both look up their betas in the same sorted list of switches."""
    theta_v, theta_w, *rest = phase(case)
    distances = class_distances(theta_v, theta_w)
    scores = Scores(distances, *rest)
    assert scores.exact_optimum().HM >= scores.curve().best().HM
    side_by_side(
        f"exact optimum over all betas against 16 betas, {CASES[case][0]} x {CASES[case][1]}",
        lambda: Scores(distances, *rest).exact_optimum(),
        lambda: Scores(distances, *rest).curve(),
        at_most=1.2,
        rounds=9,
    )
