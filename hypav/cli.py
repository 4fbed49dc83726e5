"""The hypav command. Exit codes: 0 success, 1 a run failed, 2 invalid input, 130 interrupted.

Each command imports what it needs when it runs, so that `hypav --help` answers at once.
"""

from __future__ import annotations

import errno
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial, reduce, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import hypav
from hypav.errors import DataError, HypavError, RunError, SettingError, one_line, printable

if TYPE_CHECKING:
    import pandas as pd

# of hypav.experiments.evidence, which imports torch
EXPERIMENTS = (
    "loudness | curvature | processors | full-length | as-published | first-code | competent | planted"
)
# of hypav.alignment
PRESETS = (
    "printed", "released", "released-2023", "curved", "curved-normalised", "curved-kernel", "curved-midpoint"
)  # fmt: skip
METHODS = "eszsl,avca,hyper-alignment,hyper-single,hyper-multiple"
SETS = "simulated[:small], yt8m-mini, a folder of the AVCA benchmark, or an .npz file"
INTERRUPTED = "Interrupted. Run the same command again to resume."

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
Load = Callable[[], Any]
SEED = click.IntRange(0, 2**63 - 1)
COUNT = click.IntRange(max=10**6)
AT_LEAST_4, AT_LEAST_1 = click.IntRange(4, 10**6), click.IntRange(1, 10**6)
option = partial(click.option, show_default=True)
_NO_MEMORY = re.compile("out of memory|not enough memory|can't allocate memory")  # torch's RuntimeErrors


