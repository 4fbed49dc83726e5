"""Several methods over several seeds on one set: the table S, U, HM, ZSL with intervals, beside the paper's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from tqdm.auto import tqdm

from hypav.data.features import FeatureSet
from hypav.errors import SettingError
from hypav.experiments.paper import PaperRow, paper_row, paper_settings
from hypav.experiments.recipes import Recipe, network_for
from hypav.experiments.runs import run
from hypav.experiments.variants import Variant, parse_variant
from hypav.stats import Interval, t_interval
from hypav.training import RunConfig
from hypav.utils import side_by_side

__all__ = ["METRICS", "Comparison", "MethodRow", "compare", "plan"]

METRICS = ("S", "U", "HM", "ZSL")


@dataclass(frozen=True)
class MethodRow:
    """One method: per metric the values (per cent, one a seed), their mean and 95 % interval, and the difference to
    the baseline paired by seed (None for the baseline itself, or where it did not run)."""

    method: str
    spec: str
    values: dict[str, list[float]]
    intervals: dict[str, Interval]
    difference: Interval | None
    paper: PaperRow | None


@dataclass(frozen=True)
class Comparison:
    """What a table needs to be honest: which data, preset, recipe and seeds, and the rows."""

    data: str
    source: str
    simulated: bool
    paper_set: str | None
    preset: str
    recipe: str
    recipe_source: str
    seeds: tuple[int, ...]
    rows: tuple[MethodRow, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def plan(
    data: FeatureSet, specs: Sequence[str], seeds: Sequence[int], preset_name: str, recipe: Recipe
) -> list[tuple[Variant, RunConfig]]:
    """All runs of a comparison, in order.

    Raises:
        SettingError: an unknown variant or preset, a variant or seed named twice, none at all.
    """
    if not specs or not seeds:
        raise SettingError("A comparison needs at least one variant and one seed.")
    for what, items in (("variant", specs), ("seed", seeds)):
        if len(set(items)) < len(items):
            raise SettingError(f"A {what} stands twice in {', '.join(map(str, items))}.")
    settings = paper_settings(data.reference_key)
    network = network_for(data, recipe)
    variants = [parse_variant(spec, preset_name, settings) for spec in specs]
    same: dict[Any, Variant] = {}
    for v in variants:
        other = same.setdefault((v.method, v.alignment), v)
        if other is not v:
            raise SettingError(
                f"The variants {other.spec} and {v.spec} are one and the same here; leave one out."
            )
    base = RunConfig(network, recipe.train)
    return [(v, replace(base, alignment=v.alignment, seed=seed)) for v in variants for seed in seeds]


def compare(
    data: FeatureSet,
    specs: Sequence[str],
    *,
    seeds: Sequence[int],
    preset_name: str,
    recipe: Recipe,
    root: Path,
    device: str = "auto",
    jobs: int | None = None,
    progress: bool | None = None,
) -> Comparison:
    """Trains and tests every variant with every seed, below `root`, and puts the results side by side.

    Runs that are already there are not repeated, and a broken-off one goes on. All runs of one seed share initial
    weights, batches and dropout masks, so that variants can be compared seed by seed.

    Args:
        jobs: runs side by side, each on one thread; None is one a core (one on a GPU).
    """
    runs = plan(data, specs, seeds, preset_name, recipe)
    labels = {"preset": preset_name, "recipe": recipe.name}
    jobs = side_by_side(jobs, device, len(runs))
    work = (
        delayed(run)(
            data, config, method=v.method, root=root, labels={**labels, "variant": v.spec},
            device=device, progress=progress if jobs == 1 else False,
        )
        for v, config in runs
    )  # fmt: skip
    bar = tqdm(
        total=len(runs), desc="compare", unit="run", disable=None if progress is None else not progress
    )
    records = []
    with bar:
        for record in Parallel(n_jobs=jobs, return_as="generator")(work):
            records.append(record)
            bar.set_postfix_str(f"{record['method']} HM {100 * record['metrics']['HM']:.1f}")
            bar.update()
    return _comparison(data, [v for v, _ in runs], records, seeds, preset_name, recipe)


def _comparison(
    data: FeatureSet,
    variants: Sequence[Variant],
    records: Sequence[dict[str, Any]],
    seeds: Sequence[int],
    preset_name: str,
    recipe: Recipe,
) -> Comparison:
    values: dict[str, dict[str, list[float]]] = {}
    methods: dict[str, Variant] = {}
    for variant, record in zip(variants, records, strict=True):
        methods.setdefault(variant.spec, variant)
        own = values.setdefault(variant.spec, {metric: [] for metric in METRICS})
        for metric in METRICS:
            own[metric].append(100 * record["metrics"][metric])
    baseline = next((values[spec] for spec, v in methods.items() if v.alignment is None), None)
    rows = tuple(
        MethodRow(
            method=variant.method,
            spec=spec,
            values=values[spec],
            intervals={metric: t_interval(values[spec][metric]) for metric in METRICS},
            difference=_paired(values[spec], baseline) if variant.alignment is not None else None,
            paper=_paper_row(data, variant, preset_name),
        )
        for spec, variant in methods.items()
    )
    return Comparison(
        data=data.name,
        source=data.source,
        simulated=data.simulated,
        paper_set=None if data.reference_key is None else "{} ({})".format(*data.reference_key),
        preset=preset_name,
        recipe=recipe.name,
        recipe_source=recipe.source,
        seeds=tuple(seeds),
        rows=rows,
        seconds=sum(record["seconds"] for record in records),
    )


def _paper_row(data: FeatureSet, variant: Variant, preset_name: str) -> PaperRow | None:
    """The paper's row for a method with the paper's curvatures; with others it is not what the paper reports."""
    row = paper_row(data.reference_key, variant.method)
    if row is None:
        return None
    papers_own = parse_variant(variant.method, preset_name, paper_settings(data.reference_key))
    return row if variant.alignment == papers_own.alignment else None


def _paired(own: dict[str, list[float]], baseline: dict[str, list[float]] | None) -> Interval | None:
    """HM minus the baseline's, seed by seed, with Student's interval of the differences."""
    if baseline is None:
        return None
    return t_interval([a - b for a, b in zip(own["HM"], baseline["HM"], strict=True)])
