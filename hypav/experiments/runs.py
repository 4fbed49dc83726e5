"""Runs: each is trained once, saved as one JSON file under its configuration, and read as one row of a DataFrame.

A run is stored in FOLDER/DATA-DIGEST/METHOD-seedN-KEY.json; its network, if it is saved, in the .pt file next to it.
Files are written to a temporary name and renamed, so an interruption loses at most the last CHECKPOINT_SECONDS of
training.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import platform
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Generator

import hypav
from hypav.alignment import Adaptive, AlignmentConfig
from hypav.capture import Turns
from hypav.data.features import FeatureSet
from hypav.errors import RunError
from hypav.eszsl import eszsl_reference
from hypav.evaluation import Metrics, Scores
from hypav.experiments.configs import Recipe, name_of
from hypav.hyperbolicity import covariance_matched_null, gaussian_null, sampled_delta_rel
from hypav.training import Run, RunConfig, discard_checkpoint, load_model, save_model, score, train_in_turns
from hypav.utils import check_regular, content_digest, make_folder, slug, threads, write_json

_log = logging.getLogger(__name__)

# Part of a run's key. Change it if a configuration gives other numbers than before; tests/test_golden_run.py checks this.
NUMERICS_VERSION = "005af793418a"
CHECKPOINT_SECONDS = 30.0
NOISE_TRIES = 3  # sets of noise per run for delta_rel; a table takes the mean over seeds
ESZSL = {"method": "eszsl", "modality": "both", "grid": "widened"}  # instead of a configuration

METRICS = ("S", "U", "HM", "ZSL")
DELTAS = ("delta_rel", "delta_noise", "delta_covariance")
COLUMNS = (
    "key", "data", "data_digest", "paper_set", "simulated", "method", "preset", "weight", "pull", "similarity",
    "normalise", "base", "to_ball", "clip_radius", "scale", "xi", "curvatures", "aligned", "pairs", "recipe",
    "scale_name", "seed", *METRICS, "beta", "val_HM", "best_epoch", *DELTAS, "seconds", "hypav", "code", "torch",
    "numpy", "python", "cpu", "device", "threads", "created",
)  # fmt: skip
WHOLE = ("seed", "best_epoch", "threads")
NUMBERS = (*WHOLE, "weight", "pull", "scale", "xi", *METRICS, "beta", "val_HM", *DELTAS, "seconds")
_RECORD = re.compile(r".+-seed\d+-([0-9a-f]{12})\.json")


@dataclass(frozen=True)
class Job:
    """A run to train. preset, recipe: for its record; keep: save the network; delta: measure delta_rel of theta_v."""

    config: RunConfig
    preset: str
    recipe: Recipe
    keep: bool = False
    delta: bool = False

    @property
    def name(self) -> str:
        """A readable name such as "Hyper-single seed 3"."""
        return f"{name_of(self.config)} seed {self.config.seed}"


def run_key(config: Mapping[str, Any], data_digest: str, device: str = "cpu") -> str:
    """Twelve hex digits that depend on the configuration, the data, NUMERICS_VERSION and the type of device."""
    parts = {"config": config, "data": data_digest, "device": _kind(device), "program": NUMERICS_VERSION}
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=6).hexdigest()


def _kind(device: str) -> str:
    return device.partition(":")[0]  # "cuda" of "cuda:1"


def run_path(folder: Path | str, data: FeatureSet, config: RunConfig | None, device: str = "cpu") -> Path:
    """The file of a run's record; config None is ESZSL."""
    if config is None:
        name = f"eszsl-seed0-{run_key(ESZSL, data.digest)}.json"
    else:
        key = run_key(config.to_dict(), data.digest, device)
        name = f"{slug(name_of(config))}-seed{config.seed}-{key}.json"
    # a name in another script may have no ASCII letters; the digest distinguishes such sets
    return Path(folder) / f"{slug(data.name)}-{data.digest[:8]}" / name