class Expanded(click.Path):
    """A path in which ~ is the home folder also where no shell expands it, as in --to=~/table.md."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return super().convert(os.path.expanduser(value), param, ctx)


PATH = Expanded(path_type=Path)
DATA = Expanded()  # the name of a set, or a path


def options(*several: Decorator) -> Decorator:
    """Several options as one decorator."""
    return lambda command: reduce(lambda inner, option: option(inner), reversed(several), command)


def choice(name: str, values: Sequence[str], text: str) -> Decorator:
    """An option with a fixed list of values, the first of which is the default."""
    return option(name, type=click.Choice(values), default=values[0], help=text)


max_gb_option = option(
    "--max-gb",
    type=float,
    help="The largest size of the unpacked data in gigabytes; by default 20 times that of the files, and at least 1.",
)


def data_options(default: str | None = "simulated") -> Decorator:
    """--data and the options for reading it. The command gets `load`, which loads the set, or None without --data."""
    several = options(
        option("--data", "name", type=DATA, default=default, help=f"The features: {SETS}."),
        choice("--features", ["main", "cls"], "Which features of a benchmark folder."),
        choice(
            "--text-alignment",
            ["correct", "official"],
            "Class words in the right order, or shifted as in the released code.",
        ),
        option("--data-seed", type=SEED, default=0, help="Seed of the simulated features."),
        max_gb_option,
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def loading(
            *args: Any,
            name: str | None,
            data_seed: int,
            features: str,
            text_alignment: str,
            max_gb: float | None,
            **rest: Any,
        ) -> Any:
            def load() -> Any:
                from hypav.data.load import load

                return load(
                    name or "",
                    features=features,
                    text_alignment=text_alignment,
                    seed=data_seed,
                    max_gb=max_gb,
                )

            return command(*args, load=load if name is not None else None, **rest)

        return several(loading)

    return decorate


folder_option = option("--folder", type=PATH, default=Path("runs"), help="The folder of the runs.")
device_option = option("--device", default="auto", help="auto, cpu, cuda or cuda:1.")
jobs_option = option("--jobs", type=COUNT, help="Runs at a time; by default one per core, or four on a GPU.")
seeds_option = option(
    "--seeds", type=COUNT, default=3, help="How many seeds. Fewer than three give no interval."
)
scale_option = choice(
    "--scale", ["course", "full"], "A schedule of seconds per run, or the published one, which takes hours."
)
preset_option = choice("--preset", PRESETS, "The alignment loss. With curved the curvature has an effect.")
recipe_option = option("--recipe", help="Network and schedule by name; the default depends on the data.")
pull_option = option(
    "--pull",
    type=float,
    help="Instead of a weight: the alignment loss's gradient on phi as a share of L_avca's, e.g. 0.1.",
)
recipe_options = options(
    preset_option,
    recipe_option,
    option("--weight", type=float, help="Weight of the alignment loss; by default the preset's."),
    pull_option,
    option("--epochs", type=COUNT, help="Maximum epochs per stage; by default the recipe's."),
    option("--batches", type=COUNT, help="Batches per epoch; by default the recipe's."),
    option("--batch-size", type=COUNT, help="Samples per batch; by default the recipe's."),
    option("--lr", type=float, help="Learning rate; by default the recipe's."),
    option(
        "--autocast",
        is_flag=True,
        default=None,
        help="Matrix products in bfloat16. Faster on some processors, but weak alignment losses are rounded away.",
    ),
)


def echo(text: object, err: bool = False) -> None:
    """Print text in which names cannot steer the terminal."""
    click.echo(printable(text), err=err)


def split(text: str) -> list[str]:
    """The items of a comma-separated list."""
    return [part.strip() for part in text.split(",") if part.strip()]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(hypav.__version__, package_name="hypav")
def cli() -> None:
    """Hyperbolic audio-visual zero-shot learning: train, test and compare AVCA with the alignment methods.

    Start with "hypav compare": it trains the methods on simulated features and prints the table S, U, HM, ZSL.
    "hypav course FOLDER" writes the notebooks. "hypav COMMAND --help" explains a command.
    """


@cli.command()
@data_options()
@option(
    "--method",
    default="avca",
    help="A method of hypav compare, or one with its curvature, such as hyper-alignment:-0.5.",
)
@option("--seed", type=SEED, default=0, help="Seed of the weights, batches and dropout masks.")
@recipe_options
@folder_option
@device_option
@option(
    "--threads",
    type=click.IntRange(max=1024),
    default=1,
    help="CPU threads; the same number gives the same results bit for bit.",
)
def train(load: Load, method: str, folder: Path, **settings: Any) -> None:
    """Train one method with one seed in two stages, test it, and save its network.

    Stage 1 chooses the epoch and the calibration beta on validation classes. Stage 2 trains again on all samples except
    those of the test. You can stop it at any time; the same command resumes and gives the same numbers.

    Example: hypav train --data yt8m-mini --method hyper-single --preset curved
    """
    from hypav.experiments.configs import name_of
    from hypav.experiments.grid import train as train_run
    from hypav.experiments.runs import run_path
    from hypav.utils import pick_device

    data = load()
    run = train_run(data, method, folder=folder, progress=True, **settings)
    preset = "" if run.config.alignment is None else f", preset {settings['preset']}"
    echo(f"{name_of(run.config)} on {marked(data)}{preset}, seed {run.config.seed}")
    echo("  test: " + metrics_text(run.metrics))
    echo(
        f"  epoch {run.best_epoch} and beta {run.metrics.beta:.1f} chosen on validation "
        f"(HM {100 * run.val.HM:.2f} there)"
    )
    echo(f"  kept in {run_path(folder, data, run.config, pick_device(settings['device']).type)}")


def marked(data: Any) -> str:
    """The name of a set on one line, marked SIMULATED if its features are simulated."""
    return one_line(data.name) + (" (SIMULATED)" if data.simulated and "SIMULATED" not in data.name else "")


def metrics_text(metrics: Any) -> str:
    """S, U, HM and ZSL in per cent, as one line."""
    return "  ".join(f"{name} {100 * getattr(metrics, name):.2f}" for name in ("S", "U", "HM", "ZSL"))


@cli.command()
@click.argument("run", type=PATH)
@data_options(default=None)
@choice("--phase", ["test", "val"], "Which samples.")
@option("--beta", type=float, help="Calibration; by default the beta chosen on validation.")
def evaluate(run: Path, load: Load | None, phase: str, beta: float | None) -> None:
    """Test the network of the file RUN (.json, from hypav train) in detail.

    Prints S, U, HM, ZSL, the area under the seen-unseen curve, the recall of each super-group, and the classes that are
    confused most often.

    Example: hypav evaluate runs/simulated-small-1b1f704e/avca-seed0-1a2b3c4d5e6f.json
    """
    from hypav.data.load import load as load_set
    from hypav.experiments.runs import load_run
    from hypav.training import score

    if beta is not None and not 0 <= beta < float("inf"):
        raise SettingError(f"--beta is {beta:g}; it must be a finite number of at least 0.")
    trained, record = load_run(run)
    if load is not None:
        data = load()
    elif record["loaded_as"]:
        data = load_set(**record["loaded_as"])
    else:
        raise SettingError(f"{run} does not say where its features are; give them with --data.")
    for dim in ("dim_audio", "dim_video", "dim_text"):
        wanted, given = getattr(trained.config.network, dim), getattr(data, dim)
        if wanted != given:
            raise SettingError(
                f"The network takes {dim} {wanted}, but {data.name} has {given}; give other --data."
            )
    if data.digest != record["data_digest"]:
        echo(f"Note: the run was trained on other features, {record['data']}.", err=True)
    samples = data.phase(phase)
    scores = score(trained, samples)
    beta = record["beta"] if beta is None else beta
    echo(f"{record['method']} on {marked(data)}, {phase}: {len(samples)} samples, beta {beta:.2f}")
    echo(f"  {metrics_text(scores.metrics(beta))}  AUSUC {100 * scores.ausuc():.2f}")
    if data.super_groups:
        recall = scores.group_recall(beta, data.super_groups)
        echo("  recall by super-group:")
        for group, value in sorted(recall.items(), key=lambda item: -item[1]):
            echo(f"    {100 * value:5.1f}  {one_line(group)}")
    wrong = scores.confusion(beta).fill_diagonal_(0)
    names = [one_line(data.class_names[i]) for i in scores.classes.tolist()]
    echo("  confused most often:")
    for place in wrong.flatten().argsort(descending=True, stable=True)[:5].tolist():
        row, column = divmod(place, len(names))
        if wrong[row, column] > 0:
            echo(f"    {int(wrong[row, column]):4d} x  {names[row]}  predicted as  {names[column]}")


@cli.command()
@data_options()
@option(
    "--methods",
    default=METHODS,
    help="Comma-separated; also cjme, avgzslnet, avca-skip; alignment:-0.2+0.4 mixes geometries.",
)
@seeds_option
@recipe_options
@folder_option
@device_option
@jobs_option
@option("--to", type=PATH, help="Also write the table to this file, .csv or .md.")
@click.pass_context
def compare(context: click.Context, load: Load, methods: str, to: Path | None, **settings: Any) -> None:
    """Train several methods with several seeds and print the table S, U, HM, ZSL with 95 % intervals.

    The paper's values are shown next to ours if it reports the set. Finished runs in the folder are used again.

    Example: hypav compare --data yt8m-mini --methods eszsl,avca,hyper-single --seeds 5 --preset curved
    """
    from hypav.experiments.comparison import comparison_text
    from hypav.experiments.grid import compare as compare_methods
    from hypav.experiments.tables import csv_text

    data = load()
    table = compare_methods(data, split(methods), progress=True, **settings)
    text = comparison_text(table)
    echo(text)
    if to is not None:
        write(to, csv_text(table) if to.suffix == ".csv" else text + "\n")
    context.exit(1 if table.attrs["failed"] else 0)


@cli.command()
@click.argument(
    "tables",
    nargs=-1,
    required=True,
    metavar=f"table1 … table7 | figure3 | figure4 | baselines | all | {EXPERIMENTS}",
)
@data_options()
@option("--seeds", type=COUNT, help="How many seeds: 3 by default, or the experiment's own number.")
@scale_option
@recipe_option
@option("--presets", default="printed", help=f"Alignment losses, comma-separated, from {', '.join(PRESETS)}.")
@option(
    "--weights",
    help="Weights of the alignment loss, 1 by default; tuned: the best from .001 to 100 on validation.",
)
@option(
    "--pulls", default="", help="Gradients of the alignment loss on phi, as shares of L_avca's: 1e-4,.01,.1."
)
@jobs_option
@option(
    "--cluster", metavar="ADDRESS", help="A dask scheduler, tcp://host:8786, whose workers train the runs."
)
@folder_option
@device_option
@click.pass_context
def reproduce(
    context: click.Context,
    tables: tuple[str, ...],
    load: Load,
    presets: str,
    weights: str | None,
    pulls: str,
    **settings: Any,
) -> None:
    """Train all runs that the paper's tables and figures or a named experiment need, each of them once.

    The number of runs and the expected time are printed first. You can stop it at any time; the same command trains the
    missing runs. A failed run does not stop the others. Failed runs are listed at the end, and the exit code is 1. Show
    the results with hypav table and hypav figure. An experiment has its own losses, pulls, weights and number of seeds.

    \b
    loudness      the printed and the released loss at seven pulls
    curvature     thirteen curvatures under four losses at equal pull
    processors    the planned tests again, as on another processor
    full-length   the long recipe, few configurations
    as-published  Table 1 at the published length, under the printed and the released loss
    first-code    Table 3 under the loss of the code as first published
    competent     AVCA-skip, which comes close to a linear map, alone and under alignment losses
    planted       the positive control, which takes no data

    Example: hypav reproduce table1 table3 --seeds 10 --presets printed,curved --weights 1e-3,1,tuned
    """
    from hypav.experiments.reproduce import reproduce as reproduce_tables

    runs = reproduce_tables(
        load(),
        tables,
        presets=split(presets),
        weights=None if weights is None else split(weights),
        pulls=split(pulls),
        progress=True,
        **settings,
    )
    for preset, weight in runs.attrs["tuned"].items():
        echo(f"{preset}: validation chose weight {weight:g}.")
    echo(f"{len(runs)} runs are in {settings['folder']}. See them with: hypav table N, hypav figure N.")
    for line in runs.attrs["failed"]:
        echo(line)
    if runs.attrs["failed"]:
        echo("The same command tries the failed runs again.")
    context.exit(1 if runs.attrs["failed"] else 0)


@cli.command()
@click.argument("number", metavar="1 … 7")
@option("--data", "name", type=DATA, help="Which runs: by the data set's name, or as for hypav compare.")
@option("--folder", type=PATH, default=Path("runs"), help="The folder of the runs, or a .csv file of them.")
@preset_option
@option("--weight", help="Weight of the alignment loss, 1 by default; tuned: the one chosen on validation.")
@pull_option
@scale_option
@recipe_option
@option("--format", "form", default="markdown", help="markdown, latex, csv or html.")
@option("--to", type=PATH, help="Write the table to this file.")
def table(
    number: str, name: str | None, folder: Path, preset: str, weight: str | None, pull: float | None, scale: str,
    recipe: str | None, form: str, to: Path | None,
) -> None:  # fmt: skip
    """Show a table of the paper next to our runs: means and intervals over seeds, differences to AVCA per seed.

    Example: hypav table 3 --data simulated --preset curved --format latex
    """
    from hypav.experiments.effects import paper_key, tuned_weight
    from hypav.experiments.reproduce import TUNED, parsed
    from hypav.experiments.runs import load_runs
    from hypav.experiments.tables import paper_table, to_text

    runs = load_runs(folder)
    runs = runs if name is None else runs_on(runs, name)
    runs = comparable(runs[runs["recipe"] == recipe] if recipe else runs[runs["scale_name"] == scale], folder)
    chosen = 1.0 if pull is None else None
    if weight == TUNED:
        chosen = tuned_weight(runs, paper_key(runs), preset)
        if chosen is None:
            raise RunError(f"{folder} has no runs to tune by; hypav reproduce --weights tuned trains them.")
    elif weight is not None:
        chosen = parsed("weight", weight)
    shown = paper_table(f"table{number.removeprefix('table')}", runs, preset=preset, weight=chosen, pull=pull)
    text = to_text(shown, form)
    if to is None:
        echo(text)
    else:
        write(to, text + "\n")


def runs_on(runs: pd.DataFrame, name: str) -> pd.DataFrame:
    """The runs on a set, given by its name in the runs or by what `hypav.load` takes."""
    from hypav.data.load import load
    from hypav.data.yt8m import YT8M_NAME

    name = YT8M_NAME if name == "yt8m-mini" else name  # also if the features are not here
    if name in set(runs["data"]):
        return runs[runs["data"] == name]
    data = load(name)
    same = runs[runs["data_digest"] == data.digest]
    return runs[runs["data"] == data.name] if same.empty else same


def comparable(runs: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The runs that can be compared in a table. Of several such groups it is the largest, and a note names the others."""
    from hypav.experiments.effects import by_set

    parts = by_set(runs)
    if not parts:
        raise RunError(f"{folder} has no such runs; hypav reproduce trains them.")
    name = max(parts, key=lambda part: len(parts[part]))
    if others := [other for other in parts if other != name]:
        echo(
            f"These are the runs on {name}. Choose others with --data and --recipe: {'; '.join(others)}.",
            err=True,
        )
    return parts[name]


