"""The evaluation protocol of generalised zero-shot learning: S, U, HM and ZSL, and the choice of beta.

S and U are the per-class recalls averaged over seen and over unseen classes, HM is their harmonic mean, ZSL
the mean recall where only unseen classes may be answered (Xian et al., TPAMI 2019; Hong et al., ICCV 2023,
Sec. 4.1). `hypav.predictions` says what the arguments are that all functions share, and how beta acts.

As functions of beta, S and U are steps: S falls and U rises where a sample switches from its nearest seen
class to its nearest unseen one. Those at most N steps are counted once, in float64, and any set of betas is
looked up in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hypav.data.features import PHASES
from hypav.errors import SettingError
from hypav.predictions import (
    check_phase,
    class_distances,
    confusion,
    nearest,
    per_class_recall,
    per_group_recall,
    predict,
)

__all__ = [
    "RELEASED_BETAS",
    "Curve",
    "Metrics",
    "ausuc",
    "choose_beta",
    "choose_beta_on_test",
    "class_distances",
    "confusion",
    "exact_curve",
    "exact_optimum",
    "gzsl",
    "harmonic_mean",
    "per_class_recall",
    "per_group_recall",
    "predict",
    "sweep",
]

# The released grid, linspace(0, 3, 16). Its final test turns beta = 0 into 1e-10, which float32 distances
# round away.
RELEASED_BETAS: tuple[float, ...] = tuple(step / 5 for step in range(16))


@dataclass(frozen=True)
class Metrics:
    """S, U, HM and ZSL as fractions in [0, 1], and the beta they were taken at."""

    S: float
    U: float
    HM: float
    ZSL: float
    beta: float


@dataclass(frozen=True)
class Curve:
    """S, U and HM (B,), float64, at each of betas (B,); and ZSL, which has no beta."""

    betas: Tensor
    S: Tensor
    U: Tensor
    HM: Tensor
    ZSL: float

    def at(self, index: int) -> Metrics:
        """The metrics at betas[index]."""
        S, U, HM, beta = (float(values[index]) for values in (self.S, self.U, self.HM, self.betas))
        return Metrics(S=S, U=U, HM=HM, ZSL=self.ZSL, beta=beta)

    def best(self) -> Metrics:
        """The metrics at the first maximum of HM. Of test samples this is an upper bound, never a result."""
        return self.at(int(self.HM.argmax()))


def harmonic_mean(S: Tensor, U: Tensor) -> Tensor:
    """HM = 2 S U / (S + U), with the released code's 2.2e-16 so that S = U = 0 gives 0."""
    return 2 * S * U / (S + U + 2.2e-16)


def sweep(
    distances: Tensor,
    label: Tensor,
    classes: Tensor,
    seen: Tensor,
    unseen: Tensor,
    betas: Sequence[float] | Tensor = RELEASED_BETAS,
) -> Curve:
    """S, U and HM at each of the betas (B,), and ZSL.

    Raises:
        DataError: where distances are not (N, K), NaN or infinite; classes is not the sorted union of seen
        and
            unseen, or one of these is empty; a label is of none of the classes; a class has no sample.
        SettingError: where betas is empty or holds NaN.
    """
    values = torch.as_tensor(betas, dtype=torch.float64, device=distances.device)
    if values.ndim != 1 or values.numel() == 0 or bool(values.isnan().any()):
        raise SettingError("betas must be a list of at least one number, none of them NaN.")
    return _count_steps(distances, label, classes, seen, unseen).look_up(values)


def gzsl(
    distances: Tensor, label: Tensor, classes: Tensor, seen: Tensor, unseen: Tensor, beta: float
) -> Metrics:
    """S, U, HM and ZSL at one beta, chosen elsewhere (see `choose_beta`). Raises: as `sweep`."""
    return sweep(distances, label, classes, seen, unseen, [beta]).at(0)


def choose_beta(
    distances: Tensor,
    label: Tensor,
    classes: Tensor,
    seen: Tensor,
    unseen: Tensor,
    *,
    phase: str,
    betas: Sequence[float] | Tensor = RELEASED_BETAS,
) -> float:
    """The beta of greatest HM on validation samples, the first of equals, as the released code chooses.

    Args:
        phase: the name of the phase that the samples are of (`Phase.name`).

    Raises:
        SettingError: where phase is "test", since a beta chosen there gives an HM that nobody could have
        obtained,
            or where it is no phase at all.
        DataError, SettingError: as `sweep`.
    """
    if phase not in PHASES:
        raise SettingError(f"There is no phase {phase!r}; choose beta on val.")
    if phase == "test":
        raise SettingError(
            "beta must not be chosen on test samples: choose it on val, "
            "or call choose_beta_on_test to see what peeking would give."
        )
    if phase != "val":
        raise SettingError(
            f"beta is chosen on val, whose unseen classes no training has seen, not on {phase}."
        )
    return sweep(distances, label, classes, seen, unseen, betas).best().beta


