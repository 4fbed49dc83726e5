"""Options that several commands share."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import reduce, wraps
from pathlib import Path
from typing import Any

import click

from hypav.alignment import PRESETS
from hypav.data.load import DOORS_HELP
from hypav.experiments.recipes import RECIPES, Recipe

__all__ = [
    "SEED",
    "data_options",
    "echo_json",
    "json_option",
    "machine_options",
    "reading_options",
    "recipe_changes",
    "recipe_options",
]

SEED = click.IntRange(0, 2**63 - 1)

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _together(*options: Decorator) -> Decorator:
    return lambda command: reduce(lambda inner, option: option(inner), reversed(options), command)


json_option: Decorator = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object instead of text."
)


def data_options() -> Decorator:
    """--data and how to read it."""
    door = click.option(
        "--data", "door", default="simulated", show_default=True, help=f"The features: {DOORS_HELP}."
    )
    return _together(door, reading_options())


def reading_options() -> Decorator:
    """How to read what is behind a door; the command gets it as one argument `reading`, those of `open_data` by name."""
    options = _together(
        click.option(
            "--features",
            type=click.Choice(["main", "cls"]),
            default="main",
            show_default=True,
            help="Which features of an official folder.",
        ),
        click.option(
            "--text-alignment",
            type=click.Choice(["correct", "official"]),
            default="correct",
            show_default=True,
            help="Word vectors of an official folder: each class its own, or shifted as the released loader does.",
        ),
        click.option(
            "--data-seed", type=SEED, default=0, show_default=True, help="Seed of the simulated features."
        ),
        click.option(
            "--cache",
            type=click.Path(file_okay=False, path_type=Path),
            envvar="HYPAV_CACHE",
            show_envvar=True,
            help="Folder that keeps an official folder as read, so that it opens at once next time.",
        ),
    )

    def reading(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def with_reading(
            *args: Any, features: str, text_alignment: str, data_seed: int, cache: Path | None, **rest: Any
        ) -> Any:
            own = {"features": features, "text_alignment": text_alignment, "seed": data_seed, "cache": cache}
            return command(*args, reading=own, **rest)

        return options(with_reading)

    return reading


def machine_options() -> Decorator:
    """Where runs are kept and what they run on."""
    return _together(
        click.option(
            "--out",
            type=click.Path(file_okay=False, path_type=Path),
            default=Path("runs"),
            show_default=True,
            help="Folder for checkpoints, records and tables; a broken-off run found there goes on.",
        ),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1."),
    )


def recipe_options() -> Decorator:
    """The settings of training."""
    return _together(
        click.option(
            "--preset",
            "preset_name",
            type=click.Choice(list(PRESETS)),
            default="paper",
            show_default=True,
            help="The alignment loss: as printed, as released (or first released), or one in which curvature matters.",
        ),
        click.option(
            "--recipe",
            "recipe_name",
            type=click.Choice(list(RECIPES)),
            help="Network and schedule; by default the one that belongs to the data.",
        ),
        click.option("--epochs", type=int, help="Epochs a stage at most, in place of the recipe's."),
        click.option("--batches", type=int, help="Batches an epoch, in place of the recipe's."),
        click.option("--batch-size", type=int, help="Samples a batch, in place of the recipe's."),
        click.option("--lr", type=float, help="Learning rate of Adam, in place of the recipe's."),
        click.option(
            "--autocast", is_flag=True, default=None, help="The network's matrix products in bfloat16."
        ),
        click.option(
            "--parity",
            "parity_name",
            type=click.Choice(["clean", "official"]),
            help="clean: the objective without waste (default); official: the released step, unused passes and all.",
        ),
    )


def recipe_changes(recipe: Recipe, **settings: Any) -> Recipe:
    """The recipe with the options the user gave."""
    return recipe.changed({name: value for name, value in settings.items() if value is not None})


def echo_json(value: Any) -> None:
    """One JSON object on the output stream."""
    click.echo(json.dumps(value, indent=1, allow_nan=False))