@cli.command()
@click.argument("number", metavar="3 | 4")
@data_options()
@folder_option
@preset_option
@option("--weight", type=float, help="Weight of the alignment loss, 1 by default.")
@pull_option
@scale_option
@recipe_option
@device_option
@option("--to", type=PATH, default=Path("runs"), help="Folder for the picture.")
def figure(
    number: str,
    load: Load,
    folder: Path,
    preset: str,
    weight: float | None,
    pull: float | None,
    scale: str,
    recipe: str | None,
    device: str,
    to: Path,
) -> None:
    """Draw the paper's Figure 3 or 4 as SVG, and write the drawn points as CSV.

    The figures are t-SNEs of theta_v, coloured by super-class. They use the networks of AVCA and Hyper-multiple that
    "hypav reproduce figure3" saved.

    Example: hypav figure 3 --data simulated --preset curved
    """
    from hypav.experiments.configs import recipe_for
    from hypav.experiments.figures import draw

    data = load()
    chosen = recipe_for(data, recipe, scale)
    number = f"figure{number.removeprefix('figure')}"
    paths = draw(
        number, folder, data, preset=preset, weight=weight, pull=pull, recipe=chosen, device=device, out=to
    )
    echo("Wrote " + ", ".join(map(str, paths)))


@cli.command()
@data_options()
@option(
    "--run", type=PATH, help="A run (.json, from hypav train), whose theta_v and theta_a are measured too."
)
@choice("--phase", ["test", "val", "train", "train_val"], "Which samples.")
@option("--size", type=AT_LEAST_4, default=500, help="Points per sub-sample (released code: 1500).")
@option(
    "--tries",
    type=click.IntRange(1, 10**6),
    default=10,
    help="Number of sub-samples, over which the interval is taken.",
)
@option("--seed", type=SEED, default=0, help="Seed of the sub-samples and the noise.")
def delta(load: Load, run: Path | None, phase: str, size: int, tries: int, seed: int) -> None:
    """Measure Gromov's delta_rel of features: 0 for a tree, at most 1. Gaussian noise is shown next to it.

    delta_rel = 2 delta / diameter (Khrulkov et al. 2020); the released code leaves out the 2. A delta_rel near that of
    noise of the same size and dimension is no evidence of a hierarchy.

    Example: hypav delta --data yt8m-mini
    """
    import pandas as pd
    from torch import Generator

    from hypav.experiments.runs import load_run
    from hypav.hyperbolicity import gaussian_null, sampled_delta_rel

    data = load()
    samples = data.phase(phase)
    views = {"audio": samples.audio, "video": samples.video, "text": samples.text}
    if run is not None:
        embedded = load_run(run)[0].embed(samples)
        views |= {"theta_v": embedded.theta_v, "theta_a": embedded.theta_a}
    rows = []
    for what, points in views.items():
        n, dim = points.shape
        if n < 4:
            continue
        count = 1 if size >= n else tries  # samples of all points differ in the base point alone
        measured = sampled_delta_rel(points, generator=Generator().manual_seed(seed), size=size, tries=count)
        noise = gaussian_null(min(size, n), dim, generator=Generator().manual_seed(seed), tries=min(count, 3))
        spread = "one sample" if measured.interval is None else "{:.3f} to {:.3f}".format(*measured.interval)
        numbers = (f"{value:.3f}" for value in (noise.delta_rel, measured.delta_rel / 2))
        rows.append((what, str(min(size, n)), str(dim), f"{measured.delta_rel:.3f}", spread, *numbers))
    header = [
        "what",
        "points",
        "dimensions",
        "delta_rel",
        "95 % interval",
        "noise",
        "released (without the 2)",
    ]
    echo(f"delta_rel on {marked(data)}, {phase}")
    echo(pd.DataFrame(rows, columns=header).to_markdown(index=False, disable_numparse=True))


