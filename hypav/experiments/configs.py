"""Configurations: recipes, methods by name, and the rows of the paper's tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from hypav.alignment import Adaptive, AlignmentConfig, preset
from hypav.avca import AVCAConfig
from hypav.baselines import NETWORKS, NetworkConfig
from hypav.competent import SkipConfig
from hypav.data.features import FeatureSet
from hypav.data.yt8m import YT8M_NAME
from hypav.errors import SettingError
from hypav.experiments.paper import Key, PaperSettings, paper_settings
from hypav.training import RunConfig, TrainConfig

# --- recipes: network and schedule ---

SMALL = 5000  # your own sets with fewer training samples get the short recipe


@dataclass(frozen=True)
class Recipe:
    """Network and schedule of a run.

    network: settings of AVCAConfig, without the dimensions of the data. source: where the settings come from.
    scale: "course" for a short schedule, which takes seconds per run, or "full" for a long one.
    baseline: settings of CJME and AVGZSLNet and of their schedule, which is otherwise AVCA's without weight decay.
    """

    network: Mapping[str, Any]
    train: TrainConfig
    source: str
    name: str = ""
    scale: Literal["course", "full"] = "full"
    baseline: Mapping[str, Any] = field(default_factory=dict)

    def changed(self, settings: Mapping[str, Any], methods: Sequence[str] = ("AVCA",)) -> Recipe:
        """The recipe with some settings of the network or the schedule replaced; None keeps a setting.

        Args:
            methods: the methods that will be trained; a setting must belong to the schedule or to all of them, so that
                the name of the recipe says the same of each.

        Raises:
            SettingError: there is no such setting, or a method lacks it.
        """
        settings = {key: value for key, value in settings.items() if value is not None}
        train = {key: value for key, value in settings.items() if key in TrainConfig.__dataclass_fields__}
        network = {key: value for key, value in settings.items() if key in SkipConfig.__dataclass_fields__}
        for kind in {network_of(method) for method in methods if method != "ESZSL"}:
            if unknown := sorted(set(settings) - set(train) - set(kind.__dataclass_fields__)):
                raise SettingError(f"There is no setting {unknown[0]!r} in a recipe of {kind.method}.")
        changes = ", ".join(f"{key} {value}" for key, value in settings.items())
        return replace(
            self,
            network={**self.network, **network},
            train=replace(self.train, **train),
            baseline={**self.baseline, **settings},
            name=f"{self.name} with {changes}" if changes else self.name,
        )


_RELEASED = "AVCA and Hyper-AVZSL run scripts, the same for all methods and both stages; the paper keeps them"


def _released(enc: float, proj: float, dec: float, momentum: float, batch_size: int = 256) -> Recipe:
    rates = {"dropout_enc": enc, "dropout_proj": proj, "dropout_dec": dec, "momentum": momentum}
    # the benchmark's scripts of CJME and AVGZSLNet: 256 samples on every set, and CJME's dropout is 0 where AVCA's is
    baseline = {"batch_size": 256} | ({} if enc else {"dropout": 0.0})
    return Recipe(rates, TrainConfig(batch_size=batch_size), _RELEASED, baseline=baseline)


# a step of this network takes a third of the time, and on small sets it generalises equally well
_COURSE = {"hidden_enc": 0, "hidden_proj": 0, "head_dim": 32}
# 256 hidden units for the benchmark's 1024, and dropout .2 for AVGZSLNet's .8, which 80 steps cannot make up for: the
# best of six settings of AVGZSLNet, and the fastest of three sizes of CJME, which were alike, by validation HM over three
# seeds
_COURSE_BASELINE = {"hidden": 256, "dropout_enc": 0.2}
_TABLE: Mapping[str, Recipe] = {
    "ucf-main": _released(0.2, 0.3, 0.5, 0.1),
    "ucf-cls": _released(0.2, 0.3, 0.5, 0.99),
    "activitynet-main": _released(0.2, 0.2, 0.1, 0.99),
    "activitynet-cls": _released(0.2, 0.2, 0.1, 0.99),
    "vggsound-main": _released(0.0, 0.0, 0.1, 0.1, batch_size=64),
    "vggsound-cls": _released(0.0, 0.0, 0.0, 0.99),
    "course": Recipe(
        _COURSE | {"dropout_enc": 0.2, "dropout_proj": 0.3, "dropout_dec": 0.1, "momentum": 0.1},
        TrainConfig(epochs=4, batches=20, batch_size=64, lr=3e-3),
        "the released UCF-GZSL (main) settings cut to seconds per run: no hidden layers, heads of 32, dropout_dec .1, "
        "80 steps of 64 samples per stage with lr .003 where the released schedule has 25 000 of 256 with .001; the "
        "fastest of six settings that were compared by validation HM",
        scale="course",
        baseline=_COURSE_BASELINE,
    ),
    "yt8m-mini": Recipe(
        {"hidden_enc": 0, "dropout_enc": 0.4, "dropout_proj": 0.2, "dropout_dec": 0.05, "momentum": 0.1},
        TrainConfig(epochs=12, batches=150, batch_size=64, weight_decay=0.03, patience=5),
        "the best of 35 settings by the validation HM of AVCA with seed 0; test samples chose nothing",
    ),
    "yt8m-mini-course": Recipe(
        _COURSE | {"dropout_enc": 0.4, "dropout_proj": 0.2, "dropout_dec": 0.05, "momentum": 0.1},
        TrainConfig(epochs=4, batches=20, batch_size=64, lr=3e-3, weight_decay=0.03, patience=5),
        "yt8m-mini cut to seconds per run: no hidden layers, heads of 32, at most 80 steps per stage with lr .003 "
        "where yt8m-mini has 1800 with .001; the fastest of six settings that were compared by validation HM",
        scale="course",
        baseline=_COURSE_BASELINE,
    ),
}
RECIPES: Mapping[str, Recipe] = {name: replace(recipe, name=name) for name, recipe in _TABLE.items()}


def recipe_for(data: FeatureSet, recipe: str | Recipe | None = None, scale: str | None = None) -> Recipe:
    """The recipe of that name, or by default the one for the set.

    Without a name or a scale, the sets of the paper and yt8m-mini get their long recipe. Simulated features and other
    sets with fewer than SMALL training samples get the short recipe, "course".

    Args:
        recipe: a name in RECIPES; a Recipe is returned unchanged.
        scale: "course" or "full".

    Raises:
        SettingError: there is no such recipe or scale.
    """
    if isinstance(recipe, Recipe):
        return recipe
    if scale not in ("course", "full", None):
        raise SettingError(f'scale is {scale!r}; choose "course" or "full".')
    if recipe is not None:
        if recipe not in RECIPES:
            raise SettingError(f"There is no recipe {recipe!r}; choose {', '.join(RECIPES)}.")
        return RECIPES[recipe]
    mini = data.name == YT8M_NAME and not data.simulated
    if scale is None:
        known = mini or data.paper_key is not None
        small = len(data.splits["stage_1_train"]) < SMALL
        scale = "course" if data.simulated or (small and not known) else "full"
    if scale == "course":
        return RECIPES["yt8m-mini-course" if mini else "course"]
    if data.reference_key is not None:
        dataset, features = data.reference_key
        return RECIPES[f"{dataset.removesuffix('-GZSL').lower()}-{features}"]
    return RECIPES["yt8m-mini" if mini else "ucf-main"]


def network_of(method: str) -> type[NetworkConfig]:
    """The kind of network of a method: AVCA's, unless its name begins with that of another one."""
    return NETWORKS.get(method.split(" + ")[0], AVCAConfig)


