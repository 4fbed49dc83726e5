"""Metrics, delta and sampling weights against the records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hypav.data.batches import sampling_weights
from hypav.evaluation import Scores, class_distances
from hypav.hyperbolicity import delta_rel

from .records import Arrays, Row, compare, load_arrays, load_json


def metrics(path: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    recorded = load_arrays(path)
    table = {name: torch.from_numpy(np.asarray(array)) for name, array in recorded.items()}
    classes = torch.cat((table["seen"], table["unseen"])).sort().values
    distances = class_distances(table["theta_v"], table["theta_w"])
    scores = Scores(distances, table["targets"], classes, table["seen"], table["unseen"])
    curve = scores.curve(table["betas"])
    # the released code counts in float32, whatever dtype the record has
    for term in ("S", "U", "HM"):
        yield compare(path, term, getattr(curve, term), recorded[term], kind="float32")
    yield compare(path, "ZSL", [curve.ZSL] * len(table["betas"]), recorded["ZSL"], kind="float32")
    best = curve.best()
    values = [best.S, best.U, best.HM, best.ZSL, best.beta]
    yield compare(path, "best", values, recorded["best"], kind="float32")
    if "zsl_recall_all_classes" in recorded:
        recall = torch.zeros(int(table["n_all"]), dtype=torch.float64)
        recall[classes] = scores.recall(beta=1e9)  # no seen class can win
        term = "zsl_recall_all_classes"
        yield compare(path, term, recall, recorded[term], kind="float32")


def delta(path: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    recorded = load_arrays(path)
    spaces = {name.removeprefix("delta_") for name in recorded if name.startswith("delta_")}
    for name in sorted(spaces):
        if f"{name}_dist" in recorded:
            distances = torch.from_numpy(recorded[f"{name}_dist"]).double()
        else:
            points = torch.from_numpy(recorded[name]).double()
            distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
        ours = delta_rel(distances, precomputed=True)
        for term, value in (("delta", ours.delta), ("diam", ours.diameter)):
            yield compare(path, f"{term}_{name}", value, recorded[f"{term}_{name}"], scale=ours.diameter)


def sampler(path: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    recorded = load_json(path)
    label = torch.empty(sum(len(rows) for rows in recorded["class_idxs"]), dtype=torch.int64)
    for class_id, rows in enumerate(recorded["class_idxs"]):
        label[rows] = class_id
    yield compare(path, "weights", sampling_weights(label), recorded["weights"])