@cli.command()
@click.argument("folder", type=PATH)
@option("--execute", is_flag=True, help="Run the notebooks first, so that they contain their outputs.")
@option(
    "--data", "name", type=DATA, default="simulated", help=f"The features that the notebooks use: {SETS}."
)
def course(folder: Path, execute: bool, name: str) -> None:
    """Write the course into FOLDER: notebooks and pages for students, the same with solutions, and lecturers' pages.

    A notebook that a student has changed is kept, and a new version of it is written beside it.

    Example: hypav course course
    """
    from hypav.site import write_course

    for line in write_course(folder, execute=execute, data=name):
        echo(line)


@cli.command()
@click.argument("folder", type=PATH)
def site(folder: Path) -> None:
    """Write the students' pages into FOLDER, for any web server: no solutions, no network, nothing to execute.

    Example: hypav site site
    """
    from hypav.site import write_site

    for line in write_site(folder):
        echo(line)


@cli.command()
@click.argument("folder", type=PATH)
@option("--to", type=PATH, default=Path("checks.csv"), help="The table to write.")
@option("--seconds", type=click.IntRange(1, 3600), default=300, help="The time limit of a notebook.")
@option("--jobs", type=AT_LEAST_1, help="Notebooks at a time; by default one per core.")
def check(folder: Path, to: Path, seconds: int, jobs: int | None) -> None:
    """Run the checks over the notebooks that were handed in, in FOLDER and its folders, and write a CSV.

    A row is an exercise: file, exercise, outcome (Passed, Not right, Not yet, Not run), sentence. Each notebook runs in a
    process of its own, in an empty folder, without network and programs. That stops accidents, not attacks: check
    notebooks of strangers in a container.

    Example: hypav check handed-in --to checks.csv
    """
    from hypav.experiments.tables import csv_text
    from hypav.handed_in import check_folder
    from hypav.utils import replacing

    table, said = check_folder(folder, seconds=seconds, jobs=jobs), written(to)
    with replacing(to) as temporary:
        temporary.write_text(csv_text(table), encoding="utf-8")
    counts = table["outcome"].value_counts()
    outcomes = ", ".join(f"{count} {name}" for name, count in counts.items())
    echo(f"{said} {to}: {table['file'].nunique()} notebooks, {len(table)} rows: {outcomes}.")


