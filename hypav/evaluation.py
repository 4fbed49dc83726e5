"""From distances to results: the predicted class of each sample, and how often the prediction is right.

In generalised zero-shot learning a sample may belong to a class seen in training or to an unseen one. A network prefers
seen classes. Calibrated stacking (Chao et al., ECCV 2016) corrects this: it adds beta to the distance of every seen
class and takes the nearest class. `Scores` holds the distances of all samples of a phase to all its classes and
computes all metrics from them.

Only two classes of a sample matter: its nearest seen class and its nearest unseen class. The prediction switches from
the first to the second when beta exceeds d_unseen - d_seen. So one sort gives the metrics at all betas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from hypav.errors import DataError, SettingError
from hypav.utils import as_tensor, device_of

if TYPE_CHECKING:
    from hypav.data.features import Phase

# The released grid, linspace(0, 3, 16). The released final test replaces beta = 0 by 1e-10, which has no effect on
# float32 distances.
RELEASED_BETAS: tuple[float, ...] = tuple(step / 5 for step in range(16))


@dataclass(frozen=True)
class Metrics:
    """S, U, HM and ZSL as fractions in [0, 1], and the beta at which they hold.

    S and U are the mean recalls of the seen and of the unseen classes, HM is their harmonic mean. ZSL is the mean
    recall of the unseen classes if only unseen classes may be predicted.
    """

    S: float
    U: float
    HM: float
    ZSL: float
    beta: float


@dataclass(frozen=True)
class Curve:
    """S, U and HM at each of B betas, (B,) float64 each. ZSL does not depend on beta."""

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
        """The metrics at the first maximum of HM. On test samples this is an upper bound, not a result."""
        return self.at(int(self.HM.argmax()))


class Nearest(NamedTuple):
    """The nearest seen and unseen columns (N,), and the largest beta (N,), float64, at which the seen one wins."""

    seen: Tensor
    unseen: Tensor
    last_seen: Tensor


def class_distances(theta_v: Tensor, theta_w: Tensor) -> Tensor:
    """Euclidean distances (N, K) from theta_v (N, D) to theta_w (K, D), as in the released code.

    Raises:
        DataError: different D, NaN or infinite values.
    """
    device = device_of(theta_v, theta_w)
    theta_v = as_tensor("theta_v", theta_v, device=device)
    theta_w = as_tensor("theta_w", theta_w, device=device)
    if theta_v.ndim != 2 or theta_w.ndim != 2 or theta_v.shape[1] != theta_w.shape[1]:
        shapes = f"theta_v {tuple(theta_v.shape)} and theta_w {tuple(theta_w.shape)}"
        raise DataError(f"{shapes} must be tables of the same width.")
    _require_finite("theta_v", theta_v)
    _require_finite("theta_w", theta_w)
    return torch.cdist(theta_v, theta_w, p=2)


def harmonic_mean(S: Tensor, U: Tensor) -> Tensor:
    """HM = 2 S U / (S + U), in the shape of S and U. The released code's 2.2e-16 makes it 0 at S = U = 0."""
    S, U = as_tensor("S", S), as_tensor("U", U)
    return 2 * S * U / (S + U + 2.2e-16)


