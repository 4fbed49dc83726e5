"""A closed-form linear reference for zero-shot learning: what any network should first of all beat.

ESZSL (Romera-Paredes & Torr, "An embarrassingly simple approach to zero-shot learning", ICML 2015) scores a
sample x against the text w of a class by x^T V w, with V of least squared error and a ridge on both sides:

    V = (X^T X + gamma I)^-1  X^T Y W  (W^T W + lambda I)^-1,     X (N, D), Y (N, K) in {0, 1}, W (K, D_w)

There is no random number and no training loop in it. Scores are compatibilities: larger is nearer; `-scores`
goes where `hypav.evaluation` asks for distances. gamma, lambda and beta are to be chosen on val alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hypav.data.features import FeatureSet, Phase
from hypav.errors import DataError, SettingError

MODALITIES = ("audio", "video", "both")
GAMMAS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
LAMBDAS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)

# S, U, HM, ZSL in per cent on the real set yt8m-mini: ridges and beta of greatest HM on val, then fitted on
# train and val together and read once on test. No figure of the paper may stand beside them: other data.
YT8M_MINI_REFERENCE: Mapping[str, tuple[float, float, float, float]] = {
    "audio": (20.1, 24.1, 21.9, 29.5),
    "video": (55.8, 28.5, 37.7, 32.1),
    "both": (57.4, 38.2, 45.9, 41.9),
}


class Ridge(NamedTuple):
    """The two ridges: gamma on the features' side, lam (lambda) on the text's side."""

    gamma: float
    lam: float


def fit_eszsl(features: Tensor, label: Tensor, text: Tensor, *, gamma: float, lam: float) -> Tensor:
    """V (D, D_w) in closed form (Romera-Paredes & Torr 2015, with targets in {0, 1}).

    Args:
        features: X (N, D).
        label: (N,) int64, the row of `text` that each sample belongs to.
        text: W (K, D_w), one row a class.
        gamma, lam: the ridges, greater than 0.

    Raises:
        SettingError: where a ridge is not a positive number.
        DataError: where the shapes do not go together.
    """
    _check(features, label, text, gamma, lam)
    solver = _Solver(features, label, text)
    return solver.x_vectors @ solver.solve(gamma, lam) @ solver.w_vectors.T


def compatibility(features: Tensor, V: Tensor, text: Tensor) -> Tensor:
    """x^T V w for every sample and class, (N, K), each sample's row with mean 0 and standard deviation 1.

    Without this each sample would need a beta of its own: the plain scores grow with the sample's length, and
    with the number of classes that V was fitted on, which differs between stage 1 and stage 2.
    """
    scores = features @ V @ text.T
    centred = scores - scores.mean(dim=1, keepdim=True)
    tiny = torch.finfo(scores.dtype).tiny  # a sample of zeros has no spread; its scores stay 0
    return centred / centred.std(dim=1, keepdim=True).clamp_min(tiny)


def linear_features(phase: Phase, modality: str) -> Tensor:
    """X (N, D) in float64: rows of length 1; of "both", the two modalities' such rows side by side.

    Raises:
        SettingError: where the modality is none of MODALITIES.
    """
    if modality not in MODALITIES:
        raise SettingError(f"There is no modality {modality!r}; choose one of {', '.join(MODALITIES)}.")
    parts = [phase.audio] if modality == "audio" else [phase.video]
    if modality == "both":
        parts = [phase.audio, phase.video]
    return torch.cat([torch.nn.functional.normalize(part.double(), dim=1) for part in parts], dim=1)


def eszsl_scores(train: Phase, test: Phase, modality: str, ridge: Ridge) -> Tensor:
    """Scores (N, K), float64, of the samples and classes of `test` after a fit on `train`.

    Raises:
        SettingError, DataError: as `fit_eszsl` and `linear_features`.
    """
    row = torch.searchsorted(train.classes, train.label)
    V = fit_eszsl(
        linear_features(train, modality), row, train.text.double(), gamma=ridge.gamma, lam=ridge.lam
    )
    return compatibility(linear_features(test, modality), V, test.text.double())


def choose_ridge(
    data: FeatureSet,
    modality: str,
    quality: Callable[[Tensor, Phase], float],
    *,
    gammas: Sequence[float] = GAMMAS,
    lams: Sequence[float] = LAMBDAS,
) -> Ridge:
    """The ridge pair of greatest quality on val after a fit on stage_1_train; of equals the first.

    Args:
        quality: of scores (N, K) on a phase, for instance the best HM over all beta of `hypav.evaluation`.

    Raises:
        SettingError: where a list of ridges is empty; and as `fit_eszsl` and `linear_features`.
    """
    if not gammas or not lams:
        raise SettingError("gammas and lams must each name at least one ridge.")
    train, val = data.phase("train"), data.phase("val")
    features, row = linear_features(train, modality), torch.searchsorted(train.classes, train.label)
    text = train.text.double()
    _check(features, row, text, min(gammas), min(lams))
    solver = _Solver(features, row, text)
    val_features = linear_features(val, modality) @ solver.x_vectors
    val_text = val.text.double() @ solver.w_vectors
    best, chosen = -torch.inf, Ridge(gammas[0], lams[0])
    for gamma in gammas:
        for lam in lams:
            value = quality(compatibility(val_features, solver.solve(gamma, lam), val_text), val)
            if value > best:
                best, chosen = value, Ridge(gamma, lam)
    return chosen


class _Solver:
    """The eigenvectors of X^T X and W^T W, found once for all ridges; in their basis V is a division."""

    def __init__(self, features: Tensor, label: Tensor, text: Tensor) -> None:
        self.x_values, self.x_vectors = torch.linalg.eigh(features.T @ features)
        self.w_values, self.w_vectors = torch.linalg.eigh(text.T @ text)
        # Y W takes for each sample the text of its class
        self.middle = self.x_vectors.T @ (features.T @ text[label]) @ self.w_vectors

    def solve(self, gamma: float, lam: float) -> Tensor:
        """V in the basis of the eigenvectors, (D, D_w)."""
        return self.middle / (self.x_values[:, None] + gamma) / (self.w_values + lam)


def _check(features: Tensor, label: Tensor, text: Tensor, gamma: float, lam: float) -> None:
    for name, ridge in (("gamma", gamma), ("lam", lam)):
        if not 0 < ridge < float("inf"):
            raise SettingError(f"{name} is {ridge}; a ridge must be a positive number.")
    if features.ndim != 2 or text.ndim != 2 or label.shape != features.shape[:1] or not len(label):
        raise DataError(
            f"ESZSL needs features (N, D), label (N,) and text (K, D_w), N > 0, not {tuple(features.shape)}, "
            f"{tuple(label.shape)} and {tuple(text.shape)}."
        )
    if int(label.min()) < 0 or int(label.max()) >= len(text):
        raise DataError(
            f"ESZSL got labels from {int(label.min())} to {int(label.max())} for {len(text)} rows of text; "
            "label must name rows of text (see Phase.classes)."
        )
