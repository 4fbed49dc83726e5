"""Runs: each is trained once, kept as one JSON file, found again by its configuration, and read as a row of a DataFrame.

`compare` and `reproduce` are one grid of runs with different lists of configurations. They share a folder: what one of
them has run the other finds. A run lies in FOLDER/DATA-DIGEST/METHOD-seedN-KEY.json, with its network, if that is kept,
in a .pt file of the same name. Each file is written to a temporary name and renamed, so a kill at any moment loses at
most the last CHECKPOINT_SECONDS of work; the same call resumes.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError
from tqdm.auto import tqdm

import hypav
from hypav import training
from hypav.alignment import Adaptive, AlignmentConfig
from hypav.data.batches import TripletSampler, make_batch
from hypav.data.features import FeatureSet
from hypav.errors import HypavError, RunError, SettingError
from hypav.eszsl import eszsl_reference
from hypav.evaluation import Metrics
from hypav.experiments.configs import (
    FIGURES,
    METHODS,
    TABLES,
    TUNING_SEEDS,
    WEIGHTS,
    Method,
    Recipe,
    Row,
    method_name,
    network_for,
    parse_method,
    recipe_for,
    run_config,
    table_rows,
)
from hypav.experiments.paper import Key, PaperRow, paper_row, paper_settings
from hypav.hyperbolicity import covariance_matched_null, gaussian_null, sampled_delta_rel
from hypav.stats import t_interval
from hypav.training import Learner, Run, RunConfig, load_model, save_model, train_step
from hypav.utils import content_digest, make_folder, pick_device, side_by_side, slug, write_json
from hypav.utils import threads as torch_threads

# Runs are kept under it. Raise it when a configuration gives other numbers than before: tests/test_golden_run.py says so.
NUMERICS_VERSION = "005af793418a"
CHECKPOINT_SECONDS = 30.0
NOISE_TRIES = 3  # noise sets per run for delta_rel; a table takes the mean over seeds
METRICS = ("S", "U", "HM", "ZSL")
TUNED = "tuned"
ANSWER_SECONDS = 10.0  # how long a scheduler may take to answer
ESZSL = {"method": "eszsl", "modality": "both"}  # in place of a configuration: it has nothing to configure

COLUMNS = (
    "key", "data", "data_digest", "paper_set", "simulated", "method", "preset", "weight", "similarity", "normalise",
    "base", "to_ball", "clip_radius", "scale", "xi", "curvatures", "aligned", "pairs", "recipe", "scale_name", "seed",
    "S", "U", "HM", "ZSL", "beta", "val_HM", "best_epoch", "delta_rel", "delta_noise", "delta_covariance", "seconds",
    "hypav", "code", "torch", "numpy", "python", "cpu", "device", "threads", "created",
)  # fmt: skip
NUMBERS = {
    "weight", "scale", "xi", "seed", *METRICS, "beta", "val_HM", "best_epoch", "delta_rel", "delta_noise",
    "delta_covariance", "seconds", "threads",
}  # fmt: skip
_RECORD = re.compile(r".+-seed\d+-([0-9a-f]{12})\.json")


# --- one run: its file, its record ---


def run_key(config: Mapping[str, Any], data_digest: str, device: str = "cpu") -> str:
    """Twelve hex digits that change with the configuration, the data, NUMERICS_VERSION and the type of device."""
    kind = device.partition(":")[0]
    told = {"config": config, "data": data_digest, "device": kind, "program": NUMERICS_VERSION}
    return hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=6).hexdigest()


def run_path(folder: Path | str, data: FeatureSet, config: RunConfig | None, device: str = "cpu") -> Path:
    """The file of a run's record; config None is ESZSL."""
    values = ESZSL if config is None else config.to_dict()
    method, seed = ("eszsl", 0) if config is None else (slug(method_name(config.alignment)), config.seed)
    key = run_key(values, data.digest, device)
    # the digest keeps sets apart whose names have no letter of ASCII
    return Path(folder) / f"{slug(data.name)}-{data.digest[:8]}" / f"{method}-seed{seed}-{key}.json"


