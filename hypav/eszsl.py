"""ESZSL, a linear method in closed form: the reference that every network should beat first.

Romera-Paredes & Torr, "An embarrassingly simple approach to zero-shot learning", ICML 2015. A sample x and the text w of
a class have the compatibility x^T V w. V minimises the squared error with one ridge per side:

    V = (X^T X + gamma I)^-1  X^T Y W  (W^T W + lambda I)^-1,     X (N, D), Y (N, K) in {0, 1}, W (K, D_w)

It needs no random numbers and no training loop. gamma, lambda and beta are chosen on val only.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from hypav.data.features import FeatureSet, Phase
from hypav.errors import DataError, SettingError
from hypav.evaluation import Metrics, Scores
from hypav.utils import as_tensor, device_of

MODALITIES = ("audio", "video", "both")
# 1e-6, 3e-6, 1e-5, ..., 3e6: where the grid may widen to. Beyond, one ridge is as good as none, or as any larger one.
RIDGES = tuple(float(f"{digit}e{power}") for power in range(-6, 7) for digit in (1, 3))
START = RIDGES[10:16]  # .1 to 30


class Ridge(NamedTuple):
    """The two ridges: gamma for the features, lam (lambda) for the text."""

    gamma: float
    lam: float


class Reference(NamedTuple):
    """The scores on test, and the beta and the ridges that were chosen on val."""

    scores: Scores
    beta: float
    ridge: Ridge

    @property
    def metrics(self) -> Metrics:
        """S, U, HM and ZSL on test."""
        return self.scores.metrics(self.beta)


def eszsl_reference(data: FeatureSet, modality: str = "both") -> Reference:
    """ESZSL by the protocol of the benchmark: all choices on val, then one fit on train_val and one test.

    The ridges and beta give the highest HM on val over all real betas, after a fit on train.
    """
    ridge = choose_ridge(data, modality)
    beta = eszsl_scores(data.phase("train"), data.phase("val"), modality, ridge).exact_optimum().beta
    return Reference(eszsl_scores(data.phase("train_val"), data.phase("test"), modality, ridge), beta, ridge)


def eszsl_scores(train: Phase, test: Phase, modality: str, ridge: Ridge) -> Scores:
    """The scores of `test` in float64 after a fit on `train`; distances are negative compatibilities."""
    row = torch.searchsorted(train.classes, train.label)
    features, text = linear_features(train, modality), train.text.double()
    V = fit_eszsl(features, row, text, gamma=ridge.gamma, lam=ridge.lam)
    return Scores.of(test, -compatibility(linear_features(test, modality), V, test.text.double()))


def choose_ridge(data: FeatureSet, modality: str = "both") -> Ridge:
    """The ridges with the highest HM on val over all real betas, after a fit on train; of equals the first.

    The grid starts as START and is widened by the next of RIDGES until the choice is inside it.
    """
    train, val = data.phase("train"), data.phase("val")
    row = torch.searchsorted(train.classes, train.label)
    solver = _Solver(linear_features(train, modality), row, train.text.double())
    features, text = linear_features(val, modality) @ solver.x_vectors, val.text.double() @ solver.w_vectors
    axes = [list(START), list(START)]
    found: dict[Ridge, float] = {}
    while True:
        for pair in map(Ridge._make, product(*axes)):
            if pair not in found:
                scores = Scores.of(val, -compatibility(features, solver.solve(*pair), text))
                found[pair] = scores.exact_optimum().HM
        best = max(found, key=lambda pair: found[pair])
        if not sum(_widen(axis, ridge) for axis, ridge in zip(axes, best, strict=True)):
            return best


def _widen(axis: list[float], chosen: float) -> bool:
    """Add the next ridge beyond the end of `axis` that was chosen; False if it is not at an end, or at that of RIDGES."""
    low, high = RIDGES.index(axis[0]), RIDGES.index(axis[-1])
    if chosen == axis[0] and low > 0:
        axis.insert(0, RIDGES[low - 1])
    elif chosen == axis[-1] and high + 1 < len(RIDGES):
        axis.append(RIDGES[high + 1])
    else:
        return False
    return True


def fit_eszsl(features: Tensor, label: Tensor, text: Tensor, *, gamma: float, lam: float) -> Tensor:
    """V (D, D_w), fitted with two positive ridges to features (N, D), label (N,) and text (K, D_w).

    label holds the row of text of each sample.

    Raises:
        SettingError: a ridge is not a positive number.
        DataError: the shapes do not fit, or a label is not a row of text.
    """
    solver = _Solver(features, label, text)
    return solver.x_vectors @ solver.solve(gamma, lam) @ solver.w_vectors.T


def compatibility(features: Tensor, V: Tensor, text: Tensor) -> Tensor:
    """x^T V w for every sample and class, (N, K), each row scaled to mean 0 and standard deviation 1.

    The plain products grow with the sample's length and with the number of classes that V was fitted on. Without the
    scaling each sample would need another beta.
    """
    tables = {"features": features, "V": V, "text": text}
    device = device_of(*tables.values())
    features, V, text = (as_tensor(name, table, device=device) for name, table in tables.items())
    products = features @ V @ text.T
    centred = products - products.mean(dim=1, keepdim=True)
    tiny = torch.finfo(products.dtype).tiny  # a zero sample has spread 0; its row stays 0
    return centred / centred.std(dim=1, keepdim=True).clamp_min(tiny)


def linear_features(phase: Phase, modality: str) -> Tensor:
    """X (N, D) in float64 with rows of length 1; for "both", the rows of the two modalities concatenated."""
    if modality not in MODALITIES:
        raise SettingError(f"There is no modality {modality!r}; choose one of {', '.join(MODALITIES)}.")
    parts = {"audio": [phase.audio], "video": [phase.video], "both": [phase.audio, phase.video]}[modality]
    return torch.cat([torch.nn.functional.normalize(part.double(), dim=1) for part in parts], dim=1)


class _Solver:
    """The eigenvectors of X^T X and W^T W, computed once for all ridges. In their basis, V is one division per entry."""

    def __init__(self, features: Tensor, label: Tensor, text: Tensor) -> None:
        device = device_of(features, label, text)
        features = as_tensor("features", features, device=device)
        label = as_tensor("label", label, whole=True, device=device)
        text = as_tensor("text", text, device=device)
        shapes = [tuple(table.shape) for table in (features, label, text)]
        if features.ndim != 2 or text.ndim != 2 or label.shape != features.shape[:1] or not len(label):
            raise DataError(
                f"ESZSL needs features (N, D), label (N,) and text (K, D_w), N > 0, not {shapes}."
            )
        if int(label.min()) < 0 or int(label.max()) >= len(text):
            raise DataError(
                f"label goes from {int(label.min())} to {int(label.max())} for {len(text)} rows of text."
            )
        self.x_values, self.x_vectors = torch.linalg.eigh(features.T @ features)
        self.w_values, self.w_vectors = torch.linalg.eigh(text.T @ text)
        # Y W is the text of each sample's class
        self.middle = self.x_vectors.T @ (features.T @ text[label]) @ self.w_vectors

    def solve(self, gamma: float, lam: float) -> Tensor:
        """V (D, D_w) in the basis of the eigenvectors."""
        for name, ridge in (("gamma", gamma), ("lam", lam)):
            if not 0 < ridge < float("inf"):
                raise SettingError(f"{name} is {ridge}; a ridge must be a positive number.")
        return self.middle / (self.x_values[:, None] + gamma) / (self.w_values + lam)
