"""A positive control: a planted tree of classes, learned in a space whose curvature is the only thing that changes.

If no curvature helps even here, "the curvature does not help" on real features says nothing. So the set is made for k < 0:
a balanced tree of depth d with b children per vertex, whose leaves are the classes, and few dimensions. Every edge e has a
vector u_e. A leaf lies at the sum of the edges on its path, a sample at its leaf plus noise, and a word at its leaf in
other coordinates:

    z_c = sum_{e on the path to c} u_e,    x_i = z_c + sigma e_i,    w_c = Q z_c,    u_e ~ N(0, I/F), e_i ~ N(0, I)

Two encoders, each with one hidden layer, map samples and words to tangent vectors at the origin, and exp_0 maps these to
points of the space of curvature k with D dimensions. Two tasks are trained with the same encoders:

* "classes": cross-entropy over minus the distances from a sample to the words, divided by a temperature that is learned.
* "metric": the distance from a sample to each word, divided by such a factor, shall be their distance in the tree. A sample
  counts as a child of its leaf; the loss is the mean squared relative error.

Everything else is the same for all curvatures: seeds, first weights, samples, and the mean distance of the words from the
origin at the start. Learning rate and this start are swept for each curvature and chosen on validation samples, so that no
geometry is untuned (the founding comparison of the field had an untuned flat side: poincare-embeddings, issue 35). Samples
are new in every step, so nothing is overfitted. A third of the leaves is never seen in training; only their words are
known, at the test.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import pandas as pd
import torch
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy

from hypav import geometry
from hypav.errors import DataError, SettingError
from hypav.stats import paired_p, t_interval
from hypav.trees import ClassTree, class_tree, tree_distances
from hypav.utils import normal

Task = Literal["classes", "metric"]
CURVATURES = (-1.0, -0.25, 0.0, 0.25, 1.0)
DIMENSIONS = (2, 4, 8, 64)
TREES = ((3, 2), (3, 3), (3, 4))  # branching and depth: 9, 27 and 81 leaves
FEATURES, HIDDEN, NOISE = 32, 64, 0.3  # F, units of the hidden layer, sigma
BATCH, DRAWS = 48, 10  # least samples in a batch; samples per leaf in validation and test
# what is measured, and whether more of it is better
MEASURES = {
    "top1": True, "siblings": True, "cousins": True, "error_distance": False, "distortion": False,
    "top1_unseen": True, "siblings_unseen": True, "cousins_unseen": True, "error_distance_unseen": False,
}  # fmt: skip


def balanced_tree(branching: int, depth: int) -> ClassTree:
    """The tree in which each vertex above the leaves has `branching` children, and each leaf is `depth` edges deep.

    Raises:
        SettingError: fewer than two children or two levels, or more than 1,000 leaves.
    """
    if branching < 2 or depth < 2 or branching**depth > 1000:
        raise SettingError(
            f"A tree of branching {branching} and depth {depth} is no class tree for this control: take at least 2 of "
            "each, and at most 1000 leaves."
        )
    paths = list(itertools.product(map(str, range(branching)), repeat=depth))
    return class_tree(*([".".join(path[: level + 1]) for path in paths] for level in range(depth)))


def planted(
    *,
    k: Sequence[float] = CURVATURES,
    dimensions: Sequence[int] = DIMENSIONS,
    trees: Sequence[tuple[int, int]] = TREES,
    tasks: Sequence[Task] = get_args(Task),
    seeds: int = 5,
    steps: int = 300,
    lr: Sequence[float] = (0.003, 0.01, 0.03),
    start: Sequence[float] = (0.5, 2.0),
    shuffled: bool = False,
    progress: bool = False,
) -> pd.DataFrame:
    """Train and test every setting, and return one row per run.

    Args:
        k: curvatures.
        dimensions: D of the space, at least 2.
        trees: branching and depth of each tree.
        seeds: number of seeds; each has its own tree vectors, first weights and noise.
        steps: steps of Adam; the learning rate falls linearly to 0.
        lr: learning rates to sweep.
        start: mean distances of the words from the origin at the first step, to sweep.
        shuffled: permute the words among the leaves. The words then know nothing of the samples' tree.
        progress: print a line per setting.

    Returns:
        columns: branching, depth, dim, task, k, seed, lr, start, validation (the task's loss), and MEASURES. Recalls are
        in percent. `top1` is for samples of seen leaves among these, `top1_unseen` for unseen leaves among these.
        `siblings` is the share of the true leaf's siblings among the 5 nearest words other than its own; `cousins` that
        of its cousins among the 5 nearest words after siblings are left out. Both are shares of what 5 words can hold,
        and all leaves count. `error_distance` is the mean tree distance between true and predicted leaf over the wrong
        predictions. `distortion` is the mean relative error of the words' distances, at the best factor.

    Raises:
        SettingError: an empty list, an unknown task, D < 2, or a number that is out of range.
    """
    _check(k, dimensions, trees, tasks, seeds, steps, lr, start)
    rows = []
    for (branching, depth), dim, task in itertools.product(trees, dimensions, tasks):
        tree = balanced_tree(branching, depth)
        for curvature in k:
            runs = _train(tree, dim, task, float(curvature), range(seeds), steps, lr, start, shuffled)
            about = {"branching": branching, "depth": depth, "dim": dim, "task": task, "k": float(curvature)}
            rows += [{**about, **run} for run in runs]
            if progress:
                best = min(runs, key=lambda run: run["validation"])
                print(
                    ", ".join(f"{name} {value}" for name, value in about.items()), f"top1 {best['top1']:.1f}"
                )
    return pd.DataFrame(rows)


def _train(
    tree: ClassTree,
    dim: int,
    task: Task,
    k: float,
    seeds: Sequence[int],
    steps: int,
    lrs: Sequence[float],
    starts: Sequence[float],
    shuffled: bool,
) -> list[dict[str, Any]]:
    """All seeds, learning rates and starts of one setting at once. They do not influence each other."""
    sets = [_draw(tree, dim, seed, shuffled) for seed in seeds]
    sweep = list(itertools.product(range(len(sets)), lrs, starts))
    which = torch.tensor([s for s, _, _ in sweep])
    leaves, words = (torch.stack([drawn[i] for drawn in sets]) for i in (0, 1))
    far = tree_distances(tree.parents)[tree.leaves][:, tree.leaves]
    unseen = torch.arange(len(far)) % 3 == 2
    seen = (~unseen).nonzero().squeeze(1)
    model = [torch.stack([drawn[2][i] for drawn in sets])[which] for i in range(8)]
    model.append(torch.zeros(len(sweep), 1, 1, dtype=torch.float64))  # the logarithm of the temperature
    weights = [w.requires_grad_() for w in model]
    rate = torch.tensor([lr for _, lr, _ in sweep], dtype=torch.float64)[:, None, None]
    with torch.no_grad():
        size = torch.linalg.vector_norm(_encode(words[which], weights[4:8]), dim=-1).mean(1)
    # a tangent vector of length l ends at a distance of 2l, as the conformal factor at the origin is 2
    scale = (torch.tensor([start for _, _, start in sweep], dtype=torch.float64) / 2 / size)[:, None, None]
    rngs = [Generator().manual_seed(1_000_000 + seed) for seed in seeds]

    def samples(label: Tensor) -> Tensor:
        noise = torch.stack([normal(len(label), FEATURES, generator=rng) for rng in rngs])
        return (leaves[:, label] + NOISE * noise)[which]

    def distances(x: Tensor, candidates: Tensor) -> Tensor:
        points = _encode(x, weights[:4]) * scale
        return _distances(points, _encode(words[:, candidates][which], weights[4:8]) * scale, k)

    def loss(x: Tensor, label: Tensor) -> Tensor:
        d = distances(x, seen) * torch.exp(-weights[8])
        if task == "metric":
            return (d / (far[label][:, seen] + 1) - 1).square().mean((1, 2))
        target = torch.searchsorted(seen, label).expand(len(sweep), -1)
        return cross_entropy(-d.mT, target, reduction="none").mean(1)

    label = seen.repeat(math.ceil(BATCH / len(seen)))
    adam = [(torch.zeros_like(w), torch.zeros_like(w)) for w in weights]
    for step in range(steps):
        gradients = torch.autograd.grad(loss(samples(label), label).sum(), weights)
        with torch.no_grad():  # torch's Adam has no learning rate per run
            for w, g, (mean, square) in zip(weights, gradients, adam, strict=True):
                mean.lerp_(g, 0.1)
                square.lerp_(g.square(), 0.01)
                root = (square / (1 - 0.99 ** (step + 1))).sqrt() + 1e-8
                w -= rate * (1 - step / steps) * mean / (1 - 0.9 ** (step + 1)) / root
    with torch.no_grad():
        every = torch.arange(len(far)).repeat_interleave(DRAWS)
        known = seen.repeat_interleave(DRAWS)
        validation = loss(samples(known), known)
        tested = distances(samples(every), torch.arange(len(far)))
        both = _encode(words[which], weights[4:8]) * scale
        between = _distances(both, both, k)
    return [
        {"seed": seeds[s], "lr": lr, "start": start, "validation": float(validation[i])}
        | _measures(tested[i], every, between[i], far, unseen)
        for i, (s, lr, start) in enumerate(sweep)
    ]


def _draw(tree: ClassTree, dim: int, seed: int, shuffled: bool) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The leaves' positions (L, F), their words (L, F), and the first weights of the two encoders."""
    rng = Generator().manual_seed(seed)
    edges = normal(len(tree.parents), FEATURES, generator=rng) / math.sqrt(FEATURES)
    position = torch.zeros_like(edges)
    for vertex, parent in enumerate(tree.parents.tolist()[1:], 1):
        position[vertex] = position[parent] + edges[vertex]
    leaves = position[tree.leaves]
    turn = torch.linalg.qr(normal(FEATURES, FEATURES, generator=rng))[0]
    order = torch.randperm(len(leaves), generator=rng) if shuffled else torch.arange(len(leaves))
    weights = []
    for _ in range(2):
        weights += [
            normal(FEATURES, HIDDEN, generator=rng) / math.sqrt(FEATURES),
            torch.zeros(1, HIDDEN, dtype=torch.float64),
            normal(HIDDEN, dim, generator=rng) / math.sqrt(HIDDEN),
            torch.zeros(1, dim, dtype=torch.float64),
        ]
    return leaves, (leaves @ turn)[order], weights


def _encode(x: Tensor, weights: Sequence[Tensor]) -> Tensor:
    first, bias, second, offset = weights
    return torch.baddbmm(offset, torch.baddbmm(bias, x, first).relu(), second)


def _distances(x: Tensor, y: Tensor, k: float) -> Tensor:
    """Distances (R, N, K) between exp_0 of tangent vectors x (R, N, D) and y (R, K, D).

    The same as `geometry.distance`, by half the angle, sin_k²(d/2) = |x - y|²/((1 + k|x|²)(1 + k|y|²)): it is twice as
    fast, because nothing but one inverse function is applied to all pairs.
    """
    x, y = geometry.expmap0(x, k=k), geometry.expmap0(y, k=k)
    xx, yy = x.square().sum(-1, keepdim=True), y.square().sum(-1, keepdim=True)
    gap = (xx + yy.mT - 2 * x @ y.mT).clamp_min(1e-12)  # a root has no slope at 0
    half = gap / ((1 + k * xx).clamp_min(1e-14) * (1 + k * yy).clamp_min(1e-14).mT)
    if k == 0:
        return 2 * half.sqrt()
    root = (abs(k) * half).sqrt()
    angle = root.asinh() if k < 0 else root.clamp_max(1 - 1e-12).asin()  # asin has no slope at 1
    return 2 * angle / math.sqrt(abs(k))


def _measures(
    tested: Tensor, label: Tensor, between: Tensor, far: Tensor, unseen: Tensor
) -> dict[str, float]:
    """MEASURES of one run, from the distances of samples to all words and between the words."""
    found: dict[str, float] = {}
    others = tested.scatter(1, label[:, None], torch.inf)
    for part, suffix in ((~unseen, ""), (unseen, "_unseen")):
        rows = part[label]
        true = label[rows]
        predicted = tested[rows].masked_fill(~part, torch.inf).argmin(1)
        wrong = predicted != true
        found[f"top1{suffix}"] = 100 * float((~wrong).double().mean())
        found[f"error_distance{suffix}"] = float(far[true[wrong], predicted[wrong]].mean())
        found[f"siblings{suffix}"] = _recall(others[rows], far[true] == 2)
        found[f"cousins{suffix}"] = _recall(
            others[rows].masked_fill(far[true] == 2, torch.inf), far[true] == 4
        )
    i, j = torch.triu_indices(len(far), len(far), 1)
    found["distortion"] = _distortion(between[i, j], far[i, j])
    return found


def _recall(distances: Tensor, kin: Tensor, most: int = 5) -> float:
    """The share of a sample's kin among its nearest words, in percent of what this many words can hold."""
    most = min(most, distances.shape[1])
    near = distances.topk(most, dim=1, largest=False).indices
    return 100 * float((kin.gather(1, near).sum(1) / kin.sum(1).clamp_max(most)).mean())


def _distortion(embedded: Tensor, wanted: Tensor) -> float:
    """The smallest mean of |s embedded/wanted - 1| over all factors s, which is at a weighted median of wanted/embedded."""
    ratio = embedded / wanted
    order = (1 / ratio).argsort()
    half = torch.searchsorted(ratio[order].cumsum(0), ratio.sum() / 2)
    return float((ratio / ratio[order[half]] - 1).abs().mean())
