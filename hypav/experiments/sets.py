"""Which set of features a run was trained on, known from the set itself or from the store alone."""

from __future__ import annotations

from dataclasses import dataclass

from hypav.data.features import FeatureSet
from hypav.data.yt8m import YT8M_NAME
from hypav.errors import RunError
from hypav.experiments.store import Store
from hypav.utils import slug

__all__ = ["SetId", "set_named", "sets_in", "stored_set"]

DOOR_NAMES = {"yt8m-mini": YT8M_NAME}  # door -> name of the set behind it


@dataclass(frozen=True)
class SetId:
    """Which features runs were trained on. key: the paper's set whose settings they take."""

    name: str
    digest: str
    key: tuple[str, str] | None
    simulated: bool

    @classmethod
    def of(cls, data: FeatureSet) -> SetId:
        """The identity of a set."""
        return cls(data.name, data.digest, data.reference_key, data.simulated)

    @property
    def reference_key(self) -> tuple[str, str] | None:
        """As `FeatureSet.reference_key`: what a recipe is chosen by."""
        return self.key

    @property
    def marked(self) -> str:
        """The name, which says SIMULATED where it is."""
        return self.name + (" (SIMULATED)" if self.simulated and "SIMULATED" not in self.name else "")


def sets_in(store: Store) -> tuple[SetId, ...]:
    """The sets that runs of the store were trained on, in the order in which they came."""
    found = {record.data_digest: record for record in store.rows()}
    return tuple(SetId(r.data, digest, _key(r.paper_set), bool(r.simulated)) for digest, r in found.items())


def set_named(store: Store, name: str) -> SetId | None:
    """The set of a store that a name or a door stands for; None where there is none.

    Raises:
        RunError: several sets bear the name.
    """
    wanted = slug(DOOR_NAMES.get(name, name))
    found = [data for data in sets_in(store) if slug(data.name) == wanted]
    if len(found) > 1:
        raise RunError(
            f"{store.path} holds runs on {len(found)} different sets called {found[0].name}; give the data themselves."
        )
    return found[0] if found else None


def stored_set(store: Store, data: SetId) -> tuple[SetId | None, str]:
    """The set of the store that is `data`, or else the only one of its name; and a sentence that says which it is."""
    named = [found for found in sets_in(store) if found.name == data.name]
    if data.digest in {found.digest for found in named}:
        return data, f"The stored runs are of this very set: {data.name} (digest {data.digest[:8]})."
    if len(named) != 1:
        return None, f"{store.path} holds no run on this {data.name} (digest {data.digest[:8]})."
    return named[0], (
        f"The stored runs are of {data.name} as it was when they were made (digest {named[0].digest[:8]}), not as it "
        f"is now (digest {data.digest[:8]})."
    )


def _key(paper_set: str) -> tuple[str, str] | None:
    dataset, _, features = paper_set.removesuffix(")").partition(" (")
    return (dataset, features) if features else None
