"""hypav reproduce: the runs behind the paper's tables and figures."""

from __future__ import annotations

import shlex
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from hypav.alignment import PRESETS
from hypav.cli.options import data_options, echo_json, json_option, machine_options
from hypav.data.load import open_data
from hypav.experiments.grid import Outcome, missing
from hypav.experiments.reproduction import Reproduction, reproduction
from hypav.experiments.store import Choice, Store
from hypav.experiments.suite import SUITE
from hypav.experiments.tuning import TUNED, WEIGHTS
from hypav.utils import pick_device, side_by_side

__all__ = ["STORE", "reproduce"]

STORE = "store.sqlite"


@click.command()
@click.argument("tables", nargs=-1, required=True, metavar=f"{SUITE[0]} … {SUITE[-1]} | all")
@data_options()
@click.option("--seeds", default=3, show_default=True, help="How many seeds (0, 1, …).")
@click.option(
    "--scale",
    type=click.Choice(["course", "full"]),
    default="course",
    show_default=True,
    help="course: a short schedule, seconds a run; full: the published one, hours a run without a GPU.",
)
@click.option(
    "--presets", default="paper", show_default=True, help=f"Alignment losses, of {', '.join(PRESETS)}."
)
@click.option(
    "--weights",
    default="1",
    show_default=True,
    help=f"Weights of the alignment loss; {TUNED}: the best of {', '.join(f'{w:g}' for w in WEIGHTS)} on validation.",
)
@click.option("--jobs", "workers", type=int, help="Runs side by side; by default one a core, one on a GPU.")
@click.option(
    "--cluster", metavar="ADDRESS", help="A dask scheduler, tcp://host:8786, whose workers do the runs."
)
@machine_options()
@json_option
@click.pass_context
def reproduce(
    context: click.Context,
    tables: tuple[str, ...],
    door: str,
    reading: dict[str, Any],
    seeds: int,
    scale: str,
    presets: str,
    weights: str,
    workers: int | None,
    cluster: str | None,
    out: Path,
    device: str,
    as_json: bool,
) -> None:
    """Run what the paper's tables and figures consist of, each run once, and store it in OUT/store.sqlite.

    Kill it whenever you like: the same command does what is missing. Two of them on one store share the work. Runs that
    fail are listed at the end (exit code 1); the others are not touched by that.

    Example: hypav reproduce table1 table3 --data simulated --seeds 10 --presets paper,curved --weights 1e-3,1,tuned
    """
    data = open_data(door, **reading)
    device = str(pick_device(device))
    asked = reproduction(
        data,
        tables,
        presets=_split(presets),
        weights=_split(weights),
        seeds=seeds,
        scale_name=scale,
        device=device,
    )
    workers = side_by_side(workers, device)
    with Store(out / STORE) as store:
        jobs = asked.jobs()
        todo = missing(jobs, store, out)
        more = asked.tuned_ahead(store, out)
        seconds, why = asked.estimate(store, todo)
        notes = asked.notes(store)
        if not as_json:
            for line in (
                *_plan_lines(asked, len(jobs), len(todo), more, store, seconds, why, workers, cluster),
                *notes,
            ):
                click.echo(line)
        began = time.perf_counter()
        outcome, choices = asked.run(
            store, out, workers=workers, cluster=cluster, progress=False if as_json else None
        )
        took = time.perf_counter() - began
    if as_json:
        echo_json(
            {
                "store": str(out / STORE),
                "runs": len(jobs),
                "already_there": len(jobs) - len(todo),
                "done": outcome.done,
                "failed": [{"run": f.job.name, "error": f.sentence} for f in outcome.failed],
                "tuned": [asdict(choice) for choice in choices],
                "notes": notes,
                "seconds": took,
            }
        )
    else:
        given = {
            "--data": door,
            "--features": reading["features"],
            "--text-alignment": reading["text_alignment"],
            "--data-seed": str(reading["seed"]),
        }
        for line in (*_result_lines(outcome, choices, took), *_hints(asked, given, out)):
            click.echo(line)
    context.exit(1 if outcome.failed else 0)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _plan_lines(
    asked: Reproduction,
    count: int,
    todo: int,
    tuned: tuple[int, bool],
    store: Store,
    seconds: float,
    why: str,
    workers: int,
    cluster: str | None,
) -> list[str]:
    more, certain = tuned
    expected = (todo + more) * seconds
    where = (
        f"on the cluster {cluster}, in one worker's time"
        if cluster
        else f"with {workers} process{'es' * (workers > 1)}"
    )
    told = ", ".join(f"{weight:g}" if isinstance(weight, float) else weight for weight in asked.weights)
    return [
        f"{', '.join(asked.tables)} on {asked.data.name}",
        f"  presets {', '.join(asked.presets)}; weights {told}"
        f"; seeds 0-{len(asked.seeds) - 1}; recipe {asked.recipe.name} ({asked.scale_name})",
        f"  {count} runs, {count - todo} already in {store.path}, {todo} to do"
        + (f", and {'' if certain else 'up to '}{more} with the tuned weights" if more else ""),
        f"  about {_time(expected if cluster else expected / workers)} {where} ({seconds:.1f} s a run, {why})",
    ]


def _result_lines(outcome: Outcome, choices: list[Choice], took: float) -> list[str]:
    lines = [
        f"{choice.preset}: validation chose weight {choice.weight:g} (HM {100 * choice.val_HM[choice.weight]:.1f} there)"
        for choice in choices
    ]
    lines.append(f"{outcome.done} runs done in {_time(took)}.")
    lines += [f"failed: {failure.job.name}: {failure.sentence}" for failure in outcome.failed]
    if outcome.failed:
        lines.append(
            f"{len(outcome.failed)} runs failed; all others are stored. The same command tries them again."
        )
    return lines


_DEFAULTS = {
    "--features": "main", "--text-alignment": "correct", "--data-seed": "0", "--scale": "course", "--preset": "paper",
    "--weight": "1",
}  # fmt: skip


def _hints(asked: Reproduction, reading: dict[str, str], out: Path) -> list[str]:
    """A command a table that shows these very runs, with the first preset and weight, and what the others are."""
    weights = [w if isinstance(w, str) else repr(w).removesuffix(".0") for w in asked.weights]
    given = {**reading, "--store": str(out / STORE), "--scale": asked.scale_name}
    given |= {"--preset": asked.presets[0], "--weight": weights[0]}
    options = " ".join(f"{n} {shlex.quote(v)}" for n, v in given.items() if _DEFAULTS.get(n) != v)
    lines = [f"See it: hypav {name[:-1]} {name[-1]} {options}" for name in asked.tables]
    others = [
        f"{name} {' or '.join(more)}"
        for name, more in (("--preset", asked.presets[1:]), ("--weight", weights[1:]))
        if more
    ]
    return [*lines, *([f"The others: {', '.join(others)}."] if others else [])]


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