@cli.command()
@option("--to", type=PATH, default=Path("predictions.gift"), help="The file to write.")
def gift(to: Path) -> None:
    """Write the course's predictions as GIFT, a text that Moodle and other learning platforms import as questions.

    Example: hypav gift --to predictions.gift
    """
    from hypav.predictions import predictions
    from hypav.utils import replacing

    asked, said = predictions(), written(to)  # first: without the extra `course` this is one sentence

    from hypav.gift import gift as text_of

    with replacing(to) as temporary:
        temporary.write_text(text_of(asked), encoding="utf-8")
    echo(f"{said} {to}: {len(asked)} predictions. In Moodle: question bank, import, GIFT format.")


@cli.group()
def data() -> None:
    """Describe features, check them, make a set from your arrays, or fetch real ones."""


@data.command()
@data_options()
def describe(load: Load) -> None:
    """Describe features: source, dimensions, classes, groups, and the size of each split.

    Example: hypav data describe --data yt8m-mini
    """
    from hypav.data.features import describe as describe_set

    echo(describe_set(load()))


@data.command()
@click.argument("path", type=PATH)
@max_gb_option
@click.pass_context
def verify(context: click.Context, path: Path, max_gb: float | None) -> None:
    """Say what the folder or file PATH holds, its first error and all warnings, before anything trains.

    PATH is a folder of the benchmark, a yt8m-mini file or folder, or your own .npz. Warnings count equal rows, rows of
    zeros, values beyond float32, outliers and names in two splits. The exit code is 2 if no run can use the data;
    warnings and notes do not change it.
    """
    from hypav.data.verify import verify as verify_path

    if not path.exists():
        raise DataError(f"There is no file or folder {str(path)!r} to verify.")
    report = verify_path(path, max_gb=max_gb)
    echo(report)
    context.exit(0 if report.ok else 2)


