"""The weight of the alignment loss that validation chooses."""

from __future__ import annotations

from dataclasses import replace

from hypav.errors import SettingError
from hypav.experiments.recipes import Recipe
from hypav.experiments.records import Record, recipe_digest
from hypav.experiments.store import Choice, Store
from hypav.experiments.suite import Entry, entries

__all__ = ["TUNED", "TUNING_SEEDS", "WEIGHTS", "chosen_weight", "parsed_weight", "tuning_entries"]

TUNED = "tuned"
WEIGHTS = (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)
TUNING_SEEDS = (0, 1, 2)


def parsed_weight(text: float | str) -> float | str:
    """The weight of an alignment loss that a user gave: a number, or TUNED.

    Raises:
        SettingError: it is neither.
    """
    if text == TUNED:
        return TUNED
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise SettingError(f"The weight {text!r} is neither a number from 0 up nor {TUNED!r}.")
    return number


def tuning_entries(key: tuple[str, str] | None, preset: str) -> list[Entry]:
    """Hyper-alignment with each of WEIGHTS; `key` as in `entries`."""
    return [replace(entries("table7", key, preset, weight)[1], table=TUNED) for weight in WEIGHTS]


def chosen_weight(
    store: Store,
    data_digest: str,
    key: tuple[str, str] | None,
    preset: str,
    recipe: Recipe,
    *,
    device: str | None = None,
) -> Choice | None:
    """The weight with the best mean validation HM of Hyper-alignment over TUNING_SEEDS (the smallest of equals), from
    the runs in the store. Weights with a run missing, e.g. one that diverged, are out; None where all are.

    device: as in `Store.find`.
    """
    runs: dict[float, list[Record]] = {}
    for entry in tuning_entries(key, preset):
        found = store.find(data_digest, recipe, entry.alignment, device=device)
        if entry.weight is not None and all(seed in found for seed in TUNING_SEEDS):
            runs[entry.weight] = [found[seed] for seed in TUNING_SEEDS]
    if not runs:
        return None
    val_HM = {weight: sum(r.val_HM for r in own) / len(own) for weight, own in runs.items()}
    best = max(val_HM, key=lambda weight: (val_HM[weight], -weight))
    one = runs[best][0]
    return Choice(
        data=one.data,
        data_digest=data_digest,
        preset=preset,
        recipe=recipe.name,
        recipe_digest=recipe_digest(recipe),
        code=one.code,
        weight=best,
        val_HM=val_HM,
        keys={weight: [r.key for r in own] for weight, own in runs.items()},
    )
