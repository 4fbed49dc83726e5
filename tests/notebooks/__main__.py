"""`python -m tests.notebooks [PATH ...]`: run notebooks here and as on other processors, and store what is the same."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
import joblib
import pandas as pd
from joblib import Parallel, delayed

from hypav.errors import RunError
from hypav.handouts import code_cells, read, write
from hypav.processors import available
from tests.notebooks.compare import first_difference, largest_deviation, tolerance_of
from tests.notebooks.execute import run_on
from tests.notebooks.gate import problems
from tests.notebooks.workshop import is_workshop, measure

# the processors on which a notebook is tried before it is written
TRIED_ON = ("no AVX", "AVX2", "nudged weights", "other rounding")


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--times", is_flag=True, help="Only print how long each page is, and how long it takes.")
def main(paths: tuple[Path, ...], times: bool) -> None:
    """Run the notebooks at PATHS (default: notebooks/*.ipynb), store them, and name what the gate reports.

    A notebook in which another processor gives another digit is not stored.
    """
    paths = paths or tuple(sorted(Path("notebooks").glob("*.ipynb")))
    if not paths:
        raise click.UsageError("There is no notebook in notebooks/. Run this from the project's folder.")
    if times:
        click.echo(table_of_times(paths))
        return
    failed = False
    for path in paths:
        line, faults = refresh(path)
        for text in (line, *faults):
            click.echo(text)
        failed |= bool(faults)
    sys.exit(1 if failed else 0)


def table_of_times(paths: Sequence[Path]) -> str:
    """Words, lines, figures, predictions, exercises and minutes of each page, as a table."""
    rows = []
    for path in paths:
        notebook = read(path)
        found = measure(notebook)
        row = {name: str(value) for name, value in asdict(found).items()} | {
            "minutes": f"{found.minutes:.0f}"
        }
        rows.append({"page": path.stem, "workshop": "yes" if is_workshop(notebook) else "no"} | row)
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def refresh(path: Path) -> tuple[str, list[str]]:
    """Run a notebook and write it if nothing is wrong: a line that says what was done, and the faults."""
    others = {name: processor for name, processor in available().items() if name in TRIED_ON}
    try:
        fresh, seconds = run_on(path)  # alone, as its time is compared with what it promises
        again = Parallel(n_jobs=joblib.cpu_count())(delayed(run_on)(path, each) for each in others.values())
    except RunError as error:
        return f"{path.name}: not written", [str(error)]
    faults, deviations = [], []
    for name, (other, _) in zip(others, again, strict=True):
        for number, (cell, there) in enumerate(zip(code_cells(fresh), code_cells(other), strict=True), 1):
            place, tolerance = f"code cell {number}, processor {name!r}", tolerance_of(cell)
            if difference := first_difference(cell.outputs, there.outputs, tolerance):
                faults.append(f"{path.name}: {place}: {difference}")
            if tolerance is not None:
                absolute, relative = largest_deviation(cell.outputs, there.outputs)
                deviations.append(
                    f"\n  {place}: numbers differ by {absolute:.2g} at most, relatively by {relative:.2g}; "
                    f"allowed: {dict(tolerance)}"
                )
    if faults:
        return f"{path.name}: not written", faults
    write(fresh, path)
    faults = problems(path)
    promised = fresh.metadata.hypav.get("max_seconds")
    if promised is not None and seconds > promised:
        faults.append(f"{path.name}: took {seconds:.0f} s, longer than the {promised} s it promises")
    line = f"{path.name}: run in {seconds:.0f} s, the same on {len(others)} other processors"
    return line + "".join(deviations), faults


if __name__ == "__main__":
    main()