@data.command()
@click.argument("source", type=PATH)
@click.argument("out", type=PATH)
@option("--unseen", type=COUNT, help="Number of test-unseen classes to draw; by default a fifth of all.")
@option(
    "--val-unseen", type=COUNT, help="Number of validation-unseen classes to draw; by default a fifth of all."
)
@option("--seed", type=SEED, default=0, help="Seed of the draw.")
@option("--name", help="The name of the set in tables; by default the name of SOURCE.")
@max_gb_option
def make(
    source: Path,
    out: Path,
    unseen: int | None,
    val_unseen: int | None,
    seed: int,
    name: str | None,
    max_gb: float | None,
) -> None:
    """Make a data set from your own arrays: draw its zero-shot splits and write OUT.npz, which --data accepts.

    SOURCE is an .npz file, or a folder of .npy files, with audio (N, D_a), video (N, D_v), label (N,), text (C, D_w) and
    class_names (C,). In a folder class_names may also be a .txt file with one name per line. groups, super_groups and
    ids are optional.

    Example: hypav data make my_arrays mine.npz --unseen 10
    """
    from hypav.data.features import from_arrays, save_npz, source_arrays

    needed = ("audio", "video", "label", "text", "class_names")
    known = (*needed, "groups", "super_groups", "ids")
    arrays = source_arrays(source, known, max_gb=max_gb)
    if missing := [key for key in needed if key not in arrays]:
        raise DataError(f"{source}: the array {missing[0]} is missing; give {', '.join(needed)}.")
    if out.suffix != ".npz":
        raise SettingError(f"OUT is {out}; its name must end in .npz.")
    made = from_arrays(
        name=name or source.stem, **{key: arrays[key] for key in known if key in arrays},
        unseen=unseen, val_unseen=val_unseen, seed=seed,
    )  # fmt: skip
    word = written(out)
    save_npz(made, out)
    echo(f"{made}\n{word} {out}. Use it: hypav compare --data {out}")


