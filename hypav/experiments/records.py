"""A run's record: one row of the store, with all it takes to use the number, and to notice that it was changed."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import torch

import hypav
from hypav.alignment import Adaptive, AlignmentConfig
from hypav.data.features import FeatureSet
from hypav.errors import HypavError
from hypav.experiments.measures import NUMERICS_VERSION, Measures
from hypav.experiments.recipes import Recipe
from hypav.training import RunConfig

__all__ = [
    "COLUMNS",
    "DETAILS",
    "Record",
    "alignment_columns",
    "alignment_text",
    "device_type",
    "key_of",
    "new_record",
    "recipe_digest",
    "sealed",
    "slim",
]

DETAILS = ("config", "per_class", "history")  # JSON; a slim export leaves them out


@dataclass(frozen=True)
class Record:
    """One run. S, U, HM, ZSL are fractions on test, at the epoch and beta that validation chose; val_HM is HM there.

    key: `run_key`. data, data_digest, paper_set, simulated: the set, and the paper's set whose settings it takes.
    preset, weight, similarity … xi: the alignment loss, empty or None for AVCA. curvatures: "-0.2", "0+-0.2" (two
    heads), "adaptive:3:-0.4" (N_c and c_0). scale: of the embeddings. scale_name: "course" or "full".
    delta_rel: of theta_v on test, 2 delta / diameter, mean of ten sub-samples of 1500; None where not asked for.
    delta_noise, delta_covariance: that of Gaussian noise of as many points and dimensions, and of noise with theta_v's
    covariance. code: NUMERICS_VERSION. memory_mb: peak resident memory of its process during the run, in 10^6 bytes; None
    where the system does not tell. cpu: its name and the instructions that torch uses of it, on which the last digits
    depend. folder: of the kept network, below the store's folder. config, per_class (recall of each test class), history:
    JSON, "" in a slim export. details: hash of those three; digest: hash of all the rest and `details`.
    """

    key: str
    data: str
    data_digest: str
    paper_set: str
    simulated: int
    method: str
    preset: str
    weight: float | None
    similarity: str
    normalise: str
    base: str
    to_ball: str
    clip_radius: str
    scale: float | None
    xi: float | None
    curvatures: str
    aligned: str
    pairs: str
    recipe: str
    recipe_digest: str
    scale_name: str
    seed: int
    S: float
    U: float
    HM: float
    ZSL: float
    beta: float
    val_HM: float
    best_epoch: int
    delta_rel: float | None
    delta_noise: float | None
    delta_covariance: float | None
    seconds: float
    memory_mb: float | None
    hypav: str
    code: str
    torch: str
    numpy: str
    python: str
    cpu: str
    device: str
    threads: int
    created: str
    folder: str | None
    config: str
    per_class: str
    history: str
    details: str = ""
    digest: str = ""

    @property
    def intact(self) -> bool:
        """Whether the record is what a run wrote, as far as its digests and, where they are there, its details tell."""
        bare = not any(getattr(self, name) for name in DETAILS)
        return self.digest == _digest(self) and (bare or (self.details == _details(self) and _follows(self)))


COLUMNS: Mapping[str, type] = get_type_hints(Record)


def sealed(record: Record) -> Record:
    """The record with its values in the types of their columns and the digests that belong to them."""
    values = {name: _typed(getattr(record, name), COLUMNS[name]) for name in COLUMNS}
    record = Record(**values)
    record = replace(record, details=_details(record))
    return replace(record, digest=_digest(record))


def _typed(value: Any, kind: Any) -> Any:
    if value is None:
        return None
    return float(value) if kind in (float, float | None) else int(value) if kind is int else str(value)


def slim(record: Record) -> Record:
    """The record without DETAILS and without its network, with the digest that belongs to it."""
    bare = replace(record, config="", per_class="", history="", folder=None)
    return replace(bare, digest=_digest(bare))


def _follows(record: Record) -> bool:
    """Whether key and columns are those of the configuration and the history. A digest can be computed for any row."""
    try:
        told = json.loads(record.config)
        config = RunConfig.from_dict(told)
        best = json.loads(record.history)[record.best_epoch - 1]["HM"]
    except (ValueError, TypeError, LookupError, HypavError):
        return False
    columns = alignment_columns(config.alignment) | {"seed": config.seed, "val_HM": best}
    key = key_of(told, record.data_digest, record.code, record.device)
    both = record.S + record.U
    mean = 2 * record.S * record.U / both if both else 0.0
    return (
        record.key == key
        and all(getattr(record, name) == value for name, value in columns.items())
        and abs(record.HM - mean) < 1e-9
    )


def _details(record: Record) -> str:
    return _hash([getattr(record, name) for name in DETAILS])


# columns that came after the first exports: where they are empty the digest is the one of before
LATER_COLUMNS = ("delta_noise", "delta_covariance")


def _digest(record: Record) -> str:
    values = {f.name: getattr(record, f.name) for f in fields(Record) if f.name not in (*DETAILS, "digest")}
    absent = {name for name in LATER_COLUMNS if values[name] is None}
    return _hash([value for name, value in values.items() if name not in absent])


def _hash(values: Any, size: int = 8) -> str:
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=size).hexdigest()


def key_of(config: Mapping[str, Any], data_digest: str, code: str, device: str) -> str:
    """Twelve hex digits that any change of a run's configuration, data, `code` (NUMERICS_VERSION) or type of device
    changes."""
    kind = device_type(device)
    return _hash({"config": config, "data": data_digest, "device": kind, "program": code}, 6)


def device_type(device: str) -> str:
    """ "cuda" of "cuda:1"."""
    return device.partition(":")[0]


# settings that came after the first stores, with the value that earlier runs had: there they change no digest
LATER = {"autocast": False}


def recipe_digest(recipe: Recipe) -> str:
    """Twelve hex digits for all settings of a recipe, whatever its name."""
    train = {name: value for name, value in asdict(recipe.train).items() if LATER.get(name) != value}
    return _hash({"network": dict(recipe.network), "train": train}, 6)


def alignment_text(curvatures: tuple[float, ...] | Adaptive) -> str:
    """The curvatures of an alignment as the store writes them, e.g. "0+-0.2" or "adaptive:3:-0.4"."""
    if isinstance(curvatures, Adaptive):
        return f"adaptive:{curvatures.N_c}:{_plain(curvatures.c_0)}"
    return "+".join(map(_plain, curvatures))


def _plain(number: float) -> str:
    return repr(float(number) + 0.0).removesuffix(".0")  # + 0.0: -0.0 is 0


def alignment_columns(alignment: AlignmentConfig | None) -> dict[str, Any]:
    """The columns that hold an alignment's configuration; empty or None for AVCA."""
    if alignment is None:
        numbers: dict[str, Any] = {"weight": None, "scale": None, "xi": None}
        return numbers | dict.fromkeys(
            ("similarity", "normalise", "base", "to_ball", "clip_radius", "curvatures", "aligned", "pairs"),
            "",
        )
    own = {field.name: getattr(alignment, field.name) for field in fields(alignment)}
    return {**own, "curvatures": alignment_text(alignment.curvatures)}


