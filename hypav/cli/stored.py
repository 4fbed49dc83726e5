"""What the commands that read a store share: opening it, its sets where the data are not here, the weight asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypav.data.load import open_data
from hypav.errors import DataError, RunError
from hypav.experiments.recipes import Recipe
from hypav.experiments.sets import SetId, set_named, stored_set
from hypav.experiments.store import Store
from hypav.experiments.tuning import TUNED, chosen_weight, parsed_weight

__all__ = ["asked_weight", "open_store", "require_networks", "set_of"]


def open_store(path: Path) -> Store:
    """The store in a SQLite file, or the one that a CSV export holds.

    Raises:
        RunError: there is none.
    """
    if path.suffix == ".csv":
        return Store.from_csv(path)
    if not path.exists():
        raise RunError(f"There is no store {path}; fill one with hypav reproduce, or give --store.")
    return Store(path, create=False)


def require_networks(path: Path, otherwise: str = "") -> None:
    """Raises RunError where the store is an export, beside which no network lies; otherwise: what else could be given."""
    if path.suffix == ".csv":
        raise RunError(
            f"{path} is an export of runs, which holds no networks; give the store.sqlite that hypav reproduce "
            f"wrote{otherwise}."
        )


def set_of(store: Store, door: str, **reading: Any) -> tuple[SetId, list[str]]:
    """The set behind a door, or the one of its name in the store; and a sentence if it is not the very set.

    The store's is taken if the data are not here, or if no run is on the data that are: results that were made before
    are still found.

    Raises:
        DataError, SettingError: as `open_data`, if the store does not know the set either.
        RunError: the store holds several sets of the name.
    """
    try:
        data = SetId.of(open_data(door, **reading))
    except DataError:
        found = set_named(store, door)
        if found is None:
            raise
        return found, []
    if reading.get("seed"):  # another draw of the same name was asked for
        return data, []
    found, sentence = stored_set(store, data)
    return (data, []) if found in (None, data) else (found, [sentence])


def asked_weight(weight: float | str, store: Store, data: SetId, preset: str, recipe: Recipe) -> float:
    """The number that a weight stands for: TUNED is what validation chose.

    Raises:
        SettingError: it is no weight.
        RunError: the store has no runs to choose from.
    """
    given = parsed_weight(weight)
    if not isinstance(given, str):
        return given
    choice = chosen_weight(store, data.digest, data.key, preset, recipe)
    if choice is None or len(choice.val_HM) < 2:
        raise RunError(
            f"{store.path} has no runs with several weights to choose from; run hypav reproduce with --weights {TUNED} "
            "first."
        )
    return choice.weight
