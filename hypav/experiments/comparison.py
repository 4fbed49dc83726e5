"""The result of `compare` as a DataFrame and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from hypav.data.features import FeatureSet
from hypav.experiments.configs import Method, parse_method
from hypav.experiments.effects import mean_and_half
from hypav.experiments.paper import Key, paper_row, paper_settings
from hypav.experiments.runs import METRICS
from hypav.experiments.tables import markdown, number


def comparison(
    data: FeatureSet,
    methods: Sequence[Method],
    runs: Mapping[str, Mapping[int, Mapping[str, Any]]],
    preset: str,
    **loudness: float | None,
) -> pd.DataFrame:
    """The table of `compare`; runs: records by method and seed; loudness: the weight or the pull, if one was given."""
    base = next((runs[method.spec] for method in methods if method.name == "AVCA"), {})
    rows = []
    for method in methods:
        records: Mapping[int, Mapping[str, Any]] = runs[method.spec]
        row: dict[str, Any] = {}
        count = 1 if method.name == "ESZSL" else len(records)
        for metric in METRICS:
            row |= mean_and_half(metric, [100 * record[metric] for record in records.values()][:count])
        shared = [seed for seed in records if seed in base and method.name != "AVCA"]
        row |= mean_and_half("HM - AVCA", [100 * (records[seed]["HM"] - base[seed]["HM"]) for seed in shared])
        row["n"] = count
        if data.reference_key is not None:
            paper = _paper_row(data.reference_key, method, preset, loudness)
            row |= {f"paper {m}": paper.get(m) for m in METRICS}
        rows.append(row)
    plain = [m.name.lower().replace(" ", "") == m.spec.strip().lower() for m in methods]
    names = [m.name if bare else f"{m.name} ({m.spec})" for m, bare in zip(methods, plain, strict=True)]
    return pd.DataFrame(rows, index=pd.Index(names, name="method")).astype(float).astype({"n": int})


def _paper_row(
    key: Key, method: Method, preset: str, loudness: Mapping[str, float | None]
) -> Mapping[str, float]:
    """The paper's row of a method; empty if the curvatures are not the paper's."""
    row = paper_row(key, method.name)
    same = row and parse_method(method.name, preset, paper_settings(key), **loudness).alignment
    return row if same == method.alignment else {}


def notes(
    data: FeatureSet, methods: Sequence[Method], preset: str, seeds: int, autocast: bool = False
) -> list[str]:
    """Sentences below the table of a comparison; autocast: see `TrainConfig`."""
    spread = f"mean ± half of the 95 % interval over {seeds} seeds (Student's t)"
    notes = [f"Per cent; {spread if seeds >= 3 else 'no interval from fewer than three seeds'}."]
    names = [method.name for method in methods]
    if "AVCA" in names and len(names) > 1:
        notes.append("HM - AVCA is paired per seed.")
    if "ESZSL" in names:
        notes.append("ESZSL is a linear map in closed form; it has no seed.")
    if preset in ("printed", "released") and sum(method.alignment is not None for method in methods) > 1:
        notes.append(f"The {preset} loss does not depend on the curvature: see notebook 09.")
    if autocast and any(method.alignment is not None for method in methods):
        notes.append(
            "Gradients were rounded to bfloat16, so a loss as weak as the printed one at weight 1 has no effect; "
            "train without autocast to compare such losses."
        )
    if data.reference_key is None:
        return [*notes, "The paper does not report this set."]
    paper = "{} ({})".format(*data.reference_key)
    if not data.simulated:
        table = 1 if data.reference_key[1] == "main" else 2
        return [*notes, f"The paper's columns are its Table {table}, {paper}."]
    notes.append(
        f"The paper's columns are for the real {paper}. Ours are for simulated features of its size."
    )
    return [*notes, "The two cannot be compared."]


def comparison_text(table: pd.DataFrame) -> str:
    """A table of `compare` in Markdown, with data, preset, recipe and seeds above it and notes below."""
    about = table.attrs
    marked = " (SIMULATED)" if about["simulated"] and "SIMULATED" not in about["data"] else ""
    loudness = "".join(f", {name} {about[name]:g}" for name in ("weight", "pull") if about[name] is not None)
    seeds = ", ".join(map(str, about["seeds"]))
    shown = pd.DataFrame(index=table.index)
    for name in (*METRICS, "HM - AVCA"):
        halves = table[f"{name} ±"]
        shown[name] = [number(mean, half=half) for mean, half in zip(table[name], halves, strict=True)]
    for name in (column for column in table if column.startswith("paper ")):
        shown[name] = ["" if pd.isna(value) else f"{value:.2f}" for value in table[name]]
    return "\n".join(
        [
            f"Data: {markdown(about['data'])}{marked}, digest {about['digest'][:8]}. {markdown(about['source'])}",
            f"Preset {about['preset']}{loudness}; recipe {about['recipe']}; seeds {seeds}.",
            "",
            shown.to_markdown(disable_numparse=True),
            "",
            *about["notes"],
            *about["failed"],
        ]
    )