@dataclass(frozen=True, eq=False, repr=False)
class Scores:
    """The distances of every sample of a phase to every class, and the metrics that follow from them.

    Tables and ids may be tensors, arrays (which keep their dtype) or lists.

    Args:
        distances: (N, K), smaller is nearer. For compatibilities, whose larger values are nearer, pass the negative.
        label: (N,) class ids.
        classes: (K,) the sorted class ids of the columns.
        seen, unseen: (S,) and (U,) class ids, the two parts of classes.
        phase: "val" or "test" (`Phase.name`); `choose_beta` needs it.

    Raises:
        DataError: distances that are not (N, K), are NaN or infinite; no seen or no unseen class; classes that are not
            the sorted union of both; a label that is not in classes; a class without a sample.

    >>> distances = torch.tensor([[0.1, 0.9, 0.2], [0.7, 0.3, 0.6], [0.3, 0.8, 0.4]])
    >>> seen, unseen = torch.tensor([0, 1]), torch.tensor([2])
    >>> scores = Scores(distances, torch.tensor([0, 1, 2]), torch.tensor([0, 1, 2]), seen, unseen)
    >>> scores.predict(beta=0.0), scores.predict(beta=0.2)
    (tensor([0, 1, 0]), tensor([2, 1, 2]))
    >>> metrics = scores.metrics(beta=0.2)
    >>> metrics.S, metrics.U, round(metrics.HM, 2)
    (0.5, 1.0, 0.67)
    """

    distances: Tensor
    label: Tensor
    classes: Tensor
    seen: Tensor
    unseen: Tensor
    phase: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        names = ("label", "classes", "seen", "unseen")
        values = _tensors(self.distances, **{name: getattr(self, name) for name in names})
        for name, value in zip(("distances", *names), values, strict=True):
            object.__setattr__(self, name, value)
        _check_columns(self.distances, self.classes, self.seen, self.unseen)
        _check_labels(self.distances, self.label, self.classes)
        object.__setattr__(self, "distances", self.distances.detach())

    @classmethod
    def of(cls, phase: Phase, distances: Tensor) -> Scores:
        """The scores of a phase from distances (N, K) of its samples to its classes."""
        return cls(distances, phase.label, phase.classes, phase.seen, phase.unseen, phase=phase.name)

    def __repr__(self) -> str:
        of = "" if self.phase is None else f"{self.phase}: "
        return f"Scores({of}{len(self.label)} samples, {len(self.seen)} seen and {len(self.unseen)} unseen classes)"

    @cached_property
    def nearest(self) -> Nearest:
        """The two classes that each sample can get, and the beta at which the prediction switches."""
        is_unseen = torch.isin(self.classes, self.unseen)
        columns = [
            self.distances.masked_fill(other, torch.inf).argmin(dim=1) for other in (is_unseen, ~is_unseen)
        ]
        d_seen, d_unseen = (self.distances.gather(1, column[:, None])[:, 0].double() for column in columns)
        switch = d_unseen - d_seen
        # At beta = switch the two distances are equal and the smaller class id wins, as in the released argmin. If that
        # is the unseen class, the seen one wins only up to the float before.
        before = torch.nextafter(switch, torch.full_like(switch, -torch.inf))
        return Nearest(columns[0], columns[1], torch.where(columns[1] < columns[0], before, switch))

    def curve(self, betas: Sequence[float] | Tensor = RELEASED_BETAS) -> Curve:
        """S, U and HM at each of the betas (B,), and ZSL.

        Raises:
            SettingError: betas is empty or holds NaN.
        """
        values = as_tensor("betas", betas, dtype=torch.float64).to(self.distances.device, torch.float64)
        if values.ndim != 1 or values.numel() == 0 or bool(values.isnan().any()):
            raise SettingError("betas must be a list of at least one number, without NaN.")
        return self._look_up(values)

    def metrics(self, beta: float) -> Metrics:
        """S, U, HM and ZSL at a beta that was chosen on other samples (see `choose_beta`)."""
        return self.curve([beta]).at(0)

    def choose_beta(self, betas: Sequence[float] | Tensor = RELEASED_BETAS) -> float:
        """The beta with the highest HM on validation samples; of equals the first, as in the released code.

        Raises:
            SettingError: the phase is not "val". Choosing beta on test samples would use their labels.
        """
        if self.phase != "val":
            of = "samples of no named phase" if self.phase is None else f"the samples of {self.phase}"
            raise SettingError(
                f"beta is chosen on val, not on {of}: use the scores of val, "
                "or best_beta to see what such a choice would give."
            )
        return self.best_beta(betas)

    def best_beta(self, betas: Sequence[float] | Tensor = RELEASED_BETAS) -> float:
        """The beta with the highest HM on these samples, in any phase. It shows how optimistic a choice on test is."""
        return self.curve(betas).best().beta

    def exact_curve(self) -> Curve:
        """Every (S, U) that a real beta gives, in order of beta; at most N + 1 points.

        Each beta lies in the middle of the interval that gives its values, if there is a float in between. At the first
        beta every sample gets its nearest seen class, so U = 0. At the last it gets its nearest unseen one, so S = 0 and
        U = ZSL.
        """
        edges = torch.unique(self.nearest.last_seen)
        middle = (edges[:-1] + edges[1:]) / 2
        middle = torch.where(middle > edges[:-1], middle, edges[1:])  # neighbouring floats have no middle
        return self._look_up(torch.cat([edges[:1] - 1, middle, edges[-1:] + 1]))

    def exact_optimum(self) -> Metrics:
        """The metrics with the highest HM over all real betas. On test samples this is an upper bound, not a result."""
        return self.exact_curve().best()

    def ausuc(self) -> float:
        """Area under the seen-unseen curve, S over U for all real betas, in [0, 1] (Chao et al., ECCV 2016).

        It needs no choice of beta, and it is exact. Samples that switch at the same beta give a straight line, as ties
        do in a ROC curve.
        """
        edges = torch.unique(self.nearest.last_seen)
        # Exactly at the beta of a tie, class ids decide which samples have switched. That point has no width.
        width = torch.nextafter(edges[:-1], edges[1:]) < edges[1:]
        curve = self._look_up(torch.cat([edges[:1], edges[1:][width], edges[-1:] + 1]))
        return float(torch.trapezoid(curve.S, curve.U))

    def predict(self, beta: float) -> Tensor:
        """The class ids (N,) with the smallest distance + beta [seen]; ties go to the smaller id, as released."""
        if beta != beta:
            raise SettingError("beta is NaN; choose it on validation samples or give a number.")
        seen, unseen, last_seen = self.nearest
        return self.classes[torch.where(last_seen < beta, unseen, seen)]

    def confusion(self, beta: float) -> Tensor:
        """The confusion matrix at beta, (K, K) int64 counts: rows are true classes, columns are predicted classes."""
        size = len(self.classes)
        predicted = torch.searchsorted(self.classes, self.predict(beta))
        return torch.bincount(self._truth * size + predicted, minlength=size * size).reshape(size, size)

    def recall(self, beta: float) -> Tensor:
        """The recall of each class at beta, (K,) float64. S is its mean over seen classes, U over unseen ones."""
        counts = self.confusion(beta)
        return counts.diagonal().double() / counts.sum(dim=1)

    def group_recall(self, beta: float, groups: Sequence[str]) -> dict[str, float]:
        """Mean class recall at beta of each group that has a class in this phase, as a dict by group name.

        Args:
            groups: the group of every class id of the whole set (`FeatureSet.groups`).

        Raises:
            DataError: a class has no group.
        """
        last = int(self.classes[-1])
        if len(groups) <= last:
            raise DataError(f"groups names {len(groups)} classes, but there is a class of id {last}.")
        members: dict[str, list[float]] = {}
        for class_id, value in zip(self.classes.tolist(), self.recall(beta).tolist(), strict=True):
            members.setdefault(groups[class_id], []).append(value)
        return {name: sum(values) / len(values) for name, values in sorted(members.items())}

    @cached_property
    def _truth(self) -> Tensor:
        return torch.searchsorted(self.classes, self.label)

    @cached_property
    def _steps(self) -> tuple[Tensor, Tensor, Tensor]:
        """The largest beta before each switch, (N,) ascending, and S and U (N + 1,) after 0, 1, ..., N switches."""
        part = torch.where(torch.isin(self.classes, self.unseen), len(self.unseen), len(self.seen))
        # what a right prediction adds to S or U: 1 / (samples of its class * classes of its part)
        share = 1 / (torch.bincount(self._truth).double() * part)[self._truth]
        last_seen, order = self.nearest.last_seen.sort()
        lost = (share * (self.nearest.seen == self._truth))[order]
        won = (share * (self.nearest.unseen == self._truth))[order]
        zero = share.new_zeros(1)
        # S is summed from its end, so that it ends at exactly 0
        return last_seen, torch.cat([zero, lost.flip(0).cumsum(0)]).flip(0), torch.cat([zero, won.cumsum(0)])

    def _look_up(self, betas: Tensor) -> Curve:
        last_seen, S, U = self._steps
        switched = torch.searchsorted(last_seen, betas)
        return Curve(betas, S[switched], U[switched], harmonic_mean(S, U)[switched], ZSL=float(U[-1]))


