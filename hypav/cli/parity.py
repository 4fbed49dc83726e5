"""hypav parity: this code against recorded numbers of the released one."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import click

from hypav.cli.options import echo_json, json_option
from hypav.parity import Row, not_compared, run_parity

__all__ = ["parity"]


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--quiet", is_flag=True, help="One line a file; what is off is always shown.")
@json_option
@click.pass_context
def parity(context: click.Context, folder: Path, quiet: bool, as_json: bool) -> None:
    """Compare this package, term by term, with numbers that the released code computed (a folder like tests/golden).

    Prints the largest relative error of every recorded term. Exit code 1 if one is past its tolerance: 1e-10 for
    float64, 1e-5 for float32; the few terms that rounding alone moves further say their own tolerance.
    """
    rows = list(run_parity(folder))
    failed = [row for row in rows if not row.passed]
    if as_json:
        echo_json(
            {
                "folder": str(folder),
                "passed": not failed,
                "not_compared": not_compared(folder),
                "rows": [
                    {**row._asdict(), "error": _finite(row.error), "passed": row.passed} for row in rows
                ],
            }
        )
    else:
        for name, group in groupby(rows, key=lambda row: row.file):
            _print_file(name, list(group), quiet)
        for told in not_compared(folder):
            click.echo(f"not compared: {told}")
        click.echo(f"{len(rows)} terms compared, {len(failed)} past their tolerance.")
    context.exit(1 if failed else 0)


def _print_file(name: str, rows: list[Row], quiet: bool) -> None:
    worst = max(rows, key=lambda row: row.error / row.tolerance)
    click.echo(f"{name}: {len(rows)} terms, largest error {max(row.error for row in rows):.1e}")
    for row in rows:
        if not row.passed or not quiet:
            verdict = "ok  " if row.passed else "FAIL"
            click.echo(f"  {verdict} {row.error:8.1e}  (tolerance {row.tolerance:.0e})  {row.term}")
    if quiet and worst.passed:
        click.echo(f"  nearest to its tolerance: {worst.term}, {worst.error:.1e} of {worst.tolerance:.0e}")


def _finite(error: float) -> float | None:
    return error if error < float("inf") else None
