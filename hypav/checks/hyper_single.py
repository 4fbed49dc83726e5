"""Checks of notebook 07: Eq. 6, where it begins, its slope, the length it gives, and how fast weight decay empties it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from hypav.checks.framework import FunctionCheck, NumberCheck

Case = tuple[tuple[Any, ...], dict[str, Any]]


def _layers() -> list[Case]:
    generator = torch.Generator().manual_seed(7)
    cases: list[Case] = []
    for c_0, size in ((-0.4, 3), (-1.5, 4)):
        phi_v, phi_a = torch.randn(2, 6, size, generator=generator, dtype=torch.float64).relu()
        weight = torch.randn(2 * size, generator=generator, dtype=torch.float64)
        cases.append(((phi_v, phi_a, weight, 0.7), {"c_0": c_0}))
    return cases


def _linear(phi_v: Tensor, phi_a: Tensor, weight: Tensor, bias: float) -> Tensor:
    return torch.cat((phi_v, phi_a), 1) @ weight + bias


eq6 = FunctionCheck(
    "Eq. 6",
    lambda phi_v, phi_a, weight, bias, *, c_0: c_0 * torch.sigmoid(_linear(phi_v, phi_a, weight, bias)),
    _layers(),
    {
        "you concatenate the sound first; the paper's order "
        "is [φ_v ; φ_a], and the weights have this order.": lambda phi_v, phi_a, weight, bias, *, c_0: (
            c_0 * torch.sigmoid(_linear(phi_a, phi_v, weight, bias))
        ),
        "c_0 is inside your sigmoid: then "
        "k lies between 0 and 1, and no space is hyperbolic.": lambda phi_v, phi_a, weight, bias, *, c_0: (
            torch.sigmoid(c_0 * _linear(phi_v, phi_a, weight, bias))
        ),
        "the sigmoid is missing: k may take any value and sign.": lambda phi_v, phi_a, weight, bias, *, c_0: (
            c_0 * _linear(phi_v, phi_a, weight, bias)
        ),
        "the factor c_0 is "
        "missing, and with it the sign: your k are positive.": lambda phi_v, phi_a, weight, bias, *, c_0: (
            torch.sigmoid(_linear(phi_v, phi_a, weight, bias))
        ),
        "the bias is missing.": lambda phi_v, phi_a, weight, bias, *, c_0: (
            c_0 * torch.sigmoid(_linear(phi_v, phi_a, weight, 0.0))
        ),
        "you give every sample the mean "
        "of the batch; Eq. 6 has one curvature per sample.": lambda phi_v, phi_a, weight, bias, *, c_0: (
            (c_0 * torch.sigmoid(_linear(phi_v, phi_a, weight, bias))).mean().expand(len(phi_v))
        ),
        "you took tanh, whose values run from "
        "-1 to 1, so that half of your spaces are spherical.": lambda phi_v, phi_a, weight, bias, *, c_0: (
            c_0 * torch.tanh(_linear(phi_v, phi_a, weight, bias))
        ),
        "you applied a softmax, which makes the samples of a batch "
        "compete; the sigmoid treats each sample separately.": lambda phi_v, phi_a, weight, bias, *, c_0: (
            c_0 * torch.softmax(_linear(phi_v, phi_a, weight, bias), 0)
        ),
    },
    praise="One layer with 601 numbers, for phi of length 300: that is all Hyper-single adds to the network.",
)

_SHARE = 0.9

start_bias = NumberCheck(
    "The bias with which a layer without weights gives k = 0.9 c_0",
    math.log(_SHARE / (1 - _SHARE)),
    {
        "the sign is wrong: this gives 0.1 c_0.": -math.log(_SHARE / (1 - _SHARE)),
        "this is the share itself; find the s with sigmoid(s) = 0.9.": _SHARE,
        "this is sigmoid(0.9); use the inverse of the sigmoid.": 1 / (1 + math.exp(-_SHARE)),
        "this is ln 0.9; the inverse of the sigmoid is ln(p/(1 - p)).": math.log(_SHARE),
        "c_0 cancels on both sides: only the share counts.": -0.4 * math.log(_SHARE / (1 - _SHARE)),
        "this is the inverse of tanh at 0.9, half of the right value.": math.atanh(_SHARE),
    },
    praise="With a bias of 0, as the layer nearly has, k begins at c_0/2.",
)


def _share(k: Tensor, c_0: float) -> Tensor:
    return k / c_0


slope = FunctionCheck(
    "dk/ds of Eq. 6",
    lambda k, *, c_0: k * (1 - _share(k, c_0)),
    [
        ((torch.linspace(0.05, 0.95, 5, dtype=torch.float64) * c_0,), {"c_0": c_0})
        for c_0 in (-0.4, -1.5, 0.7)
    ],
    {
        "this is the slope of the sigmoid itself: multiply by c_0.": lambda k, *, c_0: (
            _share(k, c_0) * (1 - _share(k, c_0))
        ),
        "you used k instead of the sigmoid: σ = k/c_0.": lambda k, *, c_0: c_0 * k * (1 - k),
        "k(1 - k) would be right for c_0 = 1 only.": lambda k, *, c_0: k * (1 - k),
        "this is the slope at s = 0, c_0/4, for every s; it falls towards both ends.": lambda k, *, c_0: (
            torch.full_like(k, c_0 / 4)
        ),
        "the sign is wrong: for c_0 < 0, k falls as s grows.": lambda k, *, c_0: -k * (1 - _share(k, c_0)),
        "you squared c_0: k = c_0 σ holds one c_0 already.": lambda k, *, c_0: c_0 * k * (1 - _share(k, c_0)),
        "you left out the factor 1 - σ.": lambda k, *, c_0: k.clone(),
    },
    praise="It is 0 at both ends: a layer whose k has come to 0 or to c_0 hardly comes back.",
)


def _root(k: Tensor) -> Tensor:
    return k.abs().sqrt()


tangent_length = FunctionCheck(
    "The length of a cut row after Eq. 3",
    lambda k, *, xi: math.atanh(1 - xi) / _root(k),
    [((torch.tensor([-0.05, -0.2, -0.4, -1.3], dtype=torch.float64),), {"xi": xi}) for xi in (1e-3, 0.1)],
    {
        "this is "
        "the length after Eq. 1, the radius at which the row is cut; Eq. 3 comes next.": lambda k, *, xi: (
            (1 - xi) / _root(k)
        ),
        "1/√|k| is missing: this is right for k = -1 only.": lambda k, *, xi: math.atanh(1 - xi) + 0 * k,
        "you divide by |k|; Eq. 3 has its root.": lambda k, *, xi: math.atanh(1 - xi) / k.abs(),
        "you multiply by √|k|; divide.": lambda k, *, xi: math.atanh(1 - xi) * _root(k),
        "this is the distance "
        "to the origin, 2 artanh(·)/√|k|; the tangent vector of Eq. 3 is half as long.": lambda k, *, xi: (
            2 * math.atanh(1 - xi) / _root(k)
        ),
        "you used tanh instead of its inverse.": lambda k, *, xi: math.tanh(1 - xi) / _root(k),
        "you put the cut "
        "length (1 - ξ)/√|k| into artanh without the factor √|k| that Eq. 3 has there.": lambda k, *, xi: (
            torch.atanh((1 - xi) / _root(k)) / _root(k)
        ),
    },
    praise="So in Hyper-single the length of a cut row tells its curvature, and nothing else.",
)

_INPUTS, _RATE = 600, 1e-3

shrink_steps = NumberCheck(
    "The number of Adam steps of 0.001 from the largest weight to 0",
    1 / math.sqrt(_INPUTS) / _RATE,
    {
        "torch's bound is 1/√600, not 1/600.": 1 / _INPUTS / _RATE,
        "you let the weight shrink in proportion to itself by lr · decay, "
        "as without Adam's division: Adam's step has the length lr for any gradient.": 1 / (_RATE * 1e-5),
        "the layer has 600 inputs, 300 of each modality.": 1 / math.sqrt(_INPUTS / 2) / _RATE,
        "this is for the mean weight; the question is about the largest, 1/√600.": 0.5
        / math.sqrt(_INPUTS)
        / _RATE,
        "this is √600: divide the weight by the step.": math.sqrt(_INPUTS),
        "this is the weight; divide it by the length of a step.": 1 / math.sqrt(_INPUTS),
    },
    praise="An epoch of the released schedule has 500 steps.",
    tolerance=0.025,
)
