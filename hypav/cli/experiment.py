"""hypav train, evaluate and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hypav.cli.options import (
    data_options,
    echo_json,
    json_option,
    machine_options,
    recipe_changes,
    recipe_options,
)
from hypav.data.load import open_data
from hypav.errors import SettingError
from hypav.experiments import comparison as comparing
from hypav.experiments import recipe_for, tables
from hypav.experiments.outputs import save_comparison
from hypav.experiments.reports import phase_report, report_text
from hypav.experiments.runs import load_model, run, run_folder
from hypav.experiments.variants import VARIANTS
from hypav.utils import pick_device

__all__ = ["compare", "evaluate", "train"]


@click.command()
@data_options()
@click.option(
    "--variant",
    default="avca",
    show_default=True,
    help=f"{', '.join(VARIANTS)}; with a curvature: hyper-alignment:-0.5.",
)
@click.option("--seed", default=0, show_default=True, help="Fixes weights, batches and dropout masks.")
@recipe_options()
@machine_options()
@click.option(
    "--threads",
    default=1,
    show_default=True,
    help="CPU threads; results repeat to the bit with the same number.",
)
@json_option
def train(
    door: str,
    reading: dict[str, Any],
    variant: str,
    seed: int,
    preset_name: str,
    recipe_name: str | None,
    epochs: int | None,
    batches: int | None,
    batch_size: int | None,
    lr: float | None,
    autocast: bool | None,
    parity_name: str | None,
    out: Path,
    device: str,
    threads: int,
    as_json: bool,
) -> None:
    """Train one method with one seed, in the benchmark's two stages, and test it.

    Stage 1 picks the epoch and the calibration beta on validation classes, stage 2 retrains on everything but the
    test. Stop it whenever you like: the same command goes on from the last finished epoch and ends with the same
    numbers.

    Example: hypav train --data yt8m-mini --variant hyper-single --preset curved
    """
    data = open_data(door, **reading)
    recipe = recipe_changes(
        recipe_for(data, recipe_name),
        epochs=epochs,
        batches=batches,
        batch_size=batch_size,
        lr=lr,
        autocast=autocast,
        parity=parity_name,
    )
    if threads < 1:
        raise SettingError(f"threads is {threads}; it must be at least 1.")
    ((one, config),) = comparing.plan(data, [variant], [seed], preset_name, recipe)
    labels = {"preset": preset_name, "recipe": recipe.name, "variant": one.spec}
    record = run(
        data,
        config,
        method=one.method,
        root=out,
        labels=labels,
        device=device,
        thread_count=threads,
        progress=False if as_json else None,
    )
    folder = run_folder(out, data, config, one.method, str(pick_device(device)))
    if as_json:
        echo_json({**record, "folder": str(folder)})
        return
    m = {name: f"{100 * value:.2f}" for name, value in record["metrics"].items()}
    click.echo(f"{one.method} on {data.name}, preset {preset_name}, seed {seed}")
    click.echo(f"  test  S {m['S']}  U {m['U']}  HM {m['HM']}  ZSL {m['ZSL']}")
    click.echo(
        f"  epoch {record['best_epoch']} and beta {record['metrics']['beta']:.1f} chosen on validation "
        f"(HM {100 * record['val']['HM']:.2f} there)"
    )
    click.echo(f"  kept in {folder}")


@click.command()
@click.argument("run_path", metavar="RUN", type=click.Path(path_type=Path))
@data_options()
@click.option(
    "--phase", type=click.Choice(["test", "val"]), default="test", show_default=True, help="Which samples."
)
@click.option("--beta", type=float, help="Calibration; by default the one that validation chose.")
@json_option
def evaluate(
    run_path: Path,
    door: str,
    reading: dict[str, Any],
    phase: str,
    beta: float | None,
    as_json: bool,
) -> None:
    """Test the trained network in the folder RUN and look closer: S, U, HM, ZSL, the area under the seen-unseen
    curve, the recall of each super-group, the classes most often confused.

    Example: hypav evaluate runs/yt8m-gzsl-mini/avca-seed0-1a2b3c4d5e6f --data yt8m-mini
    """
    model, _, record = load_model(run_path)
    data = open_data(door, **reading)
    report = phase_report(model, data, phase, record["metrics"]["beta"] if beta is None else beta)
    same = data.digest == record["data"]["digest"]
    if as_json:
        echo_json({"method": record["method"], "run": str(run_path), "trained_on_these_data": same, **report})
        return
    if not same:
        click.echo(f"Note: the run was trained on other data ({record['data']['name']}).", err=True)
    click.echo(report_text(record["method"], report))


@click.command()
@data_options()
@click.option(
    "--variants",
    default=",".join(VARIANTS),
    show_default=True,
    help="Methods, separated by commas; alignment:-0.2+0.4 mixes geometries.",
)
@click.option("--seeds", default=3, show_default=True, help="How many seeds (0, 1, …).")
@recipe_options()
@machine_options()
@click.option("--jobs", type=int, help="Runs side by side; by default one a core.")
@json_option
def compare(
    door: str,
    reading: dict[str, Any],
    variants: str,
    seeds: int,
    preset_name: str,
    recipe_name: str | None,
    epochs: int | None,
    batches: int | None,
    batch_size: int | None,
    lr: float | None,
    autocast: bool | None,
    parity_name: str | None,
    out: Path,
    device: str,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Train several methods with several seeds and print the table S, U, HM, ZSL with 95 % intervals.

    The paper's row stands beside ours where it reports the set. The table, a picture and all numbers are written
    to --out; finished runs found there are used again.

    Example: hypav compare --data yt8m-mini --variants avca,hyper-single --seeds 5 --preset curved
    """
    data = open_data(door, **reading)
    recipe = recipe_changes(
        recipe_for(data, recipe_name),
        epochs=epochs,
        batches=batches,
        batch_size=batch_size,
        lr=lr,
        autocast=autocast,
        parity=parity_name,
    )
    specs = [spec.strip() for spec in variants.split(",") if spec.strip()]
    comparison = comparing.compare(
        data,
        specs,
        seeds=range(seeds),
        preset_name=preset_name,
        recipe=recipe,
        root=out,
        device=device,
        jobs=jobs,
        progress=False if as_json else None,
    )
    paths = save_comparison(comparison, out)
    if as_json:
        echo_json({**comparison.to_dict(), "files": [str(path) for path in paths]})
        return
    click.echo(tables.comparison_table(comparison))
    click.echo("\nFiles: " + ", ".join(str(path) for path in paths))
