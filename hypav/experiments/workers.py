"""Who does a grid's jobs: this process, processes on this machine, or a dask cluster; and how their end is told."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from joblib import Parallel, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError

from hypav.data.features import FeatureSet
from hypav.errors import HypavError, RunError
from hypav.experiments.transfer import written

__all__ = ["answers", "end_with", "given", "in_one_line", "workers_end_told"]

ANSWER_SECONDS = 10.0  # for a cluster's scheduler


@contextmanager
def given(data: FeatureSet, root: Path, workers: int, cluster: str | None) -> Iterator[Any]:
    """Yields what each task is given for the data: themselves, or the path of a file that each worker opens once."""
    if cluster is not None:
        with _cluster(cluster) as client, parallel_config("dask", client=client, scatter=[data]):
            yield data
    elif workers == 1:
        yield data
    else:
        with written(data, root) as path:
            yield path


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    try:
        from distributed import Client
    except ImportError as error:
        raise RunError(
            "--cluster needs dask's distributed, which is not installed: pip install 'hypav[cluster]'."
        ) from error
    try:
        client = Client(address, timeout=ANSWER_SECONDS)
    except (OSError, ValueError) as error:
        raise RunError(f"No dask scheduler answers at {address}; start one with: dask scheduler.") from error
    with client:
        yield client


def answers(tasks: Iterator[Any], workers: int, cluster: str | None) -> Generator[Any]:
    """What tasks give, in the order in which they end."""
    found: Generator[Any] = Parallel(
        n_jobs=workers if cluster is None else -1,
        return_as="generator_unordered",
        batch_size=1,
        max_nbytes=None,  # no array is sent, so joblib needs no folder in shared memory
    )(tasks)
    return found


@contextmanager
def workers_end_told(cluster: str | None) -> Iterator[None]:
    """Raises RunError, one sentence, where the workers end and not a job."""
    try:
        yield
    except TerminatedWorkerError as error:
        raise RunError(
            "A worker process died, of too little memory perhaps; give the same command again with fewer --jobs, "
            "it goes on where it was."
        ) from error
    except Exception as error:
        if cluster is None or isinstance(error, HypavError):
            raise
        raise RunError(
            f"The cluster at {cluster} does not go on ({in_one_line(error)}) See whether it has workers and give the "
            "same command again, it goes on where it was."
        ) from error


def in_one_line(error: Exception) -> str:
    """An error of another package in one line."""
    first = (str(error).strip().splitlines() or ["no more is known"])[0]
    return f"{type(error).__name__}: {first.rstrip('.')}."


_watched: set[int] = set()


def end_with(parent: int) -> None:
    """Ends this process soon after `parent`: a planner that is killed cannot tell its workers to stop."""
    if parent in _watched or os.getpid() == parent:
        return
    _watched.add(parent)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
