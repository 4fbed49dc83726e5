"""From embeddings to answers: the class of each sample under calibrated stacking, and how often it is right.

A sample takes the class of least distance + beta [class is seen] (calibrated stacking: Chao et al., ECCV
2016). Only two classes of a sample ever matter, its nearest seen and its nearest unseen one: the answer
switches from the first to the second where beta passes d_unseen - d_seen.

All functions here and in `hypav.evaluation` describe a phase (`hypav.data.features.Phase`) by the same tensors:
    distances (N, K): of each sample to each class, smaller is nearer; of compatibilities pass the negative;
    label (N,): class ids; classes (K,): the sorted class ids of the columns; seen (S,), unseen (U,): their
    two parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from hypav.data.features import PHASES
from hypav.errors import DataError, SettingError


class Nearest(NamedTuple):
    """The nearest columns (N,) of either part, and the last beta (N,), float64, that the seen one wins at."""

    seen: Tensor
    unseen: Tensor
    last_seen: Tensor


def class_distances(theta_v: Tensor, theta_w: Tensor) -> Tensor:
    """Euclidean distances (N, K) from theta_v (N, D) to theta_w (K, D), as the released code has them.

    Raises:
        DataError: where the two do not have the same D, or hold NaN or infinite values.
    """
    if theta_v.ndim != 2 or theta_w.ndim != 2 or theta_v.shape[1] != theta_w.shape[1]:
        raise DataError(
            f"theta_v {tuple(theta_v.shape)} and theta_w {tuple(theta_w.shape)} must be tables of one width."
        )
    for name, theta in (("theta_v", theta_v), ("theta_w", theta_w)):
        _require_finite(name, theta)
    return torch.cdist(theta_v, theta_w, p=2)


def nearest(distances: Tensor, classes: Tensor, seen: Tensor, unseen: Tensor) -> Nearest:
    """The two classes that each sample can be given, and where beta switches between them.

    Raises:
        DataError: where distances are not (N, K), NaN or infinite; seen or unseen is empty; classes is not
            their sorted union.
    """
    _check_columns(distances, classes, seen, unseen)
    distances = distances.detach()
    is_unseen = torch.isin(classes, unseen)
    columns = [distances.masked_fill(other, torch.inf).argmin(dim=1) for other in (is_unseen, ~is_unseen)]
    d_seen, d_unseen = (distances.gather(1, column[:, None])[:, 0].double() for column in columns)
    switch = d_unseen - d_seen
    # At beta = switch the two are equal and the smaller class id wins, as in the released argmin; where that
    # is the unseen one, the seen one wins up to the float before.
    before = torch.nextafter(switch, torch.full_like(switch, -torch.inf))
    return Nearest(columns[0], columns[1], torch.where(columns[1] < columns[0], before, switch))


def predict(distances: Tensor, classes: Tensor, seen: Tensor, unseen: Tensor, beta: float) -> Tensor:
    """The class ids (N,) of least distance + beta [seen]; of equals the smaller id, as released.

    Raises:
        DataError: as `nearest`.
        SettingError: where beta is NaN.
    """
    if beta != beta:
        raise SettingError("beta is NaN; choose it on validation samples or give a number.")
    near = nearest(distances, classes, seen, unseen)
    return classes[torch.where(near.last_seen < beta, near.unseen, near.seen)]


def confusion(
    distances: Tensor, label: Tensor, classes: Tensor, seen: Tensor, unseen: Tensor, beta: float
) -> Tensor:
    """Counts (K, K), int64: row = class of the sample, column = class predicted at beta.

    Raises:
        DataError: as `check_phase`.
        SettingError: where beta is NaN.
    """
    check_phase(distances, label, classes, seen, unseen)
    truth = torch.searchsorted(classes, label)
    answer = torch.searchsorted(classes, predict(distances, classes, seen, unseen, beta))
    size = len(classes)
    return torch.bincount(truth * size + answer, minlength=size * size).reshape(size, size)


def per_class_recall(
    distances: Tensor, label: Tensor, classes: Tensor, seen: Tensor, unseen: Tensor, beta: float
) -> Tensor:
    """Recall (K,), float64, of each class at beta: S is its mean over seen classes, U over unseen ones.

    Raises: as `confusion`.
    """
    counts = confusion(distances, label, classes, seen, unseen, beta)
    return counts.diagonal().double() / counts.sum(dim=1)


def per_group_recall(
    distances: Tensor,
    label: Tensor,
    classes: Tensor,
    seen: Tensor,
    unseen: Tensor,
    beta: float,
    groups: Sequence[str],
) -> dict[str, float]:
    """Mean class recall at beta of each group that has a class in this phase, by name.

    Args:
        groups: the group of every class id of the whole set, as `FeatureSet.groups` holds them.

    Raises:
        DataError: where a class has no group; the rest as `confusion`.
    """
    recall = per_class_recall(distances, label, classes, seen, unseen, beta)
    if len(groups) <= int(classes[-1]):
        raise DataError(f"groups names {len(groups)} classes, but there is a class of id {int(classes[-1])}.")
    members: dict[str, list[float]] = {}
    for class_id, value in zip(classes.tolist(), recall.tolist(), strict=True):
        members.setdefault(groups[class_id], []).append(value)
    return {name: sum(values) / len(values) for name, values in sorted(members.items())}


def check_phase(distances: Tensor, label: Tensor, classes: Tensor, seen: Tensor, unseen: Tensor) -> None:
    """Refuse what would end in 0/0, NaN or a wrong column.

    Raises:
        DataError: as `nearest`, and where there is not one label a sample, a label is of none of the
        classes, or a
            class has no sample (its recall would be 0/0).
    """
    _check_columns(distances, classes, seen, unseen)
    if label.shape != distances.shape[:1]:
        raise DataError(f"There are {len(distances)} rows of distances but label is {tuple(label.shape)}.")
    stray = label[~torch.isin(label, classes)]
    if len(stray):
        raise DataError(
            f"{len(stray)} samples are of none of the {len(classes)} classes, the first of class "
            f"{int(stray[0])}; leave them out."
        )
    absent = classes[~torch.isin(classes, label)]
    if len(absent):
        raise DataError(
            f"{len(absent)} classes have no sample, so their recall is 0/0, the first is class "
            f"{int(absent[0])}; leave them out of classes."
        )


def _check_columns(distances: Tensor, classes: Tensor, seen: Tensor, unseen: Tensor) -> None:
    if distances.ndim != 2 or len(distances) == 0 or distances.shape[1] != len(classes):
        raise DataError(
            f"distances {tuple(distances.shape)} must have a row for each sample and a column for each of "
            f"the {len(classes)} classes."
        )
    if not distances.is_floating_point():
        raise DataError(f"distances must be floating-point numbers, not {distances.dtype}.")
    for name, ids in (("seen", seen), ("unseen", unseen)):
        if len(ids) == 0:
            raise DataError(
                f"There is no {name} class; S, U and HM need both, as phases val and test have them."
            )
    if not torch.equal(torch.cat([seen, unseen]).sort().values, classes):
        raise DataError("classes must be the sorted class ids of seen and unseen together, each once.")
    _require_finite("distances", distances)


def _require_finite(name: str, table: Tensor) -> None:
    bad = ~torch.isfinite(table).all(dim=1)
    if bool(bad.any()):
        raise DataError(
            f"{name} has NaN or infinite values in {int(bad.sum())} of {len(table)} rows, first in row "
            f"{int(bad.nonzero()[0])}; look at the features, or for a training that diverged."
        )


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
