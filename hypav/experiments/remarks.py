"""What a reader of a store should know beside a table or a grid: damaged records, and runs that are not mixed in."""

from __future__ import annotations

from collections import Counter

from hypav.experiments.recipes import Recipe
from hypav.experiments.records import device_type, recipe_digest
from hypav.experiments.sets import SetId, sets_in
from hypav.experiments.store import Store

__all__ = ["held", "remarks"]


def remarks(store: Store, data: SetId, recipe: Recipe, *, code: str, device: str) -> list[str]:
    """A sentence on each kind of record that does not count where the runs of a set are shown or added to.

    Args:
        code, device: the version of the program and the type of device whose runs count.
    """
    found = []
    damaged = store.damaged()
    if damaged:
        found.append(
            f"{len(damaged)} record(s) in {store.path} are damaged or no run's and not used (keys {', '.join(damaged)}); "
            "hypav reproduce trains those anew that its grid needs, the others stay as they are."
        )
    named = store.rows(data=data.name)
    others = Counter(record.data_digest for record in named if record.data_digest != data.digest)
    if others:
        found.append(
            f"The store also holds {others.total()} runs on other data of the same name ({data.name}): drawn from "
            "another --data-seed, or made before the set changed. They stay, and are not mixed with these."
        )
    own = [r for r in named if r.data_digest == data.digest and r.recipe_digest == recipe_digest(recipe)]
    older = sum(record.code != code for record in own)
    if older:
        found.append(
            f"{older} runs in the store are of another version of the program; they stay, and are not mixed in."
        )
    elsewhere = Counter(device_type(r.device) for r in own if r.code == code)
    del elsewhere[device_type(device)]
    if elsewhere:
        found.append(
            f"{elsewhere.total()} runs in the store are of another type of device ({', '.join(sorted(elsewhere))}); "
            "they stay, and are not mixed in."
        )
    return found


def held(store: Store) -> str:
    """A sentence on the sets and recipes that a store has runs of, for a reader who found none."""
    names = [
        f"{data.marked} ({', '.join(sorted({r.recipe for r in store.rows(data_digest=data.digest)}))})"
        for data in sets_in(store)
    ]
    told = f"holds runs on {'; '.join(names)}" if names else "is empty"
    return f"No run in {store.path} is one of this table's; the store {told}."
