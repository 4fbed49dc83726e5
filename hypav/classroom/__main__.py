"""`python -m hypav.classroom [--to FOLDER] [NOTEBOOKS ...]`: what `hypav classroom` does."""

from __future__ import annotations

from pathlib import Path

import click

from hypav.classroom.build import FOLDER, build
from hypav.errors import HypavError


@click.command()
@click.argument("notebooks", nargs=-1, type=click.Path(path_type=Path))
@click.option("--to", "folder", type=click.Path(path_type=Path), default=FOLDER, show_default=True)
def main(notebooks: tuple[Path, ...], folder: Path) -> None:
    """Writes the students' and the instructor's folder from NOTEBOOKS (default: notebooks/*.ipynb)."""
    try:
        for path in build(notebooks, folder):
            click.echo(f"wrote {path}")
    except HypavError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
