"""Where the curvatures come from: Eq. 6's layer, its range and its sign, and fixed numbers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor, nn

from hypav.alignment import Adaptive, AdaptiveCurvature, FixedCurvature
from hypav.errors import SettingError

N, DIM = 9, 6


def phis(seed: int, scale: float = 1.0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    g = Generator().manual_seed(seed)
    one, other = (scale * torch.randn(N, DIM, generator=g, dtype=torch.float64) for _ in range(2))
    return one.to(dtype), other.to(dtype)


def layer(settings: Adaptive, seed: int = 0, dtype: torch.dtype = torch.float64) -> AdaptiveCurvature:
    return AdaptiveCurvature(settings, DIM, Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("N_c", [1, 2, 3, 7])
@pytest.mark.parametrize("c_0", [-0.4, -3.0, 0.4])
def test_one_row_a_sample_one_column_a_head_between_zero_and_c_0(N_c: int, c_0: float) -> None:
    k = layer(Adaptive(N_c, c_0))(*phis(1))
    share = k / c_0
    assert k.shape == (N, N_c)
    assert ((share > 0) & (share < 1)).all()
    assert (k.std(dim=0) > 0).all()  # each sample has its own


def test_it_is_equation_6_with_video_before_audio() -> None:
    curvature = layer(Adaptive(2, -0.4))
    phi_v, phi_a = phis(2)
    k = curvature(phi_v, phi_a)
    weight, bias = curvature.layer.weight, curvature.layer.bias
    for i in range(N):
        for head in range(2):
            z = weight[head, :DIM] @ phi_v[i] + weight[head, DIM:] @ phi_a[i] + bias[head]
            assert k[i, head].item() == pytest.approx(-0.4 / (1 + math.exp(-z.item())), rel=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_saturated_layer_stays_within_the_closed_range(dtype: torch.dtype) -> None:
    k = layer(Adaptive(3, -0.4), dtype=dtype)(*phis(3, scale=1e6, dtype=dtype))
    assert k.dtype == dtype
    assert k.isfinite().all()
    assert ((k <= 0) & (k >= torch.tensor(-0.4, dtype=dtype))).all()


def test_the_weights_learn_and_the_samples_get_gradients() -> None:
    curvature = layer(Adaptive(2))
    phi_v, phi_a = (x.requires_grad_() for x in phis(4))
    assert torch.autograd.gradcheck(curvature, (phi_v, phi_a))
    curvature(phi_v, phi_a).sum().backward()
    assert {name for name, _ in curvature.named_parameters()} == {"layer.weight", "layer.bias"}
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in curvature.parameters())


def test_the_weights_are_torchs_default_from_the_generator_alone() -> None:
    before = torch.default_generator.get_state()
    one, same, other = layer(Adaptive(3), 5), layer(Adaptive(3), 5), layer(Adaptive(3), 6)
    assert torch.equal(torch.default_generator.get_state(), before)
    assert torch.equal(one.layer.weight, same.layer.weight)
    assert not torch.equal(one.layer.weight, other.layer.weight)
    seed = int(torch.randint(2**62, (), generator=Generator().manual_seed(5)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        reference = nn.Linear(2 * DIM, 3).double()
    # torch scales its uniform numbers in float32
    torch.testing.assert_close(one.layer.weight, reference.weight, rtol=0, atol=2**-23)
    torch.testing.assert_close(one.layer.bias, reference.bias, rtol=0, atol=2**-23)


@pytest.mark.parametrize("curvatures", [(-0.2,), (0.0, 0.2), (-0.1, 0, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fixed_curvatures_are_one_row_and_have_no_weights(
    curvatures: tuple[float, ...], dtype: torch.dtype
) -> None:
    fixed = FixedCurvature(curvatures)
    k = fixed(*phis(7, dtype=dtype))
    assert k.dtype == dtype
    assert k.shape == (1, len(curvatures))
    assert torch.equal(k[0], torch.tensor(curvatures, dtype=dtype))  # the sign is kept
    assert list(fixed.parameters()) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"N_c": 0}, "N_c is 0"),
        ({"N_c": -1}, "N_c is -1"),
        ({"N_c": 1.5}, "N_c is 1.5"),
        ({"c_0": 0.0}, "c_0 is 0.0"),
        ({"c_0": math.nan}, "c_0 is nan"),
        ({"c_0": math.inf}, "c_0 is inf"),
        ({"c_0": "hyperbolic"}, "c_0 is hyperbolic"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        Adaptive(**settings)


@pytest.mark.parametrize(
    "curvatures", [(), [], (math.nan,), (-0.2, math.inf), ("-0.2",), "H+S", None, {-0.2}]
)
def test_fixed_curvatures_must_be_finite_numbers(curvatures: object) -> None:
    with pytest.raises(SettingError, match="give one finite number or more"):
        FixedCurvature(curvatures)  # type: ignore[arg-type]