def _tensors(distances: Any, **ids: Any) -> list[Tensor]:
    """Distances and class ids as tensors, all on the same device."""
    device = device_of(distances, *ids.values())
    tensors = [as_tensor("distances", distances, device=device)]
    for name, values in ids.items():
        tensors.append(as_tensor(name, values, whole=True, device=device))
        if tensors[-1].is_floating_point():
            raise DataError(f"{name} must hold whole numbers, the ids of classes, not {tensors[-1].dtype}.")
    return tensors


def _check_columns(distances: Tensor, classes: Tensor, seen: Tensor, unseen: Tensor) -> None:
    if distances.ndim != 2 or len(distances) == 0 or distances.shape[1] != len(classes):
        shape = f"{tuple(distances.shape)} for {len(classes)} classes"
        raise DataError(f"distances must have a row per sample and a column per class, not {shape}.")
    if not distances.is_floating_point():
        raise DataError(f"distances must be floating-point numbers, not {distances.dtype}.")
    if len(seen) == 0 or len(unseen) == 0:
        raise DataError(
            f"There are {len(seen)} seen and {len(unseen)} unseen classes; take val or test, which have both."
        )
    if not torch.equal(torch.cat([seen, unseen]).sort().values, classes):
        raise DataError("classes must be the sorted class ids of seen and unseen together, each once.")
    _require_finite("distances", distances)


def _check_labels(distances: Tensor, label: Tensor, classes: Tensor) -> None:
    if label.shape != distances.shape[:1]:
        raise DataError(f"There are {len(distances)} rows of distances but label is {tuple(label.shape)}.")
    for ids, known, problem in (
        (label, classes, "samples have a class that is not in classes"),
        (classes, label, "classes have no sample, so their recall is 0/0"),
    ):
        bad = ids[~torch.isin(ids, known)]
        if len(bad):
            raise DataError(f"{len(bad)} {problem}, the first is class {int(bad[0])}; leave them out.")


def _require_finite(name: str, table: Tensor) -> None:
    bad = (~torch.isfinite(table).all(dim=1)).nonzero()
    if len(bad):
        where = f"{len(bad)} of {len(table)} rows, first in row {int(bad[0])}"
        raise DataError(f"{name} has NaN or infinite values in {where}; check features and training.")