def new_record(
    key: str,
    data: FeatureSet,
    config: RunConfig,
    measures: Measures,
    *,
    method: str,
    preset: str,
    recipe: Recipe,
    scale_name: str,
    seconds: float,
    memory_mb: float | None,
    device: str,
    threads: int,
    folder: str | None,
) -> Record:
    """The record of a run that this process has just finished, with the versions and the machine it ran on."""
    measured = {name: value for name, value in vars(measures).items() if name not in DETAILS}
    return sealed(
        Record(
            key=key,
            data=data.name,
            data_digest=data.digest,
            paper_set="" if data.reference_key is None else "{} ({})".format(*data.reference_key),
            simulated=int(data.simulated),
            method=method,
            preset="" if config.alignment is None else preset,
            **alignment_columns(config.alignment),
            recipe=recipe.name,
            recipe_digest=recipe_digest(recipe),
            scale_name=scale_name,
            seed=config.seed,
            **measured,
            seconds=seconds,
            memory_mb=memory_mb,
            hypav=hypav.__version__,
            code=NUMERICS_VERSION,
            torch=torch.__version__,
            numpy=np.__version__,
            python=platform.python_version(),
            cpu=_cpu(),
            device=device,
            threads=threads,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            folder=folder,
            config=_json(config.to_dict()),
            per_class=_json(measures.per_class),
            history=_json(measures.history),
        )
    )


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _cpu() -> str:
    return f"{_cpu_name()}, {torch.backends.cpu.get_cpu_capability()}"


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