def read_record(path: Path) -> dict[str, Any]:
    """The record of a run: COLUMNS, and config, loaded_as, per_class (recall by class name) and epochs.

    Raises:
        RunError: the file is missing, damaged, was edited or renamed, or is not a run's.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        intact = record.pop("digest") == content_digest(record) and set(COLUMNS) <= set(record)
        named = _RECORD.fullmatch(path.name)
        intact = intact and named is not None and named[1] == record["key"]
    except FileNotFoundError:
        raise RunError(f"There is no run {path}; hypav train, compare and reproduce make runs.") from None
    except OSError as error:
        raise RunError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        intact = False
    if not intact:
        raise RunError(
            f"{path} is damaged, was edited, or is not a run of hypav: remove it and run it again."
        )
    return record


def load_run(path: Path | str) -> tuple[Run, dict[str, Any]]:
    """A kept run with its network, and its record.

    Args:
        path: the record's .json file, or the .pt file next to it.

    Raises:
        RunError: the record or the network is missing or damaged.
    """
    path = Path(path).with_suffix(".json")
    record = read_record(path)
    if "method" in record["config"]:
        raise RunError(f"{path} is a run of ESZSL, which has no network; give a run of another method.")
    config = RunConfig.from_dict(record["config"])
    if not path.with_suffix(".pt").exists():
        raise RunError(f"The network of {path} was not kept: hypav train with the same settings keeps it.")
    model, alignment = load_model(path.with_suffix(".pt"), config)
    metrics = Metrics(**{name: record[name] for name in (*METRICS, "beta")})
    chosen = record["epochs"][record["best_epoch"] - 1]
    val = Metrics(**{name: chosen[name] for name in (*METRICS, "beta")})
    run = Run(
        config, metrics, val, record["best_epoch"], record["epochs"], model, alignment, record["seconds"]
    )
    return run, record


@dataclass(frozen=True)
class Job:
    """A run to do, and what its record says of it. keep: its network too. delta: delta_rel of theta_v too (Table 7)."""

    config: RunConfig
    preset: str
    recipe: Recipe
    keep: bool = False
    delta: bool = False

    @property
    def name(self) -> str:
        """For a reader, e.g. "Hyper-single seed 3"."""
        return f"{method_name(self.config.alignment)} seed {self.config.seed}"


def do_job(
    job: Job, data: FeatureSet, folder: Path, *, device: str, threads: int = 1, progress: bool | None = False
) -> tuple[Run, dict[str, Any]]:
    """Train, test and record one run in `folder`; an interrupted one resumes from its checkpoint.

    Raises:
        RunError: the run diverged, or the folder cannot be written.
    """
    path = run_path(folder, data, job.config, device)
    checkpoints = path.with_suffix("")
    try:
        with torch_threads(threads):
            run = training.train(
                data, job.config, folder=checkpoints, device=device, progress=progress,
                label=method_name(job.config.alignment), checkpoint_seconds=CHECKPOINT_SECONDS,
            )  # fmt: skip
            record = _record(job, run, data, path, device, threads)
        if job.keep:
            save_model(path.with_suffix(".pt"), run)
        _write(path, record)
    except BaseException:
        with suppress(OSError):
            checkpoints.rmdir()  # if it holds no checkpoint
        raise
    shutil.rmtree(checkpoints, ignore_errors=True)
    return run, record


def _record(job: Job, run: Run, data: FeatureSet, path: Path, device: str, threads: int) -> dict[str, Any]:
    test = data.phase("test")
    scores = training.score(run, test)
    names = [data.class_names[i] for i in test.classes.tolist()]
    theta_v = run.embed(test).theta_v.cpu() if job.delta else None
    deltas = (None, None, None) if theta_v is None else _deltas(theta_v, run.config.seed)
    return {
        **_about(data, path, device, threads),
        "method": method_name(run.config.alignment),
        "preset": "" if run.config.alignment is None else job.preset,
        **alignment_columns(run.config.alignment),
        "recipe": job.recipe.name,
        "scale_name": job.recipe.scale,
        "seed": run.config.seed,
        **asdict(run.metrics),
        "val_HM": run.val.HM,
        "best_epoch": run.best_epoch,
        **dict(zip(("delta_rel", "delta_noise", "delta_covariance"), deltas, strict=True)),
        "seconds": run.seconds,
        "config": run.config.to_dict(),
        "per_class": dict(zip(names, scores.recall(run.metrics.beta).tolist(), strict=True)),
        "epochs": run.epochs,
    }


def _about(data: FeatureSet, path: Path, device: str, threads: int) -> dict[str, Any]:
    """What a record says of data, program and machine."""
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
        "device": device.partition(":")[0],
        "threads": threads,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _deltas(theta_v: torch.Tensor, seed: int) -> tuple[float, float, float]:
    """delta_rel of theta_v (N, D), of Gaussian noise of the same size, and of noise with theta_v's covariance."""
    measured = sampled_delta_rel(theta_v, generator=torch.Generator().manual_seed(seed))
    stream = torch.Generator().manual_seed(seed)
    noise = gaussian_null(measured.n, theta_v.shape[1], generator=stream, tries=NOISE_TRIES)
    alike = covariance_matched_null(theta_v, generator=stream, size=measured.n, tries=NOISE_TRIES)
    return measured.delta_rel, noise.delta_rel, alike.delta_rel


def _write(path: Path, record: Mapping[str, Any]) -> None:
    plain = json.loads(json.dumps(record, allow_nan=False))
    write_json(path, {**plain, "digest": content_digest(plain)})


