"""Train one run or several methods; `train`, `compare` and `reproduce` share a folder of runs.

Each of them uses the finished runs of the others. Runs are trained in parallel processes, or by the workers of a dask
cluster. After an interruption at any moment, the same call resumes.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError
from tqdm.auto import tqdm

from hypav import training, utils
from hypav.capture import GRAPHS, Turns, finish, in_turns
from hypav.data.features import FeatureSet
from hypav.errors import HypavError, RunError, SettingError, one_line, printable
from hypav.experiments.comparison import comparison, notes
from hypav.experiments.configs import (
    FIGURES,
    METHODS,
    Method,
    Recipe,
    Row,
    config_for,
    name_of,
    network_of,
    parse_method,
    recipe_for,
    run_config,
)
from hypav.experiments.paper import paper_settings
from hypav.experiments.runs import (
    Job,
    do_job_in_turns,
    eszsl_record,
    load_run,
    read_record,
    run_path,
    write_record,
)
from hypav.training import Run, RunConfig, discard_checkpoint, step_seconds

_log = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0  # time limit for the scheduler's answer


def train(
    data: FeatureSet,
    method: str = "avca",
    *,
    k: float | Sequence[float] | None = None,
    N_c: int | None = None,
    c_0: float | None = None,
    preset: str = "printed",
    weight: float | None = None,
    pull: float | None = None,
    recipe: str | Recipe | None = None,
    seed: int = 0,
    epochs: int | None = None,
    batches: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    folder: Path | str | None = None,
    device: str = "auto",
    threads: int = 1,
    capture: bool | Literal["auto"] = "auto",
    progress: bool | None = None,
    **settings: Any,
) -> Run:
    """Train one method with one seed in two stages, test it, and return the run.

    Args:
        method: cjme, avgzslnet, avca, avca-skip, hyper-alignment, hyper-single, hyper-multiple or alignment. The
            curvatures may be part of the name: "hyper-multiple:3:-0.4", or "alignment:0+-0.2" for two heads, flat and
            hyperbolic. "avca-skip+hyper-alignment:-0.2" is the alignment on top of AVCA-skip.
        k, N_c, c_0: curvatures; by default the paper's. k < 0 is hyperbolic.
        preset: the alignment loss: printed, released, released-2023 or curved.
        weight: weight of the alignment loss; by default the preset's.
        pull: instead of a weight, how long the loss's gradient on phi is in the first step of a stage, as a share of
            L_avca's; the history's "align_weight" is the weight that it became.
        recipe: network and schedule by name; the default depends on the data.
        epochs, batches, batch_size, lr, settings: replace settings of the recipe, e.g. dtype="float64", or of the
            network, e.g. weights="sample" of CJME.
        folder: the record and the network are saved there. An interrupted run resumes; a finished run is read, not
            trained again. None saves nothing.
        device: "auto" is the first GPU if there is one, else the CPU.
        threads: CPU threads; the same number gives the same results bit for bit.
        capture: replay the training step as a CUDA graph; see `hypav.training.train`.
        progress: print the expected time and show a bar; None does so only in a terminal.

    Raises:
        SettingError: an invalid name or value; both a weight and a pull, or one of them for a method without an alignment
            loss; ESZSL, which has no training run; capture=True without a GPU.
        RunError: the run diverged, no weight has the pull, or the folder cannot be written.

    >>> import hypav as hv
    >>> run = hv.train(hv.load("simulated:small"), "hyper-alignment", k=-0.5, epochs=1, batches=2)
    >>> run.config.alignment.curvatures, len(run.history)
    ((-0.5,), 2)
    """
    changes = {"epochs": epochs, "batches": batches, "batch_size": batch_size, "lr": lr, **settings}
    name = parse_method(method, preset, paper_settings(data.reference_key), k=k, N_c=N_c, c_0=c_0).name
    plan = recipe_for(data, recipe).changed(changes, [name])
    config = run_config(
        data, method, k=k, N_c=N_c, c_0=c_0, preset=preset, weight=weight, pull=pull, recipe=plan, seed=seed
    )
    if not 1 <= threads <= 1024:
        raise SettingError(f"threads is {threads}; it must be at least 1 and at most 1024.")
    job = Job(config, preset, plan, keep=True)
    grid = Grid(data, folder or "runs", device=device, workers=1, progress=progress)
    todo = [job] if folder is None else grid.missing([job])
    grid.announce([job], todo)
    if folder is None:
        label = name_of(config)
        with utils.threads(threads):
            return training.train(
                data, config, device=grid.device, progress=progress, label=label, capture=capture
            )
    if not todo:
        try:
            return load_run(grid.path(job))[0]
        except RunError as error:
            _log.warning("%s It is trained again.", error)
    job = todo[0] if todo else job
    return finish(do_job_in_turns(job, data, grid.folder, grid.device, threads, progress, capture))[0]


def compare(
    data: FeatureSet,
    methods: Sequence[str] = METHODS,
    *,
    seeds: int | Sequence[int] = 3,
    preset: str = "printed",
    weight: float | None = None,
    pull: float | None = None,
    recipe: str | Recipe | None = None,
    folder: Path | str = "runs",
    device: str = "auto",
    jobs: int | None = None,
    progress: bool | None = None,
    **settings: Any,
) -> pd.DataFrame:
    """Train several methods with several seeds, and return a table of S, U, HM and ZSL in per cent.

    All runs with the same seed share initial weights, batches and dropout masks, so methods are compared per seed. CJME
    and AVGZSLNet share only the batches. Finished runs in `folder` are used again, and interrupted runs resume.

    Args:
        methods: as in `train`; also eszsl, the linear reference in closed form. CJME and AVGZSLNet have the schedule of
            the others without weight decay.
        seeds: the number of seeds (0, 1, …), or a list of them.
        preset, weight, pull, recipe, settings: as in `train`, the same for all methods.
        folder: the folder of the runs.
        jobs: runs at a time; by default one per core, or four on a GPU.

    Returns:
        One row per method: the means; "S ±" etc., half of Student's 95 % interval, NaN for fewer than three seeds;
        "HM - AVCA" and its ±, paired per seed; n; and the paper's values if it has this set and these curvatures.
        `attrs` holds data, preset, recipe and seeds, and in "failed" the failed runs. `comparison_text` prints all of it.

    Raises:
        SettingError: an unknown method, a method or seed that is given twice, an empty list, or both a weight and a pull.

    >>> import tempfile, hypav as hv
    >>> table = hv.compare(hv.load("simulated:small"), ["eszsl"], folder=tempfile.mkdtemp())
    >>> list(table.index)
    ['ESZSL']
    """
    seeds, papers = seed_list(seeds), paper_settings(data.reference_key)
    chosen = [parse_method(spec, preset, papers, weight=weight, pull=pull) for spec in methods]
    if not chosen:
        raise SettingError("A comparison needs at least one method.")
    for setting, value in (("weight", weight), ("pull", pull)):
        if value is not None and not any(method.alignment for method in chosen):
            raise SettingError(
                f"None of {', '.join(methods)} has an alignment loss, so they take no {setting}."
            )
    same: dict[Any, Method] = {}
    for method in chosen:
        other = same.setdefault((network_of(method.name), method.alignment or method.name), method)
        if other is not method:
            raise SettingError(
                f"The methods {other.spec} and {method.spec} are the same here; leave one out."
            )
    plan = recipe_for(data, recipe).changed(settings, [method.name for method in chosen])
    planned = {
        (method.spec, seed): Job(config_for(data, plan, method.name, method.alignment, seed), preset, plan)
        for seed in seeds
        for method in chosen
        if method.name != "ESZSL"
    }
    grid = Grid(data, folder, device=device, workers=jobs, progress=progress)
    grid.run(list(planned.values()), "compare")
    runs: dict[str, dict[int, Mapping[str, Any]]] = {method.spec: {} for method in chosen}
    for (spec, seed), job in planned.items():
        if (record := grid.record(job)) is not None:
            runs[spec][seed] = record
    for method in chosen:
        if method.name == "ESZSL":
            runs[method.spec] = dict.fromkeys(seeds, eszsl_record(data, grid.folder))
    table = comparison(data, chosen, runs, preset, weight=weight, pull=pull)
    table.attrs = {
        "data": data.name, "digest": data.digest, "simulated": data.simulated, "source": data.source,
        "preset": preset, "weight": weight, "pull": pull, "recipe": plan.name, "seeds": list(seeds),
        "notes": notes(data, chosen, preset, len(seeds), plan.train.autocast), "failed": grid.failed,
    }  # fmt: skip
    return table


def seed_list(seeds: int | Sequence[int]) -> tuple[int, ...]:
    """The seeds 0, 1, … of a number of them, or the given ones.

    Raises:
        SettingError: there is none, or one is given twice.
    """
    chosen = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if not chosen or len(set(chosen)) < len(chosen):
        raise SettingError(f"seeds is {seeds}; give a number of at least 1, or different seeds.")
    return chosen


def jobs_of(data: FeatureSet, rows: Sequence[Row], seeds: Sequence[int], recipe: Recipe) -> list[Job]:
    """The runs of some rows, seed by seed, so that an interrupted grid has complete seeds.

    The networks for the figures are saved for the first seed; Table 7 needs delta_rel.
    """
    return [
        Job(
            config_for(data, recipe, row.method, row.alignment, seed), row.preset, recipe,
            keep=row.table in FIGURES and seed == seeds[0], delta=row.table == "table7",
        )
        for seed in seeds
        for row in rows
    ]  # fmt: skip


class Grid:
    """The runs on one set in one folder: finds the finished ones, estimates the time of the others, and trains them.

    failed: one sentence for each run that ended with an error.
    """

    def __init__(
        self,
        data: FeatureSet,
        folder: Path | str,
        *,
        device: str = "auto",
        workers: int | None = None,
        cluster: str | None = None,
        progress: bool | None = None,
    ) -> None:
        self.data, self.folder, self.cluster = data, Path(folder).resolve(), cluster
        self.device = str(utils.pick_device(device))
        self.workers = utils.side_by_side(workers, self.device)
        self.shown = sys.stderr.isatty() if progress is None else progress
        self.failed: list[str] = []

    def path(self, job: Job) -> Path:
        """The file of a job's record."""
        return run_path(self.folder, self.data, job.config, self.device)

    def record(self, job: Job) -> dict[str, Any] | None:
        """The record of a job; None if it is missing or damaged."""
        with suppress(RunError):
            return read_record(self.path(job))
        return None

    def records(self, jobs: Sequence[Job]) -> list[dict[str, Any]]:
        """The records of the jobs that have one, each once."""
        paths = {self.path(job): job for job in jobs}
        return [record for job in paths.values() if (record := self.record(job)) is not None]

    def missing(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs, each once, whose record is missing or damaged, or lacks a required network or delta_rel."""
        merged: dict[RunConfig, Job] = {}
        for job in jobs:
            other = merged.setdefault(job.config, job)
            merged[job.config] = replace(other, keep=other.keep or job.keep, delta=other.delta or job.delta)
        todo = []
        for job in merged.values():
            path, record = self.path(job), self.record(job)
            kept = path.with_suffix(".pt").exists()
            measured = record is not None and record["delta_rel"] is not None
            if record is None and path.exists():
                _log.warning("%s is damaged or was edited; it is trained again.", path)
            if record is None or (job.keep and not kept) or (job.delta and not measured):
                todo.append(replace(job, keep=job.keep or kept, delta=job.delta or measured))
            else:  # a kill right after the record was written leaves the checkpoint
                discard_checkpoint(path.with_suffix(""), self.data, job.config, self.device)
        return todo

    def announce(self, jobs: Sequence[Job], todo: Sequence[Job]) -> None:
        """Print the number of runs, how many are to do, and about how long they take."""
        if not self.shown:
            return
        recipe, schedule = jobs[0].recipe, jobs[0].config.train
        count = len({job.config for job in jobs})
        there = f", {count - len(todo)} already in {self.folder}" if len(todo) < count else ""
        short = (
            "; this is the short recipe, choose another for a long run" if recipe.scale == "course" else ""
        )
        lines = [
            f"{one_line(self.data.name)}: {count} run{'s' * (count > 1)}{there}, {len(todo)} to do.",
            f"Recipe {recipe.name}: up to {2 * schedule.epochs * schedule.batches} steps of {schedule.batch_size} "
            f"samples per run{short}.",
        ]
        if todo:
            workers = 1 if self.cluster else min(self.workers, len(todo))
            seconds, source = self.estimate(todo[0], workers)
            where = "for one worker of the cluster" if self.cluster else f"with {workers} at a time"
            total = _duration(len(todo) * seconds / workers)
            lines.append(f"About {total} {where} ({seconds:.1f} s per run, {source}).")
        self.say(lines)

    def say(self, lines: Sequence[str]) -> None:
        """Print lines on the error stream, if progress is shown."""
        if self.shown:
            print(*map(printable, lines), sep="\n", file=sys.stderr, flush=True)

    def estimate(self, job: Job, at_once: int) -> tuple[float, str]:
        """Seconds per run, and the source of the number: earlier runs of the recipe, or a few steps measured now.

        Steps are measured in one run alone. On a GPU the estimate is an upper limit: that runs at once gain nothing.
        """
        past = []
        for path in self.path(job).parent.glob("*.json"):
            with suppress(RunError):
                record = read_record(path)
                if (record["recipe"], record["device"]) == (job.recipe.name, self.device.partition(":")[0]):
                    past.append(record["seconds"])
        if past:
            return sum(past) / len(past), f"as in {len(past)} earlier runs"
        schedule = job.config.train
        step = step_seconds(self.data, job.config, torch.device(self.device))
        alone = 2 * schedule.epochs * schedule.batches * step
        shared = at_once if torch.device(self.device).type in GRAPHS else 1
        return shared * alone, "from a few measured steps"

    def run(self, jobs: Sequence[Job], label: str) -> None:
        """Train the missing runs. A run that fails is added to `failed` and does not stop the others.

        Raises:
            RunError: the folder cannot be written, the cluster does not answer, or a worker process ended.
        """
        if not jobs:
            return
        todo = self.missing(jobs)
        self.announce(jobs, todo)
        if not todo:
            return
        utils.make_folder(self.folder)
        with (
            _backend(self.cluster, self.data),
            closing(self._results(todo)) as results,
            tqdm(total=len(todo), desc=label, unit="run", disable=not self.shown) as bar,
        ):
            for job, result in results:
                self._settle(job, result)
                bar.set_postfix_str(job.name)
                bar.update()

    def _results(self, todo: Sequence[Job]) -> Generator[tuple[Job, dict[str, Any] | str], None, None]:
        """Each job with its result. Runs on one GPU share this process: processes would take turns on the device."""
        device = torch.device(self.device)
        workers = -1 if self.cluster else min(self.workers, len(todo))
        if device.type in GRAPHS and not self.cluster:
            turns = (_attempt_in_turns(job, self.data, self.folder, self.device) for job in todo)
            with utils.threads(1):
                yield from in_turns(turns, workers, device)
            return
        source = self.data if self.cluster or workers == 1 else _arrays(self.data)
        tasks = (delayed(_attempt)(job, source, self.folder, self.device) for job in todo)
        parallel = Parallel(workers, return_as="generator_unordered", batch_size=1, mmap_mode="c")
        with closing(parallel(tasks)) as results:
            yield from results

    def _settle(self, job: Job, result: dict[str, Any] | str) -> None:
        path = self.path(job)
        if isinstance(result, str):
            self.failed.append(f"{job.name} failed ({path.stem}): {result}")
        elif result["key"] != path.stem.rpartition("-")[2]:
            self.failed.append(f"{job.name} failed: its worker has another version of hypav or other data.")
        elif not path.exists():  # a worker of a cluster may have another disk
            write_record(path, result)


def _attempt(
    job: Job, source: FeatureSet | dict[str, Any], folder: Path, device: str
) -> tuple[Job, dict[str, Any] | str]:
    """Train one run in a worker. Returns the job with its record, or with one sentence that says what went wrong."""
    data = source if isinstance(source, FeatureSet) else _set_of(source)
    return finish(_attempt_in_turns(job, data, folder, device))


def _attempt_in_turns(
    job: Job, data: FeatureSet, folder: Path, device: str
) -> Turns[tuple[Job, dict[str, Any] | str]]:
    """`_attempt` as a generator, which yields as `training.train_in_turns` does."""
    try:
        return job, (yield from do_job_in_turns(job, data, folder, device))[1]
    except Exception as error:  # one run's error does not stop the others
        with suppress(RunError):  # meanwhile another grid may have finished it and removed its checkpoint
            return job, read_record(run_path(folder, data, job.config, device))
        if isinstance(error, HypavError):
            return job, str(error)
        return job, f"{_in_one_line(error)} Run hypav train with these settings to see the traceback."


def _arrays(data: FeatureSet) -> dict[str, Any]:
    """The fields of a set, with tensors as numpy arrays. joblib writes large arrays to disk once; workers map them."""
    values = {field.name: getattr(data, field.name) for field in fields(data)}
    return {n: v.numpy() if isinstance(v, torch.Tensor) else v for n, v in values.items()}


def _set_of(arrays: dict[str, Any]) -> FeatureSet:
    values: dict[str, Any] = {
        n: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for n, v in arrays.items()
    }
    return FeatureSet(**values)


@contextmanager
def _backend(cluster: str | None, data: FeatureSet) -> Iterator[None]:
    """Context with the workers of a dask scheduler, or with joblib's. If they end, the RunError is one sentence."""
    try:
        if cluster is None:
            yield
            return
        try:
            from distributed import Client

            client = Client(cluster, timeout=ANSWER_SECONDS)
        except ImportError as error:
            raise RunError("A cluster needs dask's distributed: pip install 'hypav[cluster]'.") from error
        except (OSError, ValueError) as error:
            raise RunError(
                f"No dask scheduler answers at {cluster}; start one with: dask scheduler."
            ) from error
        with client, parallel_config(backend="dask", client=client, scatter=[data]):
            yield
    except TerminatedWorkerError as error:
        raise RunError(
            "A worker process ended, perhaps for lack of memory. Run the same command again with fewer --jobs; "
            "it resumes."
        ) from error
    except Exception as error:
        if cluster is None or isinstance(error, HypavError):
            raise
        raise RunError(
            f"The cluster at {cluster} stopped ({_in_one_line(error)}) Check its workers and run the same command "
            "again; it resumes."
        ) from error


def _in_one_line(error: Exception) -> str:
    first = (str(error).strip().splitlines() or ["no message"])[0]
    return f"{type(error).__name__}: {first.rstrip('.')}."


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
