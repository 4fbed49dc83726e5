"""The alignment loss with its gradient: heads together, compared with one head after the other as released."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from released import one_head
from test_costs_bench import bytes_kept

from hypav.alignment import head_losses, preset


@pytest.mark.parametrize("N_c", [1, 2, 3])
@pytest.mark.parametrize("N", [256, 2048])
def test_heads_together(
    side_by_side: Callable[..., float], benchmark: Any, note: Callable[[str], None], N: int, N_c: int
) -> None:
    g = torch.Generator().manual_seed(0)
    v, a = (torch.randn(N, 300, generator=g).relu().requires_grad_() for _ in range(2))
    c = 0.4 * torch.rand(N, N_c, generator=g)
    config = preset("released")
    together = head_losses(v, a, -c, config)
    apart = torch.stack([one_head(v, a, c[:, h : h + 1]) for h in range(N_c)])
    torch.testing.assert_close(together, apart, rtol=1e-3, atol=1e-9)

    def released() -> None:
        torch.autograd.grad(torch.stack([one_head(v, a, c[:, h : h + 1]) for h in range(N_c)]).mean(), (v, a))

    side_by_side(
        f"alignment loss and gradient, N = {N}, N_c = {N_c}",
        lambda: torch.autograd.grad(head_losses(v, a, -c, config).mean(), (v, a)),
        released,
        rounds=5,
    )
    if not benchmark.disabled:
        kept = bytes_kept(lambda: head_losses(v, a, -c, config)) / (4 * N * N * N_c)
        note(f"alignment, N = {N}, N_c = {N_c}: keeps {kept:.1f} N x N matrices per head for its gradient")
