"""A closer look at one trained network on one phase."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from hypav.avca import AVCA
from hypav.data.features import FeatureSet
from hypav.errors import SettingError
from hypav.evaluation import ausuc, class_distances, confusion, gzsl, per_class_recall, per_group_recall
from hypav.training import embed_phase

__all__ = ["phase_report", "report_text", "require_dimensions"]

MOST_CONFUSED = 5


def phase_report(model: AVCA, data: FeatureSet, phase_name: str, beta: float) -> dict[str, Any]:
    """S, U, HM, ZSL at beta, AUSUC, recall per class and super-group (fractions), and the most confused classes.

    Raises:
        SettingError: the network takes other dimensions than the set has.
    """
    require_dimensions(model, data)
    phase = data.phase(phase_name)
    dtype = next(model.parameters()).dtype
    phase = phase.to(dtype=dtype)
    _, theta_v, theta_w = embed_phase(model, phase)
    distances = class_distances(theta_v, theta_w)
    described = (distances, phase.label, phase.classes, phase.seen, phase.unseen)
    recall = per_class_recall(*described, beta)
    names = [data.class_names[i] for i in phase.classes.tolist()]
    report: dict[str, Any] = {
        "data": data.name,
        "simulated": data.simulated,
        "phase": phase_name,
        "samples": len(phase),
        **asdict(gzsl(*described, beta)),
        "AUSUC": ausuc(*described),
        "class_recall": dict(zip(names, recall.tolist(), strict=True)),
        "confused": _most_confused(confusion(*described, beta), names),
    }
    if data.super_groups:
        report["super_group_recall"] = per_group_recall(*described, beta, data.super_groups)
    return report


def require_dimensions(model: AVCA, data: FeatureSet) -> None:
    """Raises SettingError where the network takes other dimensions than the set has."""
    for name in ("dim_audio", "dim_video", "dim_text"):
        if getattr(model.config, name) != getattr(data, name):
            raise SettingError(
                f"The run's network takes {name} {getattr(model.config, name)} but {data.name} has "
                f"{getattr(data, name)}; give the --data it was trained on."
            )


def _most_confused(counts: torch.Tensor, names: list[str]) -> list[dict[str, Any]]:
    wrong = counts.clone().fill_diagonal_(0).flatten()
    found = []
    for place in wrong.argsort(descending=True, stable=True)[:MOST_CONFUSED].tolist():
        if wrong[place] > 0:
            truth, guess = divmod(place, len(names))
            found.append({"class": names[truth], "taken_for": names[guess], "samples": int(wrong[place])})
    return found


def report_text(method: str, report: dict[str, Any]) -> str:
    """The report for a reader, in per cent."""
    kind = " (SIMULATED)" if report["simulated"] else ""
    lines = [
        f"{method} on {report['data']}{kind}, {report['phase']}: {report['samples']} samples, beta {report['beta']:.2f}",
        "  " + "  ".join(f"{name} {100 * report[name]:.2f}" for name in ("S", "U", "HM", "ZSL", "AUSUC")),
    ]
    if "super_group_recall" in report:
        lines.append("  recall by super-group:")
        for name, value in sorted(report["super_group_recall"].items(), key=lambda item: -item[1]):
            lines.append(f"    {100 * value:5.1f}  {name}")
    if report["confused"]:
        lines.append("  most often confused:")
        for row in report["confused"]:
            lines.append(f"    {row['samples']:4d} x  {row['class']}  taken for  {row['taken_for']}")
    return "\n".join(lines)
