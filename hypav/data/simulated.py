"""Simulated audio, video and text features, drawn from a class tree with the size and statistics of a real set.

Every class c is at the end of a path super-group > group > c. For each view m (audio, video, text) its position is a sum
of one vector per level l, in a latent space of R dimensions, minus the mean of all classes:

    z^m_c = sum_l sqrt(v^m_l) a^m_l unit(sqrt(rho^m_l) u_l + sqrt(1 - rho^m_l) w^m_l),   u, w ~ N(0, I)   (1)

v^m_l is the share of variance of the level; the three shares sum to 1. u_l is the part that all views share, w^m_l the
part of this view alone, and rho^m_l the share of agreement, which is 1 for text. a^m_l is 1 except at the class level,
where it is log-normal with mean square 1: some classes have a distinct sound, others do not. The text of a class is

    t_c = unit(o_t n_t + B_t z^t_c + tau_t e_c),    e_c ~ N(0, I / D_t)                                   (2)

Sample i of class c has a latent deviation h^m_i, partly common to its sound and its picture, and noise:

    h^m_i = sqrt(kappa) h_i + sqrt(1 - kappa) g^m_i,    h_i, g^m_i ~ N(0, I / R)                          (3)
    x^m_i ~ gamma^m_i (o_m n_m + B_m (z^m_c + omega_m h^m_i) + tau_m e^m_i),    e^m_i ~ N(0, I / D_m)     (4)

x is scaled to the standard deviation s_m. B_m is a random (D_m, R) matrix with entries N(0, 1 / D_m), drawn for each
view. n_m is a random unit vector, the axis of the narrow cone that makes the modality gap (Liang et al., NeurIPS 2022,
"Mind the gap"). gamma is a log-normal gain (loudness, contrast).

All machines draw the same bits: everything is computed in float64, and features are rounded to multiples of GRID. That is
far coarser than the last digits, in which processors differ.

The constants are chosen so that `simulated("yt8m-mini")` has the statistics of the real set of that name. Nothing here is
real: a result on these features only says how a method behaves on this model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hypav.data.features import SPLITS, FeatureSet
from hypav.errors import SettingError
from hypav.utils import normal, uniform


@dataclass(frozen=True)
class Counts:
    """The class tree, the numbers of classes and samples in each role, and the dimensions.

    Args:
        title: what tables call the set, after the word SIMULATED.
        tree: for each super-group the number of classes of each of its groups.
        val_unseen, test_unseen: numbers of classes; all other classes are seen in stage 1.
        samples: numbers of samples in the order of SPLITS.
        dim_audio, dim_video, dim_text: D_a, D_v, D_w.
        modelled_on: the published set that has these counts.
    """

    title: str
    tree: tuple[tuple[int, ...], ...]
    val_unseen: int
    test_unseen: int
    samples: tuple[int, int, int, int, int]
    dim_audio: int
    dim_video: int
    dim_text: int
    modelled_on: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """The name of the set in tables."""
        return f"SIMULATED ({self.title})"

    @property
    def classes(self) -> int:
        return sum(map(sum, self.tree))


@dataclass(frozen=True)
class View:
    """The constants of one view m in Eq. 1-4 of `hypav.data.simulated`. Text uses the first five only.

    Args:
        levels: v^m_l for super-group, group and class.
        agreement: rho^m_l for super-group, group and class.
        unevenness: standard deviation of log a^m_c; if it is large, the view shows some classes much more clearly.
        offset: o_m, length of the view's mean; class positions have a length of about 1.
        noise: tau_m, length of the noise.
        instance: omega_m, length of a sample's latent deviation.
        gain: standard deviation of log gamma^m_i.
        std: s_m, root mean square of one feature.
    """

    levels: tuple[float, float, float]
    agreement: tuple[float, float, float] = (1.0, 1.0, 1.0)
    unevenness: float = 0.0
    offset: float = 0.0
    noise: float = 0.0
    instance: float = 0.0
    gain: float = 0.0
    std: float = 1.0

    @property
    def length(self) -> float:
        """Root mean square length of gamma times the bracket of Eq. 4."""
        inside = self.offset**2 + 1.0 + self.instance**2 + self.noise**2
        return math.sqrt(inside * math.exp(2 * self.gain**2))


_UCF_TREE = ((3, 3, 3),) * 3 + ((3, 3),) * 4
# fmt: off
COUNTS: Mapping[str, Counts] = {
    "ucf-gzsl": Counts(
        "UCF-GZSL counts", _UCF_TREE, 12, 9, (3174, 353, 1467, 555, 1267), 512, 512, 300,
        modelled_on=("UCF-GZSL", "main"),
    ),
    "ucf-gzsl-cls": Counts(
        "UCF-GZSL counts, cls", ((3, 3, 2),) * 3 + ((3, 3),) * 4, 12, 6, (3174, 353, 1467, 555, 845), 128, 4096, 300,
        modelled_on=("UCF-GZSL", "cls"),
    ),
    "yt8m-mini": Counts(
        "yt8m-mini counts", ((10,), (7,), (4, 11, 7), (2, 4, 3, 1, 5, 4), (6,), (9, 6, 12, 6), (12,)), 28, 28,
        (1437, 182, 844, 276, 995), 128, 1024, 384,
    ),
    "small": Counts("small", ((4, 4), (4, 3), (5,)), 5, 4, (220, 40, 80, 50, 70), 24, 32, 16),
}
VIEWS: Mapping[str, View] = {
    "audio": View(
        levels=(0.11, 0.10, 0.79), agreement=(1.0, 1.0, 0.42), unevenness=0.65,
        offset=0.17, noise=0.75, instance=1.9, gain=0.38, std=0.719,
    ),
    "video": View(
        levels=(0.04, 0.12, 0.84), agreement=(0.33, 0.33, 0.33),
        offset=0.13, noise=1.88, instance=1.25, gain=0.43, std=0.493,
    ),
    "text": View(levels=(0.18, 0.13, 0.69), offset=0.68, noise=0.68),
}
# fmt: on

LATENT = 48  # R
CLASS_LEVEL = 2  # after super-group and group
SYNCHRONY = 0.5  # kappa
GAIN_CORRELATION = 0.4  # of log gamma between sound and picture of a sample
GRID = 2.0**-14  # features are multiples of this power of 2, so that float32 holds them exactly
CLASS_SIZES = 0.25  # class sizes differ from their mean by up to this share, as in the real sets


def simulated(
    counts: str | Counts = "ucf-gzsl",
    *,
    seed: int = 0,
    views: Mapping[str, View] = VIEWS,
) -> FeatureSet:
    """Draw a labelled audio-visual GZSL set from the model at the top of this module.

    All features are float32. The rows of text have length 1, up to the rounding to GRID.

    Args:
        counts: a key of COUNTS ("ucf-gzsl", "ucf-gzsl-cls", "yt8m-mini", "small") or a Counts object.
        seed: seed of the generator.
        views: the constants of "audio", "video" and "text"; change them to ask "what if there were no tree?".

    Raises:
        SettingError: `counts` is unknown, or leaves no seen class or a class with fewer than two samples; or `views`
            lacks a view.
    """
    if isinstance(counts, str):
        if counts not in COUNTS:
            raise SettingError(
                f"There are no counts {counts!r}; choose one of {', '.join(COUNTS)}, or give Counts."
            )
        counts = COUNTS[counts]
    if missing := {"audio", "video", "text"} - set(views):
        raise SettingError(f"views has no constants for {' and '.join(sorted(missing))}; start from VIEWS.")
    if counts.classes <= counts.val_unseen + counts.test_unseen:
        raise SettingError(
            f"{counts.val_unseen} val-unseen and {counts.test_unseen} test-unseen classes of {counts.classes} "
            "leave no seen class; make fewer classes unseen."
        )
    rng = torch.Generator().manual_seed(seed)
    supers, groups = _paths(counts.tree)
    roles = _roles(supers, counts, rng)
    label, splits = _samples(counts, roles, rng)
    shared = [
        normal(n, LATENT, generator=rng) for n in (len(counts.tree), int(groups.max()) + 1, len(groups))
    ]
    paths = (supers, groups, torch.arange(len(groups)))
    text = _prototypes(views["text"], shared, paths, rng) @ _basis(counts.dim_text, rng)
    text += views["text"].offset * _unit(counts.dim_text, rng)
    text += views["text"].noise * normal(*text.shape, generator=rng) / math.sqrt(counts.dim_text)
    common = normal(len(label), LATENT, generator=rng)
    loud = normal(len(label), generator=rng)
    features = {
        name: _view(views[name], dim, _prototypes(views[name], shared, paths, rng)[label], common, loud, rng)
        for name, dim in (("audio", counts.dim_audio), ("video", counts.dim_video))
    }
    # The benchmark uses class names as file names and sorts them; padded numbers keep the order of the ids.
    group_names = tuple(f"super{int(s)}.group{int(g):02d}" for s, g in zip(supers, groups, strict=True))
    return FeatureSet(
        name=counts.name,
        audio=features["audio"],
        video=features["video"],
        label=label,
        text=_on_grid(normalize(text, dim=1)),
        class_names=tuple(f"{group}.class{c:03d}" for c, group in enumerate(group_names)),
        splits=splits,
        groups=group_names,
        super_groups=tuple(f"super{int(s)}" for s in supers),
        source="SIMULATED features drawn from a class tree; they come from no recording.",
        simulated=True,
        modelled_on=counts.modelled_on,
    )


def _paths(tree: tuple[tuple[int, ...], ...]) -> tuple[Tensor, Tensor]:
    """The super-group and the group of each class, (C,) each."""
    sizes = torch.tensor([size for groups in tree for size in groups])
    parents = torch.repeat_interleave(torch.arange(len(tree)), torch.tensor([len(groups) for groups in tree]))
    groups = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    return parents[groups], groups


def _roles(supers: Tensor, counts: Counts, rng: torch.Generator) -> Tensor:
    """The role of each class (C,), 0 seen, 1 val-unseen or 2 test-unseen, in proportion within every super-group.

    The shuffled classes of a super-group are spread evenly over [0, 1). The classes with the smallest values of all
    become unseen.
    """
    place = torch.empty(len(supers), dtype=torch.float64)
    for group in supers.unique():
        members = (supers == group).nonzero()[:, 0]
        order = torch.randperm(len(members), generator=rng)
        place[members] = (order + uniform(1, generator=rng)) / len(members)
    ranked = place.argsort()
    roles = torch.zeros(len(supers), dtype=torch.int64)
    roles[ranked[: counts.test_unseen]] = 2
    roles[ranked[counts.test_unseen : counts.test_unseen + counts.val_unseen]] = 1
    return roles


def _samples(counts: Counts, roles: Tensor, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
    """The labels (N,), split by split, and the rows of each split."""
    members = {
        "stage_1_train": roles == 0,
        "stage_1_val_seen": roles == 0,
        "stage_1_val_unseen": roles == 1,
        "stage_2_test_seen": roles != 2,
        "stage_2_test_unseen": roles == 2,
    }
    weight = 1 + CLASS_SIZES * (2 * uniform(len(roles), generator=rng) - 1)
    labels: list[Tensor] = []
    splits: dict[str, Tensor] = {}
    start = 0
    for split, total in zip(SPLITS, counts.samples, strict=True):
        classes = members[split].nonzero()[:, 0]
        if total < 2 * len(classes):
            raise SettingError(
                f"{total} samples are too few for the {len(classes)} classes of {split}; give 2 per class."
            )
        labels.append(torch.repeat_interleave(classes, _share(total, weight[classes])))
        splits[split] = torch.arange(start, start + total)
        start += total
    return torch.cat(labels), splits


def _share(total: int, weight: Tensor) -> Tensor:
    """Whole numbers in proportion to `weight` that sum to `total`; the largest remainders are rounded up."""
    exact = total * weight / weight.sum()
    share = exact.floor().long()
    rest = total - int(share.sum())
    share[(exact - share).argsort(descending=True)[:rest]] += 1
    return share


def _prototypes(view: View, shared: list[Tensor], paths: tuple[Tensor, ...], rng: torch.Generator) -> Tensor:
    """Eq. 1: z^m_c (C, R), minus its mean over the classes, so that only the offset makes the cone."""
    position = torch.zeros(len(paths[0]), LATENT, dtype=torch.float64)
    for level, (agreed, path) in enumerate(zip(shared, paths, strict=True)):
        rho = view.agreement[level]
        private = normal(*agreed.shape, generator=rng)
        vector = normalize(math.sqrt(rho) * agreed + math.sqrt(1 - rho) * private, dim=1)
        if level == CLASS_LEVEL:
            length = torch.exp(view.unevenness * normal(len(vector), 1, generator=rng))
            vector = vector * length / length.square().mean().sqrt()
        position += math.sqrt(view.levels[level]) * vector[path]
    return position - position.mean(dim=0)


def _view(
    view: View, dim: int, position: Tensor, common: Tensor, loud: Tensor, rng: torch.Generator
) -> Tensor:
    """Eq. 3-4: x^m_i (N, D_m), from the position of each sample's class."""
    private = normal(*common.shape, generator=rng)
    deviation = (math.sqrt(SYNCHRONY) * common + math.sqrt(1 - SYNCHRONY) * private) / math.sqrt(LATENT)
    noise = normal(len(position), dim, generator=rng) / math.sqrt(dim)
    inside = (position + view.instance * deviation) @ _basis(dim, rng)
    inside += view.offset * _unit(dim, rng) + view.noise * noise
    loudness = math.sqrt(GAIN_CORRELATION) * loud
    loudness += math.sqrt(1 - GAIN_CORRELATION) * normal(len(loud), generator=rng)
    gain = torch.exp(view.gain * loudness)[:, None]
    return _on_grid(view.std * math.sqrt(dim) / view.length * gain * inside)


def _basis(dim: int, rng: torch.Generator) -> Tensor:
    """B_m transposed, (R, D_m), which keeps squared lengths on average."""
    return normal(LATENT, dim, generator=rng) / math.sqrt(dim)


def _unit(dim: int, rng: torch.Generator) -> Tensor:
    direction = normal(dim, generator=rng)
    return normalize(direction, dim=0)


def _on_grid(features: Tensor) -> Tensor:
    return ((features / GRID).round() * GRID).float()