def curvatures_text(curvatures: tuple[float, ...] | Adaptive) -> str:
    """Curvatures as a column: "-0.2", "0+-0.2" (two heads), "adaptive:3:-0.4" (N_c and c_0)."""
    if isinstance(curvatures, Adaptive):
        return f"adaptive:{curvatures.N_c}:{_plain(curvatures.c_0)}"
    return "+".join(map(_plain, curvatures))


def _plain(number: float) -> str:
    return repr(float(number) + 0.0).removesuffix(".0")  # + 0.0 makes -0.0 a 0


def alignment_columns(alignment: AlignmentConfig | None) -> dict[str, Any]:
    """The columns that hold an alignment; for AVCA empty texts, and None for numbers."""
    names = [field.name for field in fields(AlignmentConfig)]
    if alignment is None:
        return {name: None if name in NUMBERS else "" for name in names}
    values = {name: getattr(alignment, name) for name in names}
    return {**values, "curvatures": curvatures_text(alignment.curvatures)}


# --- many runs as a table ---


def frame(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Records as a DataFrame with COLUMNS. ESZSL has no recipe: its row is repeated for each recipe run on its data."""
    sets = {(r["data_digest"], r["code"]): r for r in records if r["method"] == "ESZSL" and not r["recipe"]}
    others = [r for r in records if r["method"] != "ESZSL" or r["recipe"]]
    shared = ("data_digest", "code", "data", "recipe", "scale_name", "device")
    groups = {
        tuple(r[name] for name in shared): None for r in others if (r["data_digest"], r["code"]) in sets
    }
    repeated = [{**sets[group[:2]], **dict(zip(shared, group, strict=True))} for group in groups]
    rows = [*repeated, *others] if groups else records
    table = pd.DataFrame([[row.get(name) for name in COLUMNS] for row in rows], columns=list(COLUMNS))
    for name in COLUMNS:
        if name == "simulated":
            table[name] = table[name].isin([True, "True", "1", "1.0"])
        elif name in NUMBERS:
            whole = name in ("seed", "best_epoch", "threads")
            table[name] = pd.to_numeric(table[name].replace("", None)).astype("int64" if whole else "float64")
        else:
            table[name] = table[name].fillna("").astype(str)
    return table


def load_runs(path: Path | str) -> pd.DataFrame:
    """All runs of a folder, or of a .csv file that `DataFrame.to_csv` wrote of such a table.

    Raises:
        RunError: there is nothing at `path`, a record is damaged or was edited, or the file is not a table of runs.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*.json") if _RECORD.fullmatch(file.name))
        return frame([read_record(file) for file in files])
    try:
        table = pd.read_csv(path, keep_default_na=False, dtype=str)
        if not {"key", "method", "seed", "HM"} <= set(table):
            raise ValueError("the columns of runs are missing")
        return frame(table.to_dict("records"))
    except FileNotFoundError:
        raise RunError(f"There are no runs in {path}; hypav compare and hypav reproduce make runs.") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is not a table of runs: {error}.") from error


# --- a grid of runs ---


def _jobs(data: FeatureSet, rows: Sequence[Row], seeds: Sequence[int], recipe: Recipe) -> list[Job]:
    """Each run once, seed by seed, so that an interrupted grid has whole seeds.

    The networks of the figures are kept for the first seed; Table 7 needs delta_rel.
    """
    network = network_for(data, recipe)
    jobs: dict[RunConfig, Job] = {}
    for seed in seeds:
        for row in rows:
            config = RunConfig(network, recipe.train, row.alignment, seed)
            job = jobs.setdefault(config, Job(config, row.preset, recipe))
            keep = row.table in FIGURES and seed == seeds[0]
            jobs[config] = replace(job, keep=job.keep or keep, delta=job.delta or row.table == "table7")
    return list(jobs.values())


class Grid:
    """Runs on one set in one folder: what is there, what is missing, and how to run it.

    lines: what a reader should know, e.g. of damaged records. failed: the runs that ended with an error, one sentence
    each.
    """

    def __init__(
        self,
        data: FeatureSet,
        folder: Path | str,
        device: str,
        workers: int | None,
        cluster: str | None,
        progress: bool | None,
    ) -> None:
        self.data, self.folder, self.cluster, self.progress = data, Path(folder).resolve(), cluster, progress
        self.device = str(pick_device(device))
        self.workers = side_by_side(workers, self.device)
        self.lines: list[str] = []
        self.failed: list[str] = []

    def path(self, job: Job) -> Path:
        """The file of a job's record."""
        return run_path(self.folder, self.data, job.config, self.device)

    def record(self, job: Job) -> dict[str, Any] | None:
        """The record of a job; None if there is none or it is damaged."""
        if not self.path(job).exists():
            return None
        try:
            return read_record(self.path(job))
        except RunError as error:
            self.lines += [line for line in [f"{error} It is trained again."] if line not in self.lines]
            return None

    def missing(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs without a record, or whose record lacks the network or the delta_rel that the job asks for."""
        todo = []
        for job in jobs:
            record = self.record(job)
            measured = record is not None and record["delta_rel"] is not None
            kept = self.path(job).with_suffix(".pt").exists()
            if record is None or (job.keep and not kept) or (job.delta and not measured):
                todo.append(replace(job, delta=job.delta or measured, keep=job.keep or kept))
        return todo

    def plan(self, jobs: Sequence[Job], todo: Sequence[Job]) -> None:
        """Say how many runs there are to do and how long they will take."""
        if not _shown(self.progress):
            return
        recipe, train = jobs[0].recipe, jobs[0].config.train
        there = f"{len(jobs) - len(todo)} already in {self.folder}, " if len(todo) < len(jobs) else ""
        short = (
            "; it is the short one, name another recipe for a long run" if recipe.scale == "course" else ""
        )
        self.lines += [
            f"{self.data.name}: {_count(len(jobs), 'run')}, {there}{len(todo)} to do.",
            f"Recipe {recipe.name}: up to {2 * train.epochs * train.batches} steps of {train.batch_size} samples per run{short}.",
        ]
        if todo:
            seconds, source = self.estimate(todo[0])
            where = (
                f"on the cluster {self.cluster}, for one worker"
                if self.cluster
                else f"with {self.workers} at a time"
            )
            total = len(todo) * seconds / (1 if self.cluster else min(self.workers, len(todo)))
            self.lines.append(f"About {_duration(total)} {where} ({seconds:.1f} s per run, {source}).")
        print(*self.lines, sep="\n", file=sys.stderr, flush=True)
        self.lines.clear()

    def estimate(self, job: Job) -> tuple[float, str]:
        """Seconds per run, and where the number is from: earlier runs of this recipe, or a few steps measured now."""
        past = []
        for file in self.path(job).parent.glob("*.json"):
            with suppress(RunError):
                record = read_record(file)
                if record["recipe"] == job.recipe.name and record["device"] == self.device.partition(":")[0]:
                    past.append(record["seconds"])
        if past:
            return sum(past) / len(past), f"as in {len(past)} earlier runs"
        train = job.config.train
        return 2 * train.epochs * train.batches * _step_seconds(
            self.data, job.config, self.device
        ), "from 5 measured steps"

    def run(self, todo: Sequence[Job], bar: tqdm) -> None:
        """Run the jobs side by side. One that fails is listed in `failed`; the others go on.

        Raises:
            RunError: the cluster does not answer, or a worker process ended.
        """
        with _backend(self.cluster, self.data):
            parallel = Parallel(
                n_jobs=-1 if self.cluster else min(self.workers, max(1, len(todo))),
                return_as="generator_unordered", batch_size=1, mmap_mode="c",
            )  # fmt: skip
            alone = self.workers == 1 or self.cluster is not None
            source = self.data if alone else _arrays(self.data)
            tasks = (delayed(_attempt)(job, source, self.folder, self.device) for job in todo)
            try:
                with closing(parallel(tasks)) as results:
                    for job, result in results:
                        self._settle(job, result)
                        bar.set_postfix_str(job.name)
                        bar.update()
            except TerminatedWorkerError as error:
                raise RunError(
                    "A worker process ended, perhaps for lack of memory: run the same command again with fewer --jobs; "
                    "it resumes."
                ) from error
            except Exception as error:
                if self.cluster is None or isinstance(error, HypavError):
                    raise
                raise RunError(
                    f"The cluster at {self.cluster} stopped working ({_in_one_line(error)}): check its workers and run "
                    "the same command again; it resumes."
                ) from error

    def _settle(self, job: Job, result: dict[str, Any] | str) -> None:
        path = self.path(job)
        if isinstance(result, str):
            self.failed.append(f"{job.name} ({path.name}) failed: {result}")
        elif result["key"] != path.stem.rpartition("-")[2]:
            self.failed.append(f"{job.name} failed: its worker has another version of hypav or other data.")
        elif not path.exists():  # a worker of a cluster may have another disk
            make_folder(path.parent)
            _write(path, result)


def _attempt(
    job: Job, source: FeatureSet | dict[str, Any], folder: Path, device: str
) -> tuple[Job, dict[str, Any] | str]:
    """In a worker: the job and its record, or what went wrong in one sentence."""
    data = source if isinstance(source, FeatureSet) else _set_of(source)
    try:
        return job, do_job(job, data, folder, device=device)[1]
    except Exception as error:  # one run's error does not stop the others
        with suppress(RunError):
            return job, read_record(
                run_path(folder, data, job.config, device)
            )  # another grid has finished it meanwhile
        if isinstance(error, HypavError):
            return job, str(error)
        return job, f"{_in_one_line(error)} Run hypav train with these settings to see where."


def _arrays(data: FeatureSet) -> dict[str, Any]:
    """The fields of a set with numpy arrays for tensors: joblib writes large arrays once and maps them into memory."""
    values = {field.name: getattr(data, field.name) for field in fields(data)}
    return {name: v.numpy() if isinstance(v, torch.Tensor) else v for name, v in values.items()}


def _set_of(arrays: dict[str, Any]) -> FeatureSet:
    return FeatureSet(
        **{n: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for n, v in arrays.items()}
    )


@contextmanager
def _backend(cluster: str | None, data: FeatureSet) -> Iterator[None]:
    """The workers of a dask scheduler at an address, or joblib's own."""
    if cluster is None:
        yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise RunError("A cluster needs dask's distributed: pip install 'hypav[cluster]'.") from error
    try:
        client = Client(cluster, timeout=ANSWER_SECONDS)
    except (OSError, ValueError) as error:
        raise RunError(f"No dask scheduler answers at {cluster}; start one with: dask scheduler.") from error
    with client, parallel_config(backend="dask", client=client, scatter=[data]):
        yield


def _in_one_line(error: Exception) -> str:
    first = (str(error).strip().splitlines() or ["no message"])[0]
    return f"{type(error).__name__}: {first.rstrip('.')}."


def _step_seconds(data: FeatureSet, config: RunConfig, device: str, steps: int = 5) -> float:
    """Seconds per training step of a run, on one thread."""
    with torch_threads(1):
        learner = Learner.fresh(config, torch.device(device))
        phase = data.phase("train").to(torch.device(device), getattr(torch, config.train.dtype))
        sampler = TripletSampler(phase.label, batch_size=config.train.batch_size, generator=learner.sampling)
        start = 0.0
        for number, (index, negative) in enumerate(zip(*sampler.draw(steps + 1), strict=True)):
            if number == 1:  # the first step imports and allocates
                start = time.perf_counter()
            train_step(learner, make_batch(phase, index, negative))["total"].item()
        return (time.perf_counter() - start) / steps


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _shown(progress: bool | None) -> bool:
    return sys.stderr.isatty() if progress is None else progress


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _eszsl_record(grid: Grid) -> dict[str, Any]:
    """The record of ESZSL on a set, computed if it is not in the folder."""
    path, data = run_path(grid.folder, grid.data, None), grid.data
    with suppress(RunError):
        return read_record(path)
    with torch_threads(1):
        start = time.perf_counter()
        reference = eszsl_reference(data, ESZSL["modality"])
        seconds = time.perf_counter() - start
    test = data.phase("test")
    names = [data.class_names[i] for i in test.classes.tolist()]
    record = {
        **_about(data, path, "cpu", 1),
        **{
            "method": "ESZSL",
            "preset": "",
            **alignment_columns(None),
            "recipe": "",
            "scale_name": "",
            "seed": 0,
        },
        **asdict(reference.metrics),
        **{"val_HM": None, "best_epoch": 0, "seconds": seconds, "config": ESZSL, "epochs": []},
        **dict.fromkeys(("delta_rel", "delta_noise", "delta_covariance")),
        "per_class": dict(zip(names, reference.scores.recall(reference.beta).tolist(), strict=True)),
    }
    make_folder(path.parent)
    _write(path, record)
    return record


# --- what a user calls ---


def train(
    data: FeatureSet,
    method: str = "avca",
    *,
    k: float | Sequence[float] | None = None,
    N_c: int | None = None,
    c_0: float | None = None,
    preset: str = "printed",
    weight: float | None = None,
    recipe: str | Recipe | None = None,
    seed: int = 0,
    epochs: int | None = None,
    batches: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    folder: Path | str | None = None,
    device: str = "auto",
    threads: int = 1,
    progress: bool | None = None,
    **settings: Any,
) -> Run:
    """Train one method with one seed in two stages, and test it.

    Args:
        method: avca, hyper-alignment, hyper-single, hyper-multiple or alignment; also with its curvatures, e.g.
            "hyper-multiple:3:-0.4" or "alignment:0+-0.2" (two heads, flat and hyperbolic).
        k, N_c, c_0: curvatures in place of the paper's. k < 0 is hyperbolic.
        preset: which alignment loss: printed, released, released-2023 or curved.
        weight: of the alignment loss, in place of the preset's.
        recipe: network and schedule by name; by default the one that belongs to the data.
        epochs, batches, batch_size, lr, settings: in place of the recipe's, e.g. dtype="float64".
        folder: keeps the record and the network there; an interrupted run resumes, a finished one is read. None keeps
            nothing.
        device: "auto" is the first GPU if there is one, else the CPU.
        threads: of the CPU; results repeat to the bit with the same number.
        progress: say what the run will take and show a bar; None does so in a terminal.

    Raises:
        SettingError: a name or value that makes no sense; ESZSL, which has no training run.
        RunError: the run diverged, or the folder cannot be written.

    >>> import hypav as hv
    >>> run = hv.train(hv.load("simulated:small"), "hyper-alignment", k=-0.5, epochs=1, batches=2)
    >>> run.config.alignment.curvatures, len(run.history)
    ((-0.5,), 2)
    """
    changes = {"epochs": epochs, "batches": batches, "batch_size": batch_size, "lr": lr, **settings}
    chosen = recipe_for(data, recipe).changed(changes)
    config = run_config(
        data, method, k=k, N_c=N_c, c_0=c_0, preset=preset, weight=weight, recipe=chosen, seed=seed
    )
    if threads < 1:
        raise SettingError(f"The number of threads is {threads}; it must be at least 1.")
    grid = Grid(data, folder or ".", device, 1, None, progress)
    job = Job(config, preset, chosen, keep=True)
    todo = [job] if folder is None else grid.missing([job])
    grid.plan([job], todo)
    if folder is None:
        with torch_threads(threads):
            return training.train(
                data, config, device=grid.device, progress=progress, label=method_name(config.alignment)
            )
    if not todo:
        try:
            return load_run(grid.path(job))[0]
        except RunError as error:
            if _shown(progress):
                print(error, "It is trained again.", file=sys.stderr)
    return do_job(
        (todo or [job])[0], data, grid.folder, device=grid.device, threads=threads, progress=progress
    )[0]


def compare(
    data: FeatureSet,
    methods: Sequence[str] = METHODS,
    *,
    seeds: int | Sequence[int] = 3,
    preset: str = "printed",
    weight: float | None = None,
    recipe: str | Recipe | None = None,
    folder: Path | str = "runs",
    device: str = "auto",
    jobs: int | None = None,
    progress: bool | None = None,
    **settings: Any,
) -> pd.DataFrame:
    """Train several methods with several seeds, and put S, U, HM and ZSL (per cent) next to each other.

    All runs of one seed share initial weights, batches and dropout masks, so methods are compared per seed. Finished
    runs in `folder` are used again, and interrupted ones resume.

    Args:
        methods: as in `train`, and eszsl, the linear reference in closed form.
        seeds: how many (0, 1, …), or which.
        preset, weight, recipe, settings: as in `train`, the same for all methods.
        folder: where the runs are kept.
        jobs: runs at a time; by default one per core, and one on a GPU.

    Returns:
        A row per method: the means, "S ±" and the like (half of Student's 95 % interval; NaN below three seeds),
        "HM - AVCA" and its ± (paired per seed), n, and the paper's values where it has this set and these curvatures.
        `table.attrs` says of which data, preset, recipe and seeds the numbers are; `comparison_text` prints all of it.

    Raises:
        SettingError: an unknown method, a method or seed that is named twice, or none at all.

    >>> import tempfile, hypav as hv
    >>> table = hv.compare(hv.load("simulated:small"), ["eszsl"], folder=tempfile.mkdtemp())
    >>> list(table.index)
    ['ESZSL']
    """
    seeds = _seeds(seeds)
    if not methods:
        raise SettingError("A comparison needs at least one method.")
    settings_of_paper = paper_settings(data.reference_key)
    chosen = [parse_method(spec, preset, settings_of_paper, weight=weight) for spec in methods]
    same: dict[Any, Method] = {}
    for method in chosen:
        other = same.setdefault((method.name == "ESZSL", method.alignment), method)
        if other is not method:
            raise SettingError(
                f"The methods {other.spec} and {method.spec} are the same here; leave one out."
            )
    plan = recipe_for(data, recipe).changed(settings)
    network = network_for(data, plan)
    trained = [method for method in chosen if method.name != "ESZSL"]
    all_jobs = {
        (method.spec, seed): Job(RunConfig(network, plan.train, method.alignment, seed), preset, plan)
        for seed in seeds
        for method in trained
    }
    grid = Grid(data, folder, device, jobs, None, progress)
    _run_all(grid, list(all_jobs.values()), "compare")
    records: dict[str, dict[int, Mapping[str, Any]]] = {method.spec: {} for method in chosen}
    for (spec, seed), job in all_jobs.items():
        record = grid.record(job)
        if record is not None:
            records[spec][seed] = record
    for method in chosen:
        if method.name == "ESZSL":
            records[method.spec] = dict.fromkeys(seeds, _eszsl_record(grid))
    table = _comparison(data, chosen, records, preset, weight)
    table.attrs = {
        "data": data.name, "digest": data.digest, "simulated": data.simulated, "source": data.source,
        "preset": preset, "weight": weight, "recipe": plan.name, "seeds": list(seeds), "folder": str(folder),
        "notes": _notes(data, chosen, preset, len(seeds), table), "failed": grid.failed,
    }  # fmt: skip
    return table


def reproduce(
    data: FeatureSet,
    tables: Sequence[str] = ("table1",),
    *,
    seeds: int | Sequence[int] = 3,
    presets: Sequence[str] = ("printed",),
    weights: Sequence[float | str] = (1.0,),
    scale: str = "course",
    recipe: str | Recipe | None = None,
    folder: Path | str = "runs",
    jobs: int | None = None,
    cluster: str | None = None,
    device: str = "auto",
    progress: bool | None = None,
) -> pd.DataFrame:
    """Run what the paper's tables and figures consist of, each run once.

    Args:
        tables: table1 to table7, figure3, figure4, or all.
        seeds: how many (0, 1, …), or which.
        presets: alignment losses.
        weights: of the alignment loss; "tuned" is the one of WEIGHTS with the highest HM on validation.
        scale: "course" for a short schedule, "full" for the published one; or name a recipe.
        folder: where the runs are kept. On a cluster it should be one that all machines share.
        jobs: runs at a time; by default one per core, and one on a GPU.
        cluster: the address of a dask scheduler whose workers do the runs.

    Returns:
        The runs, a row each (see COLUMNS). `attrs` has "failed", a sentence per run that failed, and "tuned", the chosen
        weight of each preset.

    Raises:
        SettingError: an unknown table, preset, weight or scale, or none at all.
        RunError: the folder cannot be written, the cluster does not answer, or a worker process ended.
    """
    seeds, key = _seeds(seeds), data.reference_key
    names = [name for table in tables for name in ((*TABLES, *FIGURES) if table == "all" else (table,))]
    numbers = list(dict.fromkeys(parsed_weight(weight) for weight in weights))
    if not names or not presets or not numbers:
        raise SettingError("Name at least one table, one preset and one weight.")
    plan = recipe_for(data, recipe, scale)

    def rows(weights: Mapping[str, Sequence[float]]) -> list[Row]:
        chosen = [table_rows(name, key, presets[0], 1.0)[0] for name in names]  # AVCA needs no weight
        return chosen + [
            r for p, ws in weights.items() for w in ws for n in names for r in table_rows(n, key, p, w)
        ]

    grid = Grid(data, folder, device, jobs, cluster, progress)
    asked = _jobs(
        data, rows({p: [w for w in numbers if not isinstance(w, str)] for p in presets}), seeds, plan
    )
    tuned: dict[str, float] = {}
    if TUNED in numbers:
        trials = [table_rows("table7", key, preset, weight)[1] for preset in presets for weight in WEIGHTS]
        trials = [replace(row, table="") for row in trials]  # nobody asked for their delta_rel
        known = {job.config for job in asked}
        asked += [job for job in _jobs(data, trials, TUNING_SEEDS, plan) if job.config not in known]
    _run_all(grid, asked, "reproduce")
    if TUNED in numbers:
        done = frame([record for job in asked if (record := grid.record(job)) is not None])
        found = {preset: tuned_weight(done, key, preset) for preset in presets}
        tuned = {preset: weight for preset, weight in found.items() if weight is not None}
        failed = {line.partition(" failed")[0] for line in grid.failed}
        best = _jobs(data, rows({preset: [weight] for preset, weight in tuned.items()}), seeds, plan)
        _run_all(grid, best, "reproduce, tuned")
        asked = list({job.config: job for job in [*asked, *best]}.values())
    records = [record for job in asked if (record := grid.record(job)) is not None]
    table = frame([_eszsl_record(grid), *records])
    table.attrs = {"failed": grid.failed, "tuned": tuned}
    return table


def tuned_weight(runs: pd.DataFrame, key: Key | None, preset: str) -> float | None:
    """The weight of WEIGHTS with the highest HM on validation: Hyper-alignment's mean over TUNING_SEEDS.

    Of equal weights the smallest. Weights with a missing run are left out; None if that leaves none.
    """
    means = {}
    for weight in WEIGHTS:
        alignment = table_rows("table7", key, preset, weight)[1].alignment
        columns = pd.Series(alignment_columns(alignment))
        found = runs[(runs[columns.index] == columns).all(axis=1) & runs["seed"].isin(TUNING_SEEDS)]
        if set(found["seed"]) == set(TUNING_SEEDS):
            means[weight] = found.groupby("seed")["val_HM"].first().mean()
    return max(means, key=lambda weight: (means[weight], -weight), default=None)


def parsed_weight(weight: float | str) -> float | str:
    """A weight of the alignment loss as a number, or "tuned".

    Raises:
        SettingError: it is neither.
    """
    if weight == TUNED:
        return TUNED
    try:
        number = float(weight)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise SettingError(f"The weight {weight!r} is neither a number from 0 up nor {TUNED!r}.")
    return number


def _seeds(seeds: int | Sequence[int]) -> tuple[int, ...]:
    chosen = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if not chosen:
        raise SettingError("At least one seed is needed.")
    if len(set(chosen)) < len(chosen):
        raise SettingError(f"A seed is named twice in {', '.join(map(str, chosen))}.")
    return chosen


def _run_all(grid: Grid, jobs: Sequence[Job], label: str) -> None:
    if not jobs:
        return
    todo = grid.missing(jobs)
    grid.plan(jobs, todo)
    hidden = not _shown(grid.progress)
    with tqdm(total=len(jobs), initial=len(jobs) - len(todo), desc=label, unit="run", disable=hidden) as bar:
        if todo:
            grid.run(todo, bar)


# --- a comparison as a table and as text ---


def _comparison(
    data: FeatureSet,
    methods: Sequence[Method],
    records: Mapping[str, Mapping[int, Mapping[str, Any]]],
    preset: str,
    weight: float | None,
) -> pd.DataFrame:
    base = next((records[method.spec] for method in methods if method.name == "AVCA"), {})
    rows = []
    for method in methods:
        runs = records[method.spec]
        linear = method.name == "ESZSL"
        row: dict[str, Any] = {}
        for metric in METRICS:
            values = [100 * record[metric] for record in runs.values()]
            row |= _mean(metric, values[:1] if linear else values)
        shared = [seed for seed in runs if seed in base and method.name != "AVCA"]
        row |= _mean("HM - AVCA", [100 * (runs[seed]["HM"] - base[seed]["HM"]) for seed in shared])
        row["n"] = min(1, len(runs)) if linear else len(runs)
        paper = _paper_row(data, method, preset, weight)
        if data.reference_key is not None:
            row |= {f"paper {m}": float("nan") if paper is None else getattr(paper, m) for m in METRICS}
        rows.append(row)
    names = [m.name if m.spec.strip().lower() == m.name.lower() else f"{m.name} ({m.spec})" for m in methods]
    return pd.DataFrame(rows, index=pd.Index(names, name="method"))


def _mean(name: str, values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {name: float("nan"), f"{name} ±": float("nan")}
    interval = t_interval(values)
    return {name: interval.mean, f"{name} ±": float("nan") if interval.half is None else interval.half}


def _paper_row(data: FeatureSet, method: Method, preset: str, weight: float | None) -> PaperRow | None:
    """The paper's row of a method; None if the curvatures are not the paper's."""
    row = paper_row(data.reference_key, method.name)
    if row is None:
        return None
    papers = parse_method(method.name, preset, paper_settings(data.reference_key), weight=weight)
    return row if papers.alignment == method.alignment else None


def _notes(
    data: FeatureSet, methods: Sequence[Method], preset: str, seeds: int, table: pd.DataFrame
) -> list[str]:
    spread = "no interval from fewer than three seeds"
    if seeds >= 3:
        spread = f"mean ± half of the 95 % interval over {seeds} seeds (Student's t)"
    notes = [f"Per cent; {spread}."]
    names = [method.name for method in methods]
    if "AVCA" in names and len(names) > 1:
        notes.append("HM - AVCA is paired per seed.")
    if "ESZSL" in names:
        notes.append("ESZSL is a linear map in closed form: it has no seed.")
    if preset in ("printed", "released") and sum(method.alignment is not None for method in methods) > 1:
        notes.append(
            f"The {preset} loss does not depend on the curvature: its rows differ by rounding alone (notebook 09)."
        )
    if data.reference_key is None:
        return [*notes, "The paper does not report this set."]
    dataset, features = data.reference_key
    if data.simulated:
        notes.append(
            f"The paper's columns are for the real {dataset} ({features}); ours are for simulated features with its "
            "counts and dimensions. They cannot be compared."
        )
    else:
        notes.append(
            f"The paper's columns are its Table {1 if features == 'main' else 2}, {dataset} ({features})."
        )
    return notes


def comparison_text(table: pd.DataFrame) -> str:
    """A table of `compare` in Markdown, with what its numbers are of above it and the notes below."""
    about = table.attrs
    simulated = " (SIMULATED)" if about["simulated"] and "SIMULATED" not in about["data"] else ""
    weight = "" if about["weight"] is None else f", weight {about['weight']:g}"
    lines = [f"Data: {about['data']}{simulated}, digest {about['digest'][:8]}", about["source"]]
    lines.append(
        f"Preset {about['preset']}{weight}; recipe {about['recipe']}; seeds {', '.join(map(str, about['seeds']))}"
    )
    shown = pd.DataFrame(index=table.index)
    for name in (*METRICS, "HM - AVCA"):
        shown[name] = [_cell(mean, half) for mean, half in zip(table[name], table[f"{name} ±"], strict=True)]
    if "paper HM" in table:
        for metric in METRICS:
            shown[f"paper {metric}"] = ["" if pd.isna(v) else f"{v:.2f}" for v in table[f"paper {metric}"]]
    text = shown.to_markdown(disable_numparse=True)
    return "\n".join([*filter(None, lines), "", text, "", *about["notes"], *about["failed"]])


def _cell(mean: float, half: float) -> str:
    if pd.isna(mean):
        return ""
    return f"{mean:.1f}" if pd.isna(half) else f"{mean:.1f} ± {half:.1f}"
