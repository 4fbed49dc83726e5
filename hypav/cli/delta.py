"""hypav delta: how tree-like features are, beside noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from torch import Generator, Tensor

from hypav.cli.options import SEED, data_options, echo_json, json_option
from hypav.data.features import FeatureSet
from hypav.data.load import open_data
from hypav.errors import SettingError
from hypav.experiments.runs import load_model
from hypav.experiments.tables import markdown_table
from hypav.hyperbolicity import gaussian_null, sampled_delta_rel
from hypav.training import embed_phase

__all__ = ["delta"]


@click.command()
@data_options()
@click.option(
    "--run",
    "run_path",
    type=click.Path(path_type=Path),
    help="Folder of a trained run: measures its theta_v and theta_a as well.",
)
@click.option(
    "--phase", type=click.Choice(["train", "val", "train_val", "test"]), default="test", show_default=True,
    help="Which samples.",
)  # fmt: skip
@click.option("--size", default=500, show_default=True, help="Points in a sub-sample (released code: 1500).")
@click.option("--tries", default=10, show_default=True, help="Sub-samples; the interval is over them.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the sub-samples and the noise.")
@json_option
def delta(
    door: str,
    reading: dict[str, Any],
    run_path: Path | None,
    phase: str,
    size: int,
    tries: int,
    seed: int,
    as_json: bool,
) -> None:
    """Measure Gromov's delta_rel of a set's features: 0 for a tree, up to 1.

    delta_rel = 2 delta / diameter (Khrulkov et al. 2020); the released code leaves out the 2. Gaussian noise of the same
    size and dimension stands beside each value: a delta_rel near its noise is no evidence of a hierarchy.

    Example: hypav delta --data yt8m-mini
    """
    found = open_data(door, **reading)
    rows = [
        _measure(name, points, size, tries, seed)
        for name, points in _views(found, phase, run_path).items()
        if len(points) >= 4
    ]
    if as_json:
        echo_json({"data": found.name, "simulated": found.simulated, "phase": phase, "rows": rows})
        return
    kind = " (SIMULATED)" if found.simulated and "SIMULATED" not in found.name else ""
    click.echo(f"delta_rel on {found.name}{kind}, {phase}; in brackets the 95 % interval over sub-samples")
    header = ["what", "points", "dim", "delta_rel", "noise", "released (no factor 2)"]
    click.echo(markdown_table(header, [_cells(row) for row in rows]))


def _cells(row: dict[str, Any]) -> list[str]:
    spread = "one sample" if row["interval"] is None else "[{:.3f}, {:.3f}]".format(*row["interval"])
    return [
        row["what"],
        str(row["points"]),
        str(row["dim"]),
        f"{row['delta_rel']:.3f} {spread}",
        f"{row['noise']:.3f}",
        f"{row['released']:.3f}",
    ]


def _views(found: FeatureSet, phase_name: str, run_path: Path | None) -> dict[str, Tensor]:
    phase = found.phase(phase_name)
    views = {"audio": phase.audio, "video": phase.video, "text": phase.text}
    if run_path is not None:
        model, _, _ = load_model(run_path)
        if (model.config.dim_audio, model.config.dim_video) != (found.dim_audio, found.dim_video):
            raise SettingError(
                f"The run {run_path} was trained on features of other dimensions than {found.name}."
            )
        theta_a, theta_v, _ = embed_phase(model, phase.to(dtype=next(model.parameters()).dtype))
        views |= {"theta_v": theta_v, "theta_a": theta_a}
    return views


def _measure(name: str, points: Tensor, size: int, tries: int, seed: int) -> dict[str, Any]:
    rows, dim = points.shape
    tries = 1 if size >= rows else tries  # samples of all points differ in nothing but the base point
    own = sampled_delta_rel(points, generator=Generator().manual_seed(seed), size=size, tries=tries)
    noise = gaussian_null(min(size, rows), dim, generator=Generator().manual_seed(seed), tries=min(tries, 3))
    return {
        "what": name,
        "points": min(size, rows),
        "dim": dim,
        "delta_rel": own.delta_rel,
        "interval": own.interval,
        "noise": noise.delta_rel,
        "released": own.delta_rel / 2,
    }