def do_job_in_turns(
    job: Job,
    data: FeatureSet,
    folder: Path,
    device: str = "cpu",
    thread_count: int = 1,
    progress: bool | None = False,
    capture: bool | Literal["auto"] = "auto",
) -> Turns[tuple[Run, dict[str, Any]]]:
    """Train, test and record one run in `folder`, and return the run and its record. An interrupted run resumes.

    This is a generator, which yields as `training.train_in_turns` does.

    Raises:
        RunError: the run diverged, or the folder cannot be written.
    """
    path = run_path(folder, data, job.config, device)
    checkpoints = path.with_suffix("")
    alignment = job.config.alignment
    try:
        with threads(thread_count):
            run = yield from train_in_turns(
                data, job.config, folder=checkpoints, device=device, progress=progress,
                label=name_of(job.config), checkpoint_seconds=CHECKPOINT_SECONDS, capture=capture,
            )  # fmt: skip
            measured = measure(data, run, delta=job.delta)
        record = {
            **_origin(data, path, device, thread_count),
            "method": name_of(job.config),
            "preset": "" if alignment is None else job.preset,
            **alignment_columns(alignment),
            "recipe": job.recipe.name,
            "scale_name": job.recipe.scale,
            "seed": job.config.seed,
            **measured,
            "seconds": run.seconds,
            "config": job.config.to_dict(),
            "epochs": run.epochs,
        }
        if job.keep:
            save_model(path.with_suffix(".pt"), run)
        write_record(path, record)
    except BaseException:
        with suppress(OSError):
            checkpoints.rmdir()  # only if it holds no checkpoint
        raise
    discard_checkpoint(checkpoints, data, job.config, device)
    return run, record


def measure(data: FeatureSet, run: Run, *, delta: bool) -> dict[str, Any]:
    """The results in a run's record: metrics and class recall on test, HM on val, and delta_rel if `delta`."""
    test = data.phase("test")
    deltas: tuple[float | None, ...] = (None, None, None)
    if delta:
        theta_v, seed = run.embed(test).theta_v.cpu(), run.config.seed
        measured = sampled_delta_rel(theta_v, generator=Generator().manual_seed(seed))
        stream = Generator().manual_seed(seed)
        noise = gaussian_null(measured.n, theta_v.shape[1], generator=stream, tries=NOISE_TRIES)
        alike = covariance_matched_null(theta_v, generator=stream, size=measured.n, tries=NOISE_TRIES)
        deltas = (measured.delta_rel, noise.delta_rel, alike.delta_rel)
    return {
        **asdict(run.metrics),
        "val_HM": run.val.HM,
        "best_epoch": run.best_epoch,
        **dict(zip(DELTAS, deltas, strict=True)),
        "per_class": _class_recall(data, score(run, test), run.metrics),
    }


def eszsl_record(data: FeatureSet, folder: Path | str) -> dict[str, Any]:
    """The record of ESZSL on a set. If `folder` has none, it is computed and saved there."""
    path = run_path(folder, data, None)
    if path.exists():
        try:
            return read_record(path)
        except RunError as error:
            _log.warning("%s It is computed again.", error)
    start = time.perf_counter()
    with threads(1):
        reference = eszsl_reference(data, ESZSL["modality"])
    record = {
        **dict.fromkeys(COLUMNS),
        **_origin(data, path, "cpu", 1),
        **alignment_columns(None),
        **asdict(reference.metrics),
        **{"method": "ESZSL", "preset": "", "recipe": "", "scale_name": "", "seed": 0, "best_epoch": 0},  # noqa: PIE800
        "seconds": time.perf_counter() - start,
        "per_class": _class_recall(data, reference.scores, reference.metrics),
        "config": ESZSL,
        "epochs": [],
    }
    write_record(path, record)
    return record


def _class_recall(data: FeatureSet, scores: Scores, metrics: Metrics) -> dict[str, float]:
    names = [data.class_names[i] for i in scores.classes.tolist()]
    return dict(zip(names, scores.recall(metrics.beta).tolist(), strict=True))


