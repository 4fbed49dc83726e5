"""The order of the tests."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long ones first, so that at the end no worker waits for another's."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
