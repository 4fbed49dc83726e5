"""The order of the tests, and those that need a GPU."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long tests first, so that at the end no worker waits for another.

    pytest-xdist gives each worker an equal part of the list. Each part begins with its share of the long tests.
    """
    gpu = [item for item in items if item.get_closest_marker("gpu")]
    if gpu:
        import torch  # takes seconds, for which the workers would wait

        if not torch.cuda.is_available():
            for item in gpu:
                item.add_marker(pytest.mark.skip(reason="no GPU that CUDA can use on this machine"))
    long = [item for item in items if item.get_closest_marker("long")]
    short = [item for item in items if not item.get_closest_marker("long")]
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    total = len(items)
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        part = long[worker::workers]
        room = max(0, (total - len(ordered)) // (workers - worker) - len(part))
        ordered += part + short[:room]
        del short[:room]
    items[:] = ordered + short
