"""Which set of features a run was trained on, known from the set itself or from the store alone."""

from __future__ import annotations

from dataclasses import dataclass

from hypav.data.features import FeatureSet
from hypav.experiments.store import Store

__all__ = ["SetId", "sets_in"]


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
    def marked(self) -> str:
        """The name, which says SIMULATED where it is."""
        return self.name + (" (SIMULATED)" if self.simulated and "SIMULATED" not in self.name else "")


def sets_in(store: Store) -> tuple[SetId, ...]:
    """The sets that runs of the store were trained on, in the order in which they came."""
    found = {record.data_digest: record for record in store.rows()}
    return tuple(SetId(r.data, digest, _key(r.paper_set), bool(r.simulated)) for digest, r in found.items())


def _key(paper_set: str) -> tuple[str, str] | None:
    dataset, _, features = paper_set.removesuffix(")").partition(" (")
    return (dataset, features) if features else None
