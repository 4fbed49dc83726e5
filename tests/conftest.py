"""The order of the tests."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long ones first, so that at the end no worker waits for another's.

    pytest-xdist gives each worker an equal stretch of the list; each stretch begins with its share of the long ones.
    """
    long = [item for item in items if item.get_closest_marker("long")]
    short = [item for item in items if not item.get_closest_marker("long")]
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    total, dealt = len(items), 0
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        own = long[worker::workers]
        room = max(0, (total - dealt) // (workers - worker) - len(own))
        own += short[:room]
        del short[:room]
        ordered += own
        dealt += len(own)
    items[:] = ordered + short
