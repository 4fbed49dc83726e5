"""The settings that paper and released code give for each set, feature kind and method: data, with a source each.

They do not agree. Recipes hold the training schedules, which do; here are the curvatures, and all of it in one list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from hypav.alignment import Adaptive
from hypav.avca import AVCAConfig
from hypav.errors import SettingError
from hypav.experiments.paper import paper_settings
from hypav.experiments.recipes import RECIPES

__all__ = ["SOURCES", "CurvatureSettings", "Published", "curvature_settings", "published_settings"]

SOURCES: Mapping[str, str] = {
    "paper": "captions of Tables 1 and 2 (k, N_c) and Section 5 (c_0), ICCV 2023",
    "released": "run scripts of Hyper-AVZSL, 2024-07: --hyper_framework Hyper-alignment --curvature 0.01 everywhere",
    "readme-2023": "table in the README of Hyper-AVZSL from 2023-09 to 2024-01, removed since",
}


@dataclass(frozen=True)
class CurvatureSettings:
    """k of Hyper-alignment, the curvature layer of Hyper-single and of Hyper-multiple; None where nothing is given.

    k < 0 is hyperbolic, as in the paper; the released code writes -k.
    """

    hyper_alignment: float
    hyper_single: Adaptive | None
    hyper_multiple: Adaptive | None
    source: str


# the earlier README's positive numbers with our sign: k, c_0 of single, N_c and c_0 of multiple
_README = {
    ("VGGSound-GZSL", "main"): (-0.46, -0.03, 2, -0.36),
    ("UCF-GZSL", "main"): (-0.15, -0.34, 3, -0.50),
    ("ActivityNet-GZSL", "main"): (-0.20, -0.37, 2, -0.37),
    ("VGGSound-GZSL", "cls"): (-0.09, -0.05, 3, -0.04),
    ("UCF-GZSL", "cls"): (-0.19, -0.13, 2, -0.43),
    ("ActivityNet-GZSL", "cls"): (-0.22, -0.11, 3, -0.13),
}


def curvature_settings(key: tuple[str, str], source: str = "paper") -> CurvatureSettings:
    """The curvatures that a source gives for ("UCF-GZSL", "main") and the like.

    Raises:
        SettingError: there is no such set or source.
    """
    if key not in _README:
        raise SettingError(f"The paper has no set {key!r}; choose {', '.join(map(str, _README))}.")
    if source not in SOURCES:
        raise SettingError(f"There is no source {source!r}; choose {', '.join(SOURCES)}.")
    told = SOURCES[source]
    if source == "released":
        return CurvatureSettings(-0.01, None, None, told)
    if source == "readme-2023":
        k, single, N_c, multiple = _README[key]
        return CurvatureSettings(k, Adaptive(1, single), Adaptive(N_c, multiple), told)
    k, N_c, c_0 = paper_settings(key)
    return CurvatureSettings(k, Adaptive(1, c_0), Adaptive(N_c, c_0), told)


class Published(NamedTuple):
    """One setting: which set and features, for which method, its name, its value and who gives it."""

    dataset: str
    features: str
    method: str
    name: str
    value: Any
    source: str


def published_settings(key: tuple[str, str]) -> tuple[Published, ...]:
    """Every setting of a set: network and schedule, the same for all methods, then the curvatures of each source.

    Raises:
        SettingError: there is no such set.
    """
    curvatures = {source: curvature_settings(key, source) for source in SOURCES}
    dataset, features = key
    recipe = RECIPES[f"{dataset.removesuffix('-GZSL').lower()}-{features}"]
    fields = {name: field.default for name, field in AVCAConfig.__dataclass_fields__.items()}
    network = {name: recipe.network.get(name, default) for name, default in fields.items()}
    ours = {"parity", "dtype", "autocast"}  # how we compute, which nobody published
    schedule = {name: value for name, value in asdict(recipe.train).items() if name not in ours}
    dims = {"dim_audio", "dim_video", "dim_text"}  # of the data, not of the recipe
    shared = {name: value for name, value in network.items() if name not in dims} | schedule
    rows = [Published(*key, "all", name, value, recipe.source) for name, value in shared.items()]
    rows += [
        Published(*key, method, name, value, source)
        for source, given in curvatures.items()
        for method, name, value in _by_method(given)
    ]
    weights = {"paper": 1.0, "released": 1e-3}  # Eq. 5; the released backward pass
    rows += [Published(*key, "all hyperbolic", "weight", value, source) for source, value in weights.items()]
    return tuple(rows)


def _by_method(given: CurvatureSettings) -> list[tuple[str, str, Any]]:
    rows: list[tuple[str, str, Any]] = [("Hyper-alignment", "k", given.hyper_alignment)]
    for method, adaptive in (("Hyper-single", given.hyper_single), ("Hyper-multiple", given.hyper_multiple)):
        if adaptive is not None:
            rows += [(method, "N_c", adaptive.N_c), (method, "c_0", adaptive.c_0)]
    return rows
