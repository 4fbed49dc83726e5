"""hypav figure: Figures 3 and 4 of the paper from trained networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hypav.alignment import PRESETS
from hypav.cli.options import SEED, data_options, echo_json, json_option
from hypav.cli.stored import asked_weight, open_store, require_networks
from hypav.data.load import open_data
from hypav.errors import SettingError
from hypav.experiments.figures import drawing, kept_runs, networks_of, save_drawing
from hypav.experiments.recipes import recipe_for
from hypav.experiments.sets import SetId
from hypav.experiments.tuning import TUNED, parsed_weight
from hypav.utils import slug

__all__ = ["figure"]


@click.command()
@click.argument("number", metavar="3|4", type=click.Choice(["3", "4"]))
@click.argument("runs", metavar="[RUN]...", nargs=-1, type=click.Path(path_type=Path))
@data_options()
@click.option(
    "--store", "path", type=click.Path(path_type=Path), default=Path("runs/store.sqlite"), show_default=True,
    help="What hypav reproduce wrote; not read where folders RUN are given.",
)  # fmt: skip
@click.option("--preset", "preset_name", type=click.Choice(list(PRESETS)), default="paper", show_default=True)
@click.option(
    "--weight", "weight_text", default="1", show_default=True,
    help=f"Of the alignment loss; {TUNED}: the one that validation chose.",
)  # fmt: skip
@click.option("--scale", type=click.Choice(["course", "full"]), default="course", show_default=True)
@click.option(
    "--seed",
    type=SEED,
    default=0,
    show_default=True,
    help="Of the runs; hypav reproduce keeps those of seed 0.",
)
@click.option(
    "--phase", type=click.Choice(["train", "val", "train_val", "test"]), default="test", show_default=True,
    help="Which samples.",
)  # fmt: skip
@click.option("--most", type=int, default=60, show_default=True, help="Samples a class at most.")
@click.option("--perplexity", type=float, default=30.0, show_default=True, help="Of the t-SNE.")
@click.option(
    "--to", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"), show_default=True, help="Folder."
)  # fmt: skip
@json_option
def figure(
    number: str,
    runs: tuple[Path, ...],
    door: str,
    reading: dict[str, Any],
    path: Path,
    preset_name: str,
    weight_text: str,
    scale: str,
    seed: int,
    phase: str,
    most: int,
    perplexity: float,
    to: Path,
    as_json: bool,
) -> None:
    """Draw the paper's Figure 3 or 4, t-SNEs of theta_v with super-classes, as SVG, and the drawn points as CSV.

    The networks are AVCA's and Hyper-multiple's that "hypav reproduce figure3" kept, or those in the folders RUN. Below
    each t-SNE stands how far classes are apart in theta_v itself, which a t-SNE does not tell.

    Example: hypav figure 3 --data simulated --preset curved
    """
    if len(set(runs)) < len(runs):
        raise SettingError("A folder RUN is given twice; name each once.")
    asked = parsed_weight(weight_text)
    if not runs:
        require_networks(path, ", or the folders of runs")
    data = open_data(door, **reading)
    if runs:
        networks, suffix, about = networks_of(runs), "runs", ""
    else:
        recipe = recipe_for(data, None, scale=scale)  # type: ignore[arg-type]
        with open_store(path) as store:
            weight = asked_weight(asked, store, SetId.of(data), preset_name, recipe)
            kept = kept_runs(
                int(number), store, data,
                root=path.parent, preset=preset_name, weight=weight, recipe=recipe, seed=seed,
            )  # fmt: skip
        networks = networks_of([path.parent / str(run.folder) for run in kept.values()])
        suffix = f"{preset_name} {weight:g} seed{seed}"
        about = f"{preset_name}, weight {weight:g}, seed {seed}"
    drawn = drawing(
        int(number), data, networks, phase_name=phase, most=most, perplexity=perplexity, about=about
    )
    files = save_drawing(drawn, to / f"figure{number}-{slug(f'{data.name} {suffix}')}")
    if as_json:
        told = {"data": data.name, "simulated": data.simulated, "phase": phase, "networks": list(networks)}
        echo_json({**told, "figure": drawn.figure.alt_text, "files": [str(file) for file in files]})
        return
    click.echo(drawn.figure.alt_text)
    click.echo("Files: " + ", ".join(str(file) for file in files))