def network_for(data: FeatureSet, recipe: Recipe, method: str = "AVCA") -> NetworkConfig:
    """The network settings of a recipe, with the dimensions of the set.

    Args:
        method: the name in the tables; see `network_of`.
    """
    kind = network_of(method)
    settings = recipe.network if issubclass(kind, AVCAConfig) else recipe.baseline
    own = {key: value for key, value in settings.items() if key in kind.__dataclass_fields__}
    return kind(dim_audio=data.dim_audio, dim_video=data.dim_video, dim_text=data.dim_text, **own)


def config_for(
    data: FeatureSet, recipe: Recipe, method: str, alignment: AlignmentConfig | None, seed: int
) -> RunConfig:
    """The run of a method by a recipe; `method` as in `network_for`."""
    train, network = recipe.train, network_for(data, recipe, method)
    if not isinstance(network, AVCAConfig):
        own = {"weight_decay": 0.0, **recipe.baseline}
        train = replace(train, **{key: own[key] for key in own if key in TrainConfig.__dataclass_fields__})
    return RunConfig(network, train, alignment, seed)


# --- methods by name ---

METHODS = ("eszsl", "avca", "hyper-alignment", "hyper-single", "hyper-multiple")
_TAKES: Mapping[str, tuple[str, ...]] = {
    "eszsl": (),
    "cjme": (),
    "avgzslnet": (),
    "avca": (),
    "avca-skip": (),
    "hyper-alignment": ("k",),
    "hyper-single": ("c_0",),
    "hyper-multiple": ("N_c", "c_0"),
    "alignment": ("k",),
}
_BASELINES = {"eszsl": "ESZSL", **{name.lower(): name for name in NETWORKS}}
_SKIP = f"{SkipConfig.method.lower()}+"
_HELP = (
    "write eszsl, cjme, avgzslnet, avca, avca-skip, hyper-alignment[:k], hyper-single[:c_0], hyper-multiple[:N_c[:c_0]] "
    f"or alignment:k1+k2+… (k < 0 hyperbolic, 0 flat, > 0 spherical), the last four also after {_SKIP!r}"
)