def choose_beta_on_test(
    distances: Tensor,
    label: Tensor,
    classes: Tensor,
    seen: Tensor,
    unseen: Tensor,
    betas: Sequence[float] | Tensor = RELEASED_BETAS,
) -> float:
    """The beta of greatest HM on the very samples that are reported, to show how far that flatters.

    Raises: as `sweep`.
    """
    return sweep(distances, label, classes, seen, unseen, betas).best().beta


def exact_curve(distances: Tensor, label: Tensor, classes: Tensor, seen: Tensor, unseen: Tensor) -> Curve:
    """Every (S, U) there is as beta runs over the real line, at most N + 1 of them, by increasing beta.

    Each beta lies well within the interval that has its values, where there is room. The curve runs from the
    nearest seen class for all samples (U = 0) to the nearest unseen one for all (S = 0, U = ZSL). Raises: as
    `sweep`.
    """
    steps = _count_steps(distances, label, classes, seen, unseen)
    edges = torch.unique(steps.last_seen)
    middle = (edges[:-1] + edges[1:]) / 2
    middle = torch.where(middle > edges[:-1], middle, edges[1:])  # between neighbouring floats there is none
    return steps.look_up(torch.cat([edges[:1] - 1, middle, edges[-1:] + 1]))


def exact_optimum(distances: Tensor, label: Tensor, classes: Tensor, seen: Tensor, unseen: Tensor) -> Metrics:
    """The greatest HM over all real betas, negative ones too. Of test samples an upper bound, never a result.

    Raises: as `sweep`.
    """
    return exact_curve(distances, label, classes, seen, unseen).best()


def ausuc(distances: Tensor, label: Tensor, classes: Tensor, seen: Tensor, unseen: Tensor) -> float:
    """Area under the seen-unseen curve, S over U for all real betas, in [0, 1] (Chao et al., ECCV 2016).

    No beta need be chosen. Exact; samples that switch at one and the same beta are joined by a straight line,
    as ties are in an area under the ROC curve. Raises: as `sweep`.
    """
    steps = _count_steps(distances, label, classes, seen, unseen)
    edges = torch.unique(steps.last_seen)
    # At the very beta of a tie, class ids decide who has switched: a point of no width, left out.
    width = torch.nextafter(edges[:-1], edges[1:]) < edges[1:]
    curve = steps.look_up(torch.cat([edges[:1], edges[1:][width], edges[-1:] + 1]))
    return float(torch.trapezoid(curve.S, curve.U))


@dataclass(frozen=True)
class _Steps:
    """S and U (N + 1,) after 0 ... N samples have switched, and the last beta before each switch (N,),
    ascending.
    """

    last_seen: Tensor
    S: Tensor
    U: Tensor

    def look_up(self, betas: Tensor) -> Curve:
        switched = torch.searchsorted(self.last_seen, betas)
        S, U = self.S[switched], self.U[switched]
        return Curve(betas=betas, S=S, U=U, HM=harmonic_mean(S, U), ZSL=float(self.U[-1]))


def _count_steps(distances: Tensor, label: Tensor, classes: Tensor, seen: Tensor, unseen: Tensor) -> _Steps:
    check_phase(distances, label, classes, seen, unseen)
    near = nearest(distances, classes, seen, unseen)
    truth = torch.searchsorted(classes, label)
    part = torch.where(torch.isin(classes, unseen), len(unseen), len(seen))
    # what a right answer adds to S or U: 1 / (samples of its class * classes of its part)
    share = 1 / (torch.bincount(truth).double() * part)[truth]
    last_seen, order = near.last_seen.sort()
    lost = (share * (near.seen == truth))[order]
    won = (share * (near.unseen == truth))[order]
    zero = share.new_zeros(1)
    # S is summed from its end, so that it is 0 there and not a rounding error
    S = torch.cat([zero, lost.flip(0).cumsum(0)]).flip(0)
    return _Steps(last_seen, S=S, U=torch.cat([zero, won.cumsum(0)]))
