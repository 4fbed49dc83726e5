"""hypav classroom: what a lecturer hands out."""

from __future__ import annotations

from pathlib import Path

import click

from hypav.cli.options import echo_json, json_option

__all__ = ["classroom"]


@click.command()
@click.argument("notebooks", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build") / "classroom",
    show_default=True,
    help="Folder to write; made if need be.",
)
@json_option
def classroom(notebooks: tuple[Path, ...], folder: Path, as_json: bool) -> None:
    """Write the course for a class: pages, notebooks to fill in, solutions, the instructor's page.

    Reads the executed NOTEBOOKS (default: all of notebooks/) and runs nothing. students/ holds a site that works
    without a network, on a phone and on paper, and the notebooks without solutions: open students/index.html, or put
    the folder on the web as it is. instructor/ holds plans, expected answers, known mistakes, and the solutions.

    Example: hypav classroom --to build/classroom
    """
    from hypav.classroom import (
        build,
    )  # nbconvert takes a second to import, which the other commands need not wait for

    written = build(notebooks, folder)
    if as_json:
        echo_json({"folder": str(folder), "files": [str(path) for path in written]})
        return
    for path in written:
        click.echo(f"wrote {path}")
    click.echo(f"Open {folder}/students/index.html; {folder}/instructor/index.html is yours alone.")