@data.command()
@click.argument("what", type=click.Choice(["yt8m", "official"]))
@option("--to", "folder", type=PATH, default=Path("yt8m"), help="Folder for the shards.")
@option("--shards", default="0-139", help="Which shards: 0-139 or 0,5,7.")
@option("--text", type=PATH, help="Word vectors; if given, the set is built too.")
@option("--url", help="Another server with the shards, instead of Google's.")
@option("--yes", is_flag=True, help="Do not ask before downloading.")
def fetch(what: str, folder: Path, shards: str, text: Path | None, url: str | None, yes: bool) -> None:
    """Get real features: "yt8m" downloads Google's public shards, "official" says where to get the benchmark's archive.

    The size is shown first, and nothing is downloaded until you say yes. Complete shards are not downloaded again.
    """
    from hypav.data.official import official_archive_help
    from hypav.data.yt8m_build import BASE_URL, PLAN_URL, fetch_yt8m

    if what == "official":
        echo(official_archive_help())
        return
    paths = fetch_yt8m(
        folder,
        confirm=lambda question: yes or agreed(question),
        shards=numbers(shards),
        base_url=url or BASE_URL,
        plan_url=None if url else PLAN_URL,
    )
    if not paths:
        echo("Nothing was downloaded.")
    elif text is not None:
        build(paths, folder, text)
    else:
        echo(f"{len(paths)} shards are in {folder}. Build the set: hypav data build-yt8m {folder}/*.tfrecord")


def agreed(question: str) -> bool:
    """The answer to a question of yes or no."""
    try:
        return click.confirm(printable(question), default=False)
    except click.Abort as error:
        if isinstance(error.__context__, EOFError):
            raise SettingError("Nobody is here to answer; --yes downloads without a question.") from None
        raise


