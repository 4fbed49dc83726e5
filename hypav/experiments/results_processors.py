"""Section of the results page: by how much a run's HM differs when another processor makes it."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean, median

from hypav.experiments.store import Store
from hypav.experiments.tables import markdown_table

__all__ = ["processors_section"]


def processors_section(stores: Mapping[str, Store], folder: str) -> str:
    """The same runs in each of several stores, held against each other; empty for fewer than two stores.

    Args:
        stores: by the name of their CSV file in `folder`, each the runs of one processor.
        folder: where the files lie, seen from the page.
    """
    runs = {name: {record.key: record for record in store.rows()} for name, store in stores.items()}
    keys = sorted(set.intersection(*map(set, runs.values()))) if len(runs) > 1 else []
    if not keys:
        return ""
    first = next(iter(runs.values()))
    HM = [[100 * each[key].HM for each in runs.values()] for key in keys]
    ranges = [max(values) - min(values) for values in HM]
    configurations = {(r.method, r.preset, r.weight, r.curvatures) for r in map(first.__getitem__, keys)}
    seeds = {first[key].seed for key in keys}
    sets = ", ".join(sorted({first[key].data for key in keys}))
    rows = []
    for place, (name, each) in enumerate(runs.items()):
        mean = fmean(values[place] for values in HM)
        rows.append([f"[{name}]({folder}/{name})", each[keys[0]].cpu, f"{mean:.2f}"])
    return "\n\n".join(
        [
            "## Between processors",
            f"{len(configurations)} configurations, each with seed {', '.join(map(str, sorted(seeds)))}, were run as on "
            f"{len(runs)} processors: one machine, whose libraries were told which instructions they may use "
            "(`ATEN_CPU_CAPABILITY`, `MKL_CBWR`, `ONEDNN_MAX_CPU_ISA`, set before `hypav reproduce`). Features, initial "
            "weights, batches and masks have the same bits. "
            f"On {sets}, in float32, HM of one run differs between the processors by {fmean(ranges):.1f} points in the "
            f"mean, by {median(ranges):.1f} in the median and by {max(ranges):.1f} at most. "
            "So a difference of that size between two runs of one seed says nothing. Means over many runs differ less:",
            markdown_table(["runs", "processor, instructions of torch", "mean HM"], rows),
        ]
    )
