"""A grid of runs: planned without duplicates, run side by side in processes or on a cluster, stored once.

Killed at any moment and started again, it does what is missing. Two grids on one store share the work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from joblib import delayed

from hypav.data.features import FeatureSet
from hypav.errors import HypavError, RunError
from hypav.experiments.claims import claim
from hypav.experiments.database import MEMORY
from hypav.experiments.recipes import Recipe, network_for
from hypav.experiments.records import Record
from hypav.experiments.runs import is_kept, remove_checkpoints, run_folder, run_key, run_light
from hypav.experiments.store import Store
from hypav.experiments.suite import Entry
from hypav.experiments.transfer import opened
from hypav.experiments.workers import answers, end_with, given, in_one_line, workers_end_told
from hypav.training import RunConfig

__all__ = ["Failure", "Job", "Outcome", "missing", "plan", "run_grid"]

POLL_SECONDS = 0.5
LOCKS = ".locks"  # below the root
_BUSY, _FOUND = "busy", "found"  # what a worker answers beside a record and a sentence


@dataclass(frozen=True)
class Job:
    """One run to do: its key, all that determines it, and what the record says beside.

    keep: whether the trained network is kept (the figures need it). delta: whether delta_rel is measured (Table 7).
    device: "cpu", "cuda", "cuda:1".
    """

    key: str
    config: RunConfig
    method: str
    preset: str
    recipe: Recipe
    scale_name: str
    keep: bool = False
    delta: bool = False
    device: str = "cpu"

    @property
    def name(self) -> str:
        """For a reader, e.g. "Hyper-single seed 3 (key 0123…)"."""
        return f"{self.method} seed {self.config.seed} ({self.key})"

    def done_by(self, record: Record | None, root: Path) -> bool:
        """Whether a record has all that this job asks for, its network below `root` included."""
        if record is None or (self.delta and record.delta_rel is None):
            return False
        return not self.keep or (record.folder is not None and is_kept(root / record.folder))


@dataclass(frozen=True)
class Failure:
    """A run that ended with an error, and its sentence."""

    job: Job
    sentence: str


@dataclass
class Outcome:
    """What a grid did: runs done now, and those that failed."""

    done: int = 0
    failed: list[Failure] = field(default_factory=list)


def plan(
    data: FeatureSet,
    entries: Sequence[Entry],
    seeds: Sequence[int],
    recipe: Recipe,
    *,
    scale_name: str = "course",
    device: str = "cpu",
) -> list[Job]:
    """The runs that tables and figures consist of, each once, seed by seed: a grid that is broken off has whole seeds.

    The networks of the figures are kept for the first seed; delta_rel is measured for Table 7's.
    """
    network = network_for(data, recipe)
    jobs: dict[str, Job] = {}
    for seed in seeds:
        for entry in entries:
            config = RunConfig(network, recipe.train, entry.alignment, seed)
            key = run_key(data, config, device)
            job = jobs.setdefault(
                key, Job(key, config, entry.method, entry.preset, recipe, scale_name, device=device)
            )
            keep = entry.table.startswith("figure") and seed == seeds[0]
            jobs[key] = replace(job, keep=job.keep or keep, delta=job.delta or entry.table == "table7")
    return list(jobs.values())


def missing(jobs: Sequence[Job], store: Store, root: Path) -> list[Job]:
    """The jobs that the store has no complete record of, or whose network below `root` is gone."""
    return [job for job in jobs if not job.done_by(store.get(job.key), root)]


def run_grid(
    jobs: Sequence[Job],
    data: FeatureSet,
    store: Store,
    root: Path,
    *,
    workers: int = 1,
    cluster: str | None = None,
    advance: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Does the jobs that the store does not have, and stores each as soon as it is done; a run that fails is told in
    the outcome and does not stop the others.

    Args:
        root: the store's folder; checkpoints and kept networks go below it. On a cluster it should be one that all
            machines share: elsewhere a run that a machine's end breaks off begins anew.
        workers: processes on this machine, each with one thread; 1 runs in this one.
        cluster: address of a dask scheduler whose workers run the jobs instead.
        advance: called with a line on each job that is done, failed, or was found done by another grid.

    Raises:
        RunError: the store cannot be written, the cluster does not answer, or a worker process died.
    """
    root = root.resolve()
    outcome = Outcome()
    waiting = list(jobs)
    with ExitStack() as stack:
        source = stack.enter_context(given(data, root, workers, cluster))
        parent = None if cluster is not None or workers == 1 else os.getpid()
        shared = Path(store.path) if cluster is None and store.path != MEMORY else None
        while waiting:
            busy: list[Job] = []
            found: list[Job] = []
            tasks = (
                delayed(_work)(job, source, root, parent, shared)
                for job in _looked_up(waiting, store, root, found)
            )
            with workers_end_told(cluster), closing(answers(tasks, workers, cluster)) as given_back:
                for job, answer in given_back:
                    if isinstance(answer, Record):
                        _keep(job, answer, data, store, root)
                        outcome.done += 1
                        advance(f"{job.method} HM {100 * answer.HM:.1f}")
                    elif answer == _BUSY:
                        busy.append(job)
                    elif answer == _FOUND:
                        found.append(job)
                    else:
                        outcome.failed.append(Failure(job, answer))
                        advance(f"{job.method} failed")
            for job in found:
                advance(job.method)
            waiting = busy
            if busy:  # another grid is at them: its results will be in the store
                time.sleep(POLL_SECONDS)
    return outcome


def _looked_up(jobs: Sequence[Job], store: Store, root: Path, found: list[Job]) -> Iterator[Job]:
    """The jobs still to do, looked up shortly before each is handed out: joblib asks for a few ahead."""
    for job in jobs:
        if job.done_by(store.get(job.key), root):
            found.append(job)
        else:
            yield job


def _keep(job: Job, record: Record, data: FeatureSet, store: Store, root: Path) -> None:
    store.add(record)
    with claim(_lock(root, job)) as mine:
        if mine:  # else another grid is writing there
            remove_checkpoints(run_folder(root, data, job.config, job.method, job.device))


def _lock(root: Path, job: Job) -> Path:
    return root / LOCKS / f"{job.key}.lock"


def _work(
    job: Job, source: FeatureSet | Path, root: Path, parent: int | None, shared: Path | None
) -> tuple[Job, Record | str]:
    """In a worker: the job's record, `_BUSY` where another grid is at it, `_FOUND` where one has just done it, or the
    sentence of what went wrong. shared: the store, where this process may read it."""
    if parent is not None:
        end_with(parent)
    try:
        data = opened(source) if isinstance(source, Path) else source
        with claim(_lock(root, job)) as mine:
            if not mine:
                return job, _BUSY
            if shared is not None and _is_done(job, shared, root):
                return job, _FOUND
            if run_key(data, job.config, job.device) != job.key:
                raise RunError(
                    "The program or the data in this worker are not those of the plan (was a source file edited?); "
                    "give the command again."
                )
            return job, run_light(
                data,
                job.config,
                root=root,
                method=job.method,
                preset=job.preset,
                recipe=job.recipe,
                scale_name=job.scale_name,
                keep_network=job.keep,
                measure_delta=job.delta,
                device=job.device,
            )
    except HypavError as error:
        return job, str(error)
    except Exception as error:  # one run's end is not that of the others
        return (
            job,
            f"{in_one_line(error)} This is no mistake of yours; hypav train with its settings shows where it comes from.",
        )


def _is_done(job: Job, path: Path, root: Path) -> bool:
    with Store(path, create=False) as store:
        return job.done_by(store.get(job.key), root)