@data.command("build-yt8m")
@click.argument("shards", nargs=-1, required=True, type=PATH)
@option("--to", "out", type=PATH, default=Path("."), help="File or folder to write.")
@option("--text", type=PATH, required=True, help="Vectors of the class names: .npz, .npy, fastText's .vec.")
def build_yt8m(shards: tuple[Path, ...], out: Path, text: Path) -> None:
    """Make the yt8m-mini set from YouTube-8M's video-level TFRecord SHARDS (validateXXXX.tfrecord).

    A video is kept if exactly one of its labels is a candidate class. A class has 15 to 40 videos. The same shards and
    vectors give the same bytes. Set HYPAV_DATA to the folder of the file and use --data yt8m-mini.
    """
    build(shards, out, text)


def build(shards: Any, out: Path, text: Path) -> None:
    """Build the yt8m-mini set and print what it contains."""
    from hypav.data.yt8m import YT8M_FILE
    from hypav.data.yt8m_build import build_yt8m as build_set

    word = written(out / YT8M_FILE if out.is_dir() else out)
    report = build_set(shards, out, text=text)
    echo(f"{word} {report.path}: {report.kept} of {report.videos} videos from {report.shards} shards")
    for part, (videos, classes) in report.splits.items():
        echo(f"  {part}: {videos} videos of {classes} classes")
    if report.dropped:
        echo(f"  too few videos, left out: {', '.join(report.dropped)}")


@data.command()
@click.argument("archive", type=PATH)
@click.argument("folder", type=PATH)
@max_gb_option
def unpack(archive: Path, folder: Path, max_gb: float | None) -> None:
    """Unpack the benchmark's ARCHIVE into FOLDER. Nothing can be written outside FOLDER, and pickles are left out.

    The number and the size of the files are printed before the first is written.
    """
    from hypav.data.official import unpack as unpack_archive

    echo(f"Unpacked into {unpack_archive(archive, folder, max_gb=max_gb, say=echo)}.")


def numbers(text: str) -> list[int]:
    """The whole numbers of a text such as "0-139" or "0,5,7"."""
    whole: list[int] = []
    for part in split(text):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or len(first + last) > 12:
            raise SettingError(f"--shards is {text!r}; write 0-139 or 0,5,7.")
        whole += range(int(first), int(last or first) + 1)
    return whole


def write(path: Path, text: str) -> None:
    """Write a text file, whole or not at all, and print its name."""
    from hypav.utils import replacing

    word = written(path)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    echo(f"{word} {path}.")


def written(*paths: Path) -> str:
    """The word for files that are about to be written: nothing is replaced without a word."""
    return "Replaced" if any(path.exists() for path in paths) else "Wrote"


def main() -> None:
    """The entry point: run the command and print an error that a user can fix as one sentence."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names may hold what the output's encoding does not have
            stream.reconfigure(errors="backslashreplace")
    try:
        code = cli.main(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        fail(INTERRUPTED, 130)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        command = "hypav" if context is None else context.command_path.replace("__main__.py", "hypav")
        fail(f"{error.format_message().rstrip('.')}. Try {command} --help.", 2)
    except HypavError as error:
        fail(str(error), 2)
    except SystemExit:  # click's own: whoever read the output (head, less) has seen enough
        code = 0
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not _NO_MEMORY.search(str(error)):
            raise
        fail("There is not enough memory for this; take smaller data or settings, or fewer --jobs.", 2)
    except OSError as error:
        # the outputs and files that libraries opened have no name
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        nameless = "Cannot write the output or a temporary file" if full else "Cannot read or write a file"
        fail(f"{error.filename or nameless}: {error.strerror or error}.", 2)
    sys.exit(code if isinstance(code, int) else 0)


def fail(sentence: str, code: int) -> None:
    """Print one sentence on the error stream and exit with a code."""
    with suppress(OSError):  # nobody reads it
        echo(f"Error: {sentence}" if code == 2 else sentence, err=True)
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:  # Python would try again when it ends, and exit with 120
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)
