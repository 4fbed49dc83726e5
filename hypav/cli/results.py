"""hypav results: the page of all that a store's runs say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hypav.cli.options import echo_json, json_option, reading_options
from hypav.cli.stored import open_store, require_networks
from hypav.data.load import open_data
from hypav.experiments.results_page import save_results

__all__ = ["results"]


@click.command()
@click.option(
    "--store", "path", type=click.Path(path_type=Path), default=Path("runs/store.sqlite"), show_default=True,
    help="What hypav reproduce wrote, or a CSV export of it.",
)  # fmt: skip
@click.option(
    "--to", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The page, FILE.md."
)
@click.option(
    "--export",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also writes the runs as CSV, without histories, and links them.",
)
@click.option(
    "--figures", "doors", metavar="DOOR|PATH", multiple=True,
    help="Also draws Figures 3 and 4 on these features, from the networks beside the store; may be given again.",
)  # fmt: skip
@reading_options()
@json_option
def results(
    path: Path,
    to: Path,
    export: Path | None,
    doors: tuple[str, ...],
    reading: dict[str, Any],
    as_json: bool,
) -> None:
    """Write the results page: Tables 1-7 beside the paper's for every set, preset and weight in the store, and what the
    runs say to the two questions: does alignment help, and does its curvature matter?

    Example: hypav results --to RESULTS.md --export results/course_runs.csv --figures simulated
    """
    if doors:
        require_networks(path)
    with open_store(path) as store:
        data = [open_data(door, **reading) for door in doors]
        written = save_results(store, to, export=export, draw=data, root=path.parent)
    if as_json:
        echo_json({"files": [str(one) for one in written]})
        return
    click.echo("Wrote " + ", ".join(map(str, written)) + ".")