class Method(NamedTuple):
    """A method. spec: as the user wrote it; name: as in the paper's tables; alignment: None for the baselines."""

    spec: str
    name: str
    alignment: AlignmentConfig | None


def method_name(alignment: AlignmentConfig | None) -> str:
    """The name in the paper's tables of AVCA with an alignment loss; None is AVCA without one."""
    if alignment is None:
        return "AVCA"
    if isinstance(alignment.curvatures, Adaptive):
        return "Hyper-single" if alignment.curvatures.N_c == 1 else "Hyper-multiple"
    if len(alignment.curvatures) > 1:
        return "Geometry-multiple"
    (k,) = alignment.curvatures
    return "Hyper-alignment" if k < 0 else "Sphere-alignment" if k > 0 else "Euclidean-alignment"


def name_of(config: RunConfig) -> str:
    """The name of a run's method in the paper's tables."""
    network = config.network.method
    if config.alignment is None:
        return network
    name = method_name(config.alignment)
    return name if network == AVCAConfig.method else f"{network} + {name}"


def parse_method(
    spec: str,
    preset_name: str,
    settings: PaperSettings,
    *,
    weight: float | None = None,
    pull: float | None = None,
    **curvatures: Any,
) -> Method:
    """The method of a name such as "hyper-multiple:3:-0.4"; missing values are the paper's.

    Args:
        settings: the paper's values.
        weight: weight of the alignment loss; by default the preset's.
        pull: instead of a weight; see `AlignmentConfig`.
        curvatures: k, N_c or c_0, if they are not in the name; None is ignored.

    Raises:
        SettingError: an unknown name, a value that is not a number, a hyperbolic method with k >= 0, N_c < 1, a value
            that the method does not have, or both a weight and a pull.
    """
    base = preset(preset_name, weight=weight, pull=pull)
    if (onto := spec.strip().lower()).startswith(_SKIP):  # an alignment on top of this network
        method = parse_method(
            onto.removeprefix(_SKIP), preset_name, settings, weight=weight, pull=pull, **curvatures
        )
        if method.alignment is None:
            raise SettingError(f"{spec!r} needs an alignment after the +: {_HELP}.")
        return Method(spec, f"{SkipConfig.method} + {method.name}", method.alignment)
    name, *parts = spec.strip().lower().split(":")
    if name not in _TAKES or len(parts) > len(_TAKES[name]):
        raise SettingError(f"There is no method {spec!r}: {_HELP}.")
    values = dict(zip(_TAKES[name], parts, strict=False))
    for key, value in curvatures.items():
        if value is None:
            continue
        if key not in _TAKES[name]:
            raise SettingError(f"{name} has no {key}: {_HELP}.")
        if key in values:
            raise SettingError(f"{key} is given twice, in {spec!r} and as {value}; give it once.")
        many = isinstance(value, Sequence) and not isinstance(value, str)
        values[key] = "+".join(map(str, value)) if many else str(value)
    if name in _BASELINES:
        return Method(spec, _BASELINES[name], None)
    if name == "alignment":
        if "k" not in values:
            raise SettingError(f"{spec!r} needs a curvature k: {_HELP}.")
        heads: tuple[float, ...] | Adaptive = tuple(_number(part, spec) for part in values["k"].split("+"))
    elif name == "hyper-alignment":
        heads = (_hyperbolic(values["k"], spec) if "k" in values else settings.k,)
    else:
        N_c = 1 if name == "hyper-single" else settings.N_c
        heads = Adaptive(
            _count(values["N_c"], spec) if "N_c" in values else N_c,
            _hyperbolic(values["c_0"], spec) if "c_0" in values else settings.c_0,
        )
    alignment = replace(base, curvatures=heads)
    return Method(spec, method_name(alignment), alignment)