def _origin(data: FeatureSet, path: Path, device: str, thread_count: int) -> dict[str, Any]:
    """The entries of a record on the data, the program and the machine."""
    return {
        "key": path.stem.rpartition("-")[2],
        "data": data.name,
        "data_digest": data.digest,
        "paper_set": "" if data.reference_key is None else "{} ({})".format(*data.reference_key),
        "simulated": data.simulated,
        "loaded_as": dict(getattr(data, "loaded_as", {})),
        "hypav": hypav.__version__,
        "code": NUMERICS_VERSION,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "cpu": f"{_cpu_name()}, {torch.backends.cpu.get_cpu_capability()}",
        "device": _kind(device),
        "threads": thread_count,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


# --- records, written with a digest of their content that is checked when they are read ---


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record with its digest.

    Raises:
        RunError: the folder cannot be written.
    """
    plain = json.loads(json.dumps(record, allow_nan=False))
    make_folder(path.parent)
    write_json(path, {**plain, "digest": content_digest(plain)})


def read_record(path: Path) -> dict[str, Any]:
    """The record of a run: COLUMNS, config, loaded_as, per_class (recall by class name) and epochs.

    Raises:
        RunError: the file is missing or damaged, was edited or renamed, or is not a run.
    """
    try:
        check_regular(path)
        record = json.loads(path.read_text(encoding="utf-8"))
        digest, name = record.pop("digest"), _RECORD.fullmatch(path.name)
        intact = digest == content_digest(record) and name is not None and name[1] == record["key"]
        intact = intact and _is_run(record)
    except FileNotFoundError:
        raise RunError(f"There is no run {path}; hypav train, compare and reproduce write runs.") from None
    except OSError as error:
        raise RunError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
        intact = False
    if not intact:
        raise RunError(
            f"{path} is damaged, was edited, or is not a run of hypav: remove it and run it again."
        )
    return record


def _is_run(record: Mapping[str, Any]) -> bool:
    """Whether an intact record holds what this version of hypav reads; another version's may not."""
    record = {"pull": None, **record}  # records of runs with a weight have none
    rows = [record, *record["epochs"]]
    metrics = [row[name] for row in rows for name in (*METRICS, "beta")]
    numbers = [record[name] for name in NUMBERS if record[name] is not None]
    wholes = [record[name] for name in WHOLE]
    texts = [record[name] for name in COLUMNS if name not in (*NUMBERS, "simulated")]
    return (
        all(type(value) in (int, float) and math.isfinite(value) for value in [*numbers, *metrics])
        and all(type(value) is int and 0 <= value < 2**63 for value in wholes)
        and all(value is None or type(value) is str for value in texts)
        and type(record["method"]) is str
        and type(record["simulated"]) is bool
        and type(record["epochs"]) is list
        and all(type(record[name]) is dict for name in ("config", "loaded_as", "per_class"))
    )


def load_run(path: Path | str) -> tuple[Run, dict[str, Any]]:
    """A run whose network was saved, on the CPU, and its record. `path` is its .json or its .pt file.

    Raises:
        RunError: the record or the network is missing or damaged.
    """
    path = Path(path)
    path = path.with_suffix(".json") if path.name else path
    record = read_record(path)
    if record["method"] == "ESZSL":
        raise RunError(f"{path} is of ESZSL, which has no network; give a run of another method.")
    if not path.with_suffix(".pt").exists():
        raise RunError(f"The network of {path} was not saved; hypav train with its settings saves it.")
    best = record["best_epoch"]
    try:
        config = RunConfig.from_dict(record["config"])
        metrics, val = (
            Metrics(**{name: values[name] for name in (*METRICS, "beta")})
            for values in (record, record["epochs"][best - 1])
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{path} is of another version of hypav: remove it and run it again.") from error
    model, alignment = load_model(path.with_suffix(".pt"), config)
    return Run(config, metrics, val, best, record["epochs"], model, alignment, record["seconds"]), record


def alignment_columns(alignment: AlignmentConfig | None) -> dict[str, Any]:
    """The columns that describe an alignment; without an alignment, empty texts and None for numbers.

    With a pull the weight is None, which no weight equals; without one there is no column for it.
    """
    pulled = alignment is not None and alignment.pull is not None
    names = [field.name for field in fields(AlignmentConfig) if field.name != "pull" or pulled]
    if alignment is None:
        return {name: None if name in NUMBERS else "" for name in names}
    return {name: getattr(alignment, name) for name in names} | {
        "curvatures": curvatures_text(alignment.curvatures)
    }


def curvatures_text(curvatures: tuple[float, ...] | Adaptive) -> str:
    """Curvatures as text: "-0.2", "0+-0.2" (two heads), "adaptive:3:-0.4" (N_c and c_0)."""
    if isinstance(curvatures, Adaptive):
        return f"adaptive:{curvatures.N_c}:{_plain(curvatures.c_0)}"
    return "+".join(map(_plain, curvatures))


def _plain(number: float) -> str:
    return repr(float(number) + 0.0).removesuffix(".0")  # + 0.0 makes -0.0 a 0


# --- many runs as a table ---


def load_runs(path: Path | str) -> pd.DataFrame:
    """All runs in a folder, or in a .csv file that `DataFrame.to_csv` wrote, with COLUMNS; metrics are fractions.

    Raises:
        RunError: there is nothing at `path`, a record is damaged or was edited, or the file is not a table of runs.
    """
    path = Path(path)
    if path.is_dir():
        return frame([read_record(file) for file in record_files(path)])
    try:
        check_regular(path)
        with open(path, encoding="utf-8-sig", newline="") as file:  # a path could be taken for an address
            table = pd.read_csv(file, usecols=COLUMNS.__contains__, keep_default_na=False, dtype=str)
        if not set(COLUMNS) <= {*table, "pull"}:  # tables of older versions have no pull
            raise ValueError("it lacks columns of runs")
        runs = frame(table.to_dict("records"))
        metrics = runs[list(METRICS)]
        if ((metrics < 0) | (metrics > 1)).any(axis=None) or np.isinf(runs[list(NUMBERS)]).any(axis=None):
            raise ValueError("a metric is not between 0 and 1, or a number is infinite")
        return runs
    except FileNotFoundError:
        raise RunError(
            f"There are no runs in {path}; hypav compare and hypav reproduce write runs."
        ) from None
    except OSError as error:
        raise RunError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (ValueError, LookupError, TypeError, OverflowError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise RunError(f"{path} is not a table of runs: {reason}.") from error


def record_files(folder: Path) -> list[Path]:
    """The files of all records below a folder, sorted."""
    # os.walk and not rglob: a grid that runs meanwhile removes its checkpoint folders, which makes rglob fail.
    found = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    return sorted(path for path in found if _RECORD.fullmatch(path.name))


def frame(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Records as a DataFrame. ESZSL has no recipe, so its row is repeated for every recipe that was used on its data."""
    shared = ("data_digest", "code", "data", "recipe", "scale_name", "device")
    rows: list[Mapping[str, Any]] = []
    linear: dict[tuple[str, ...], Mapping[str, Any]] = {}
    for record in records:
        bare = record["method"] == "ESZSL" and not record["recipe"]
        if bare:
            place = record["data_digest"], record["code"]
            # ridges were once chosen from a grid that was not widened; such a record has another key
            linear[place] = max(record, linear.get(place, record), key=lambda r: str(r.get("created")))
        else:
            rows.append(record)
    groups = dict.fromkeys(tuple(row[name] for name in shared) for row in rows)
    rows += [{**linear[g[:2]], **dict(zip(shared, g, strict=True))} for g in groups if g[:2] in linear]
    rows += [record for names, record in linear.items() if names not in {g[:2] for g in groups}]
    table = {}
    for name in COLUMNS:
        values = [row.get(name) for row in rows]
        column = pd.Series(values, dtype=object)
        if name in NUMBERS:
            numbers = pd.to_numeric(
                pd.Series([None if value == "" else value for value in values], dtype=object)
            )
            if name in WHOLE and not ((numbers % 1 == 0) & numbers.between(0, 2**63 - 1)).all():
                raise ValueError(f"{name} is not a whole number everywhere")
            table[name] = numbers.astype("int64" if name in WHOLE else "float64")
        elif name == "simulated":
            table[name] = column.isin([True, "True", "1"])
        else:
            table[name] = column.fillna("").astype(str)
    return pd.DataFrame(table)
