"""Recipes: the settings of a training run as data, each with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hypav.avca import AVCAConfig
from hypav.data.features import FeatureSet
from hypav.data.yt8m import YT8M_NAME
from hypav.errors import SettingError
from hypav.learner import TrainConfig

__all__ = ["RECIPES", "Recipe", "network_for", "recipe_for"]

_RELEASED = "AVCA and Hyper-AVZSL run scripts, the same for all methods and both stages"


@dataclass(frozen=True)
class Recipe:
    """network: settings of AVCAConfig beside the dimensions; train: the schedule; source: where they come from."""

    network: Mapping[str, Any]
    train: TrainConfig
    source: str
    name: str = field(default="")

    def changed(self, settings: Mapping[str, Any]) -> Recipe:
        """The recipe with some settings replaced, of the network or the schedule, whichever has one of that name.

        Raises:
            SettingError: neither has it.
        """
        train = {key: value for key, value in settings.items() if key in TrainConfig.__dataclass_fields__}
        network = {key: value for key, value in settings.items() if key in AVCAConfig.__dataclass_fields__}
        unknown = set(settings) - set(train) - set(network)
        if unknown:
            raise SettingError(f"There is no setting {sorted(unknown)[0]!r} in a recipe.")
        told = ", ".join(f"{key} {value}" for key, value in settings.items())
        return replace(
            self,
            network={**self.network, **network},
            train=replace(self.train, **train),
            name=f"{self.name} with {told}" if told else self.name,
        )


def _released(enc: float, proj: float, dec: float, momentum: float, batch_size: int = 256) -> Recipe:
    rates = {"dropout_enc": enc, "dropout_proj": proj, "dropout_dec": dec, "momentum": momentum}
    return Recipe(rates, TrainConfig(batch_size=batch_size), _RELEASED)


_TABLE = {
    "ucf-main": _released(0.2, 0.3, 0.5, 0.1),
    "ucf-cls": _released(0.2, 0.3, 0.5, 0.99),
    "activitynet-main": _released(0.2, 0.2, 0.1, 0.99),
    "activitynet-cls": _released(0.2, 0.2, 0.1, 0.99),
    "vggsound-main": _released(0.0, 0.0, 0.1, 0.1, batch_size=64),
    "vggsound-cls": _released(0.0, 0.0, 0.0, 0.99),
    "course": Recipe(
        {"dropout_enc": 0.2, "dropout_proj": 0.3, "dropout_dec": 0.1, "momentum": 0.1},
        TrainConfig(epochs=8, batches=40, batch_size=64),
        "the released UCF-GZSL (main) settings, but 320 steps of 64 a stage, not 25 000 of 256, and dropout_dec .1",
    ),
    "yt8m-mini": Recipe(
        {"hidden_enc": 0, "dropout_enc": 0.4, "dropout_proj": 0.2, "dropout_dec": 0.05, "momentum": 0.1},
        TrainConfig(epochs=12, batches=150, batch_size=64, weight_decay=0.03, patience=5),
        "the best of 35 settings by the validation HM of AVCA with seed 0; test samples chose nothing",
    ),
}
RECIPES: Mapping[str, Recipe] = {name: replace(recipe, name=name) for name, recipe in _TABLE.items()}


def recipe_for(data: FeatureSet, name: str | None = None) -> Recipe:
    """The recipe called `name`, or the one that belongs to the set.

    Raises:
        SettingError: there is no such recipe.
    """
    if name is None:
        name = _own_recipe(data)
    if name not in RECIPES:
        raise SettingError(f"There is no recipe {name!r}; choose {', '.join(RECIPES)}.")
    return RECIPES[name]


def _own_recipe(data: FeatureSet) -> str:
    if data.simulated:
        return "course"
    if data.paper_key is not None:
        dataset, features = data.paper_key
        return f"{dataset.removesuffix('-GZSL').lower()}-{features}"
    return "yt8m-mini" if data.name == YT8M_NAME else "ucf-main"


def network_for(data: FeatureSet, recipe: Recipe) -> AVCAConfig:
    """The network of a recipe with the dimensions of the set."""
    return AVCAConfig(
        dim_audio=data.dim_audio, dim_video=data.dim_video, dim_text=data.dim_text, **recipe.network
    )