def _number(text: str, spec: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise SettingError(f"{text!r} in {spec!r} is not a number: {_HELP}.") from None
    if not math.isfinite(value):
        raise SettingError(f"{text!r} in {spec!r} is not finite: {_HELP}.")
    return value


def _hyperbolic(text: str, spec: str) -> float:
    k = _number(text, spec)
    if k >= 0:
        raise SettingError(
            f"The curvature {text} of {spec!r} is not hyperbolic: k is negative here, as in the paper "
            f"(the released code's positive c is -k). For flat or spherical alignment write alignment:{text}."
        )
    return k


def _count(text: str, spec: str) -> int:
    try:
        count = int(text)
    except ValueError:
        raise SettingError(f"N_c {text!r} of {spec!r} is not a whole number: {_HELP}.") from None
    if count < 1:
        raise SettingError(f"N_c is {text} in {spec!r}, but Hyper-multiple needs at least 1 curvature.")
    return count


def run_config(
    data: FeatureSet,
    spec: str,
    *,
    k: float | Sequence[float] | None = None,
    N_c: int | None = None,
    c_0: float | None = None,
    preset: str = "printed",
    weight: float | None = None,
    pull: float | None = None,
    recipe: str | Recipe | None = None,
    seed: int = 0,
    **changes: Any,
) -> RunConfig:
    """The configuration of one run, from the names that a user writes.

    Args:
        spec, k, N_c, c_0, weight, pull: see `parse_method`.
        preset: the alignment loss: printed, released, released-2023 or curved.
        recipe: see `recipe_for`.
        changes: settings of the recipe by name, e.g. epochs=4 or dtype="float64"; None is ignored.

    Raises:
        SettingError: an unknown name or an invalid value.
    """
    method = parse_method(
        spec, preset, paper_settings(data.reference_key), weight=weight, pull=pull, k=k, N_c=N_c, c_0=c_0
    )
    if method.name == "ESZSL":
        raise SettingError(
            'ESZSL is solved in closed form and has no training run; use hv.compare(data, ["eszsl"]) or hypav.eszsl.'
        )
    for name, value in (("weight", weight), ("pull", pull)):
        if method.alignment is None and value is not None:
            raise SettingError(f"{spec} has no alignment loss, so it takes no {name}.")
    chosen = recipe_for(data, recipe).changed(changes, [method.name])
    return config_for(data, chosen, method.name, method.alignment, seed)


# --- the rows of the paper's tables and figures ---

TABLES = ("table1", "table2", "table3", "table4", "table5", "table6", "table7")
FIGURES = ("figure3", "figure4")
BASELINES = "baselines"  # CJME and AVGZSLNet, rows of Tables 1 and 2 that no alignment loss changes
AVCA = AVCAConfig.method
CURVATURES = (1.0, 0.8, 0.6, 0.4, 0.2, 0.1, 0.0, -0.1, -0.2, -0.4, -0.6, -0.8, -1.0)  # Table 3
MIXTURES = ("E+E", "E+S", "E+H", "S+S", "S+H", "H+H")  # Table 4
WEIGHTS = (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)  # tuned weights are chosen from these, on validation
TUNING_SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Row:
    """One row of a table of the paper, which needs training.

    label: as in the paper, e.g. "-0.2", "E+H", "2" for N_c, "phi_att". weight and alignment: None for AVCA, CJME and
    AVGZSLNet, which are the same run for every preset. With a pull, weight is None too.
    """

    table: str
    label: str
    method: str
    preset: str
    weight: float | None
    alignment: AlignmentConfig | None


def table_rows(
    table: str, key: Key | None, preset_name: str, weight: float | None, pull: float | None = None
) -> tuple[Row, ...]:
    """The rows of a table or figure in the paper's order, AVCA first. CJME and AVGZSLNet are the rows of "baselines".

    Args:
        table: one of TABLES or FIGURES, or "baselines".
        key: the paper's set that gives k, N_c and c_0; None is the same as UCF-GZSL (main).
        weight: weight of the alignment loss, instead of the preset's; None keeps the preset's.
        pull: instead of a weight; see `AlignmentConfig`.

    Raises:
        SettingError: there is no such table or preset, the weight is negative, the pull is not positive, or both are
            given.
    """
    known = (*TABLES, *FIGURES, BASELINES)
    if table not in known:
        raise SettingError(f"There is no {table!r}; choose {', '.join(known)}.")
    base = preset(preset_name, weight=weight, pull=pull)
    weight = None if base.weight is None else float(base.weight)
    if table == BASELINES:
        earlier = [name for name, kind in NETWORKS.items() if not issubclass(kind, AVCAConfig)]
        return tuple(Row(table, name, name, preset_name, None, None) for name in earlier)
    rows = [Row(table, AVCA, AVCA, preset_name, None, None)]
    for label, changes in _changes(table, paper_settings(key)):
        alignment = replace(base, **changes)
        rows.append(Row(table, label, method_name(alignment), preset_name, weight, alignment))
    return tuple(rows)


def _changes(table: str, settings: PaperSettings) -> list[tuple[str, dict[str, Any]]]:
    """The label of each row, and the fields of the preset that it changes."""
    single = Adaptive(1, settings.c_0)
    modules: list[tuple[str, dict[str, Any]]] = [
        ("Hyper-alignment", {"curvatures": (settings.k,)}),
        ("Hyper-single", {"curvatures": single}),
        ("Hyper-multiple", {"curvatures": Adaptive(settings.N_c, settings.c_0)}),
    ]
    if table in ("table1", "table2"):
        return modules
    if table == "table3":  # one fixed curvature: spherical, flat, hyperbolic
        return [(str(k), {"curvatures": (k,)}) for k in CURVATURES]
    if table == "table4":
        # Two heads with fixed curvatures: E = 0, S = |k|, H = -|k|. The paper does not say which curvatures it mixed.
        # Its H+H on UCF-GZSL (cls) equals Hyper-multiple with N_c = 2 in its Table 2 to the digit, so those two heads
        # were adaptive. All six rows can only share fixed heads.
        k = {"E": 0.0, "S": abs(settings.k), "H": -abs(settings.k)}
        return [(m, {"curvatures": (k[m[0]], k[m[2]])}) for m in MIXTURES]
    if table == "table5":  # N_c adaptive curvatures; one of them is Hyper-single
        return [(str(n), {"curvatures": Adaptive(n, settings.c_0)}) for n in (1, 2, 3)]
    if table == "table6":  # Hyper-single on other embeddings; its phi row is the Hyper-single of Table 1
        return [(x, {"curvatures": single, "aligned": x}) for x in ("phi", "phi_att", "theta")]
    # Table 7: delta_rel of theta_v, AVCA and Hyper-alignment; the figures: t-SNE of theta_v, AVCA and Hyper-multiple
    return modules[:1] if table == "table7" else modules[2:]
