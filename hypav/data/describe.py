"""What a FeatureSet holds, in numbers: for a look at data before anything trains."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor

from hypav.data.features import PHASES, SPLITS, FeatureSet

__all__ = ["describe", "describe_text"]


def describe(data: FeatureSet) -> dict[str, Any]:
    """Counts, dimensions, splits, norms and groups, in plain values that JSON can hold.

    Returns:
        name, source, simulated, paper_key; samples, classes (all names) and used_classes (with samples in a
        split); dims {audio, video, text}; splits {split: classes, samples, smallest and largest class}; phases
        {phase: samples, seen, unseen}; norms {audio, video, text: mean, min, max of the rows' Euclidean norms};
        groups and super_groups {name: classes}.
    """
    splits = {split: _split(data, split) for split in SPLITS}
    used = torch.unique(torch.cat([data.split_classes[split] for split in SPLITS]))
    phases = {}
    for name in PHASES:
        phase = data.phase(name)
        phases[name] = {"samples": len(phase), "seen": len(phase.seen), "unseen": len(phase.unseen)}
    return {
        "name": data.name,
        "source": data.source,
        "simulated": data.simulated,
        "paper_key": list(data.paper_key) if data.paper_key else None,
        "samples": len(data),
        "classes": len(data.class_names),
        "used_classes": len(used),
        "dims": {"audio": data.dim_audio, "video": data.dim_video, "text": data.dim_text},
        "splits": splits,
        "phases": phases,
        "norms": {what: _norms(getattr(data, what)) for what in ("audio", "video", "text")},
        "groups": dict(Counter(data.groups)),
        "super_groups": dict(Counter(data.super_groups)),
    }


def describe_text(data: FeatureSet) -> str:
    """`describe` as lines for a terminal."""
    facts = describe(data)
    dims = ", ".join(f"{what} {dim}" for what, dim in facts["dims"].items())
    lines = [
        f"{facts['name']}{'  [SIMULATED features]' if facts['simulated'] else ''}",
        f"source: {facts['source'] or 'not stated'}",
        f"{facts['samples']} samples, {facts['used_classes']} of {facts['classes']} classes used; dimensions: {dims}",
        "",
        f"{'split':<22}{'classes':>8}{'samples':>9}{'a class':>12}",
    ]
    for split, found in facts["splits"].items():
        sizes = f"{found['smallest']}-{found['largest']}"
        lines.append(f"{split:<22}{found['classes']:>8}{found['samples']:>9}{sizes:>12}")
    lines += ["", f"{'norms':<22}{'mean':>8}{'min':>9}{'max':>12}"]
    for what, norm in facts["norms"].items():
        lines.append(f"{what:<22}{norm['mean']:>8.3f}{norm['min']:>9.3f}{norm['max']:>12.3f}")
    for what in ("groups", "super_groups"):
        if facts[what]:
            named = ", ".join(f"{name} {count}" for name, count in sorted(facts[what].items()))
            lines += ["", f"{what.replace('_', '-')} (classes): {named}"]
    return "\n".join(lines)


def _split(data: FeatureSet, split: str) -> dict[str, int]:
    counts = torch.bincount(data.label[data.splits[split]], minlength=len(data.class_names))
    counts = counts[data.split_classes[split]]
    return {
        "classes": len(counts),
        "samples": len(data.splits[split]),
        "smallest": int(counts.min()),
        "largest": int(counts.max()),
    }


def _norms(table: Tensor) -> dict[str, float]:
    norm = torch.linalg.vector_norm(table, dim=1, dtype=torch.float64)
    return {"mean": float(norm.mean()), "min": float(norm.min()), "max": float(norm.max())}
