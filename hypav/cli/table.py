"""hypav table: a table of the paper beside our runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from hypav.alignment import PRESETS
from hypav.cli.options import data_options, echo_json, json_option
from hypav.cli.stored import asked_weight, open_store, set_of
from hypav.errors import SettingError
from hypav.experiments.recipes import recipe_for
from hypav.experiments.remarks import held, remarks
from hypav.experiments.suite import TABLES
from hypav.experiments.table_text import FORMATS, render
from hypav.experiments.table_view import TableView, table_view
from hypav.experiments.tuning import TUNED, parsed_weight
from hypav.utils import replacing

__all__ = ["table"]


@click.command()
@click.argument("number", metavar="1 … 7")
@data_options()
@click.option(
    "--store", "path", type=click.Path(path_type=Path), default=Path("runs/store.sqlite"), show_default=True,
    help="What hypav reproduce wrote, or a CSV export of it.",
)  # fmt: skip
@click.option("--preset", "preset_name", type=click.Choice(list(PRESETS)), default="paper", show_default=True)
@click.option(
    "--weight", "weight_text", default="1", show_default=True,
    help=f"Of the alignment loss; {TUNED}: the one that validation chose.",
)  # fmt: skip
@click.option("--scale", type=click.Choice(["course", "full"]), default="course", show_default=True)
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="markdown", show_default=True)
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="A file, in place of the screen.")
@json_option
def table(
    number: str,
    door: str,
    reading: dict[str, Any],
    path: Path,
    preset_name: str,
    weight_text: str,
    scale: str,
    form: str,
    to: Path | None,
    as_json: bool,
) -> None:
    """Show a table of the paper beside our runs: means and intervals over seeds, differences to AVCA paired by seed.

    Every number of ours is computed from the store as it is printed; what was not run says so. A set that the store
    knows is found by its name, or its door's, where the data are not here.

    Example: hypav table 3 --data simulated --preset curved --format latex
    """
    name = number if number.startswith("table") else f"table{number}"
    if name not in TABLES:
        raise SettingError(f"There is no table {number!r}; choose 1 to 7.")
    asked = parsed_weight(weight_text)
    with open_store(path) as store:
        data, notes = set_of(store, door, **reading)
        recipe = recipe_for(data, None, scale=scale)  # type: ignore[arg-type]
        weight = asked_weight(asked, store, data, preset_name, recipe)
        view = table_view(name, store, data, preset=preset_name, weight=weight, recipe=recipe)
        text = render(view, store, form)
        notes += remarks(store, data, recipe, code=view.code, device=view.device)
        notes += [] if view.keys else [held(store)]
    if as_json:
        echo_json({**_plain(view), "notes": notes})
        return
    for note in notes:  # not among the lines of a table that another program may read
        click.echo(note, err=True)
    if to is None:
        click.echo(text)
        return
    with replacing(to) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    click.echo(f"Table {name[-1]} is in {to}.")


def _plain(view: TableView) -> dict[str, Any]:
    rows = [
        {
            "row": row.label,
            "paper": dict(row.paper),
            "ours": {metric: asdict(number) for metric, number in row.ours.items()} or "not run",
            "difference": None if row.difference is None else asdict(row.difference),
            "seeds_needed": row.seeds_needed,
        }
        for row in view.rows
    ]
    told = {"table": view.table, "data": view.data.name, "preset": view.preset, "weight": view.weight}
    return {
        **told,
        "recipe": view.recipe.name,
        "program": view.code,
        "paper_set": view.paper_set,
        "seeds": view.seeds,
        "rows": rows,
    }
