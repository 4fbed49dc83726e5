"""`python -m hypav.notebooks [--check] [--data DOOR] [--to FOLDER] [PATH ...]`: executes notebooks, on simulated features
or on others, or compares them with a new run.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import joblib
from joblib import Parallel, delayed
from tqdm import tqdm

from hypav.data.load import COURSE_VARIABLE, DOORS_HELP, course_data
from hypav.errors import HypavError, RunError
from hypav.notebooks import execute, problems, strict_nbval, write_pages
from hypav.notebooks.compare import first_difference, largest_deviation, tolerance_of
from hypav.notebooks.execute import CELL_SECONDS, course_environment, run, write
from hypav.notebooks.template import code_cells
from hypav.processors import available
from hypav.utils import make_folder, slug

# on what a page is tried before it is written
REFRESH_ON = ("no AVX", "AVX2", "nudged weights", "other rounding")


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--html", type=click.Path(path_type=Path), help="Execute nothing: write HTML pages into this folder."
)
@click.option("--check", is_flag=True, help="Write nothing: gate and strict nbval on the stored notebooks.")
@click.option(
    "--data",
    "door",
    envvar=COURSE_VARIABLE,
    help=f"Leave the notebooks alone: execute copies of them on the data behind this door. {DOORS_HELP}.",
)
@click.option(
    "--to",
    "copies",
    type=click.Path(file_okay=False, path_type=Path),
    help="Leave the notebooks alone: execute copies of them in this folder (with --data: runs/course-DOOR).",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Pages side by side; by default one a core, but one by one where the notebooks themselves are executed, whose "
    "times are promised, or compared.",
)
def main(
    paths: tuple[Path, ...],
    check: bool,
    html: Path | None,
    door: str | None,
    copies: Path | None,
    jobs: int | None,
) -> None:
    """Executes the notebooks at PATHS (default: notebooks/*.ipynb), normalises them and names what the gate finds.

    The notebooks themselves are executed on simulated features, of which their prose speaks; on other data only copies
    are. Those take what time they need.
    """
    pages = list(paths) or sorted(Path("notebooks").glob("*.ipynb"))
    if not pages:
        raise click.UsageError("There is no notebook in notebooks/: run this from the project's folder.")
    if html is not None:
        for page in write_pages(pages, html):
            click.echo(f"wrote {page}")
        return
    if check:
        door = copies = None
    course = None
    try:
        if door is not None:
            course = course_environment(door)
            data = course_data(environment=course)  # a door that does not open says so before anything runs
            copies = copies or Path("runs") / f"course-{slug(door)}"
            click.echo(f"The course on {data.name}, in {copies}")
        if copies is not None:
            folder = make_folder(copies)
            pages = [Path(shutil.copy(page, folder)) for page in pages]
    except HypavError as error:
        raise click.UsageError(str(error)) from None
    jobs = min(jobs or (1 if copies is None else joblib.cpu_count()), len(pages))
    if check:
        work = [delayed(_compare)(page) for page in pages]
    elif copies is None:
        work = [delayed(_refresh)(page, bar=jobs == 1) for page in pages]
    else:
        work = [delayed(_execute_copy)(page, course=course, bar=jobs == 1) for page in pages]
    sys.exit(1 if _done_and_told(work, jobs) else 0)


def _done_and_told(work: Sequence[Any], jobs: int) -> bool:
    """Does the work, so many pages at once, and says what each gives, in the pages' order; whether anything is wrong."""
    wrong = False
    # a reader at a terminal sees a bar (one by one, each page's own), a log only the lines
    hidden = None if jobs > 1 else True
    with tqdm(desc="course", total=len(work), unit="page", leave=False, disable=hidden) as bar:
        for line, found in Parallel(n_jobs=jobs, return_as="generator")(work):
            bar.update()
            with bar.external_write_mode():
                for told in (line, *found):
                    if told:
                        click.echo(told)
            wrong |= bool(found)
    return wrong


def _refresh(page: Path, *, bar: bool) -> tuple[str, list[str]]:
    """Executes a page here and as on other processors. It is written if nothing is wrong: a line on it, and what is."""
    try:
        with _cells(page, bar) as progress:
            fresh, seconds = run(page, progress=progress)
        others = {name: each for name, each in available().items() if name in REFRESH_ON}
        work = (delayed(run)(page, processor=each) for each in others.values())
        again = Parallel(n_jobs=joblib.cpu_count())(work)
    except RunError as error:
        return "", [str(error)]
    found, deviations = [], []
    for name, (other, _) in zip(others, again, strict=True):
        for number, (cell, there) in enumerate(zip(code_cells(fresh), code_cells(other), strict=True), 1):
            tolerance = tolerance_of(cell)
            if difference := first_difference(cell.outputs, there.outputs, tolerance):
                found.append(f"{page.name}: code cell {number}, processor {name!r}: {difference}")
            if tolerance is not None:
                absolute, relative = largest_deviation(cell.outputs, there.outputs)
                deviations.append(
                    f"\n  code cell {number}, processor {name!r}: numbers differ by {absolute:.2g} at most, "
                    f"relatively by {relative:.2g}; allowed: {dict(tolerance)}"
                )
    if found:
        return f"{page.name}: not written", found
    write(fresh, page)
    found = problems(page)
    promised = fresh.metadata.hypav.get("max_seconds")
    if promised is not None and seconds > promised:
        found.append(f"{page.name}: took {seconds:.0f} s, longer than the {promised} s it promises")
    line = f"{page.name}: executed in {seconds:.0f} s, and as on {len(others)} other processors"
    return line + "".join(deviations), found


def _execute_copy(page: Path, *, course: Mapping[str, str] | None, bar: bool) -> tuple[str, list[str]]:
    """Executes a reader's copy, in whatever time it needs: a line on it, and what the gate finds."""
    try:
        with _cells(page, bar) as progress:
            # nobody knows how large the reader's data are
            seconds = execute(
                page, progress=progress, course=course, cell_seconds=CELL_SECONDS if course is None else None
            )
    except RunError as error:
        return "", [str(error)]
    return f"{page.name}: executed in {seconds:.0f} s", problems(page)


@contextmanager
def _cells(page: Path, bar: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar of a page's cells, at a terminal."""
    with tqdm(desc=page.stem, unit="cell", leave=False, disable=None if bar else True) as cells:

        def advance(done: int, total: int) -> None:
            cells.total = total
            cells.update(done - cells.n)

        yield advance


def _compare(page: Path) -> tuple[str, list[str]]:
    """The gate and strict nbval on a stored page: a line on it, and what is wrong."""
    found = problems(page)
    if found:
        return "", found
    same, report = strict_nbval(page)
    if same:
        return f"{page.name}: every output came out again", []
    return f"{page.name}: outputs differ", [report]


if __name__ == "__main__":
    main()
