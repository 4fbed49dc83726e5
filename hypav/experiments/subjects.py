"""What a store holds runs of: each set with each recipe, and what its runs say to the two questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hypav.errors import RunError
from hypav.experiments.answers import (
    Case,
    CurvatureEffect,
    Effect,
    cases,
    corrected,
    curvature_effect,
    effects,
)
from hypav.experiments.recipes import RECIPES, Recipe
from hypav.experiments.records import Record, recipe_digest
from hypav.experiments.sets import SetId, sets_in
from hypav.experiments.store import Store
from hypav.experiments.suite import TABLES
from hypav.experiments.table_view import require_intact
from hypav.files import slug

__all__ = ["PRESETS", "Subject", "subjects"]

PRESETS = ("paper", "curved")


@dataclass(frozen=True)
class Subject:
    """One set with one recipe and its cases.

    effects: Table 1 against AVCA. ablations: the rows of Tables 3 to 6 against AVCA without Table 1's; rows of one
    result (two equal heads are one) once. curvatures: of Table 3, by the case's name.
    """

    data: SetId
    recipe: Recipe
    runs: tuple[Record, ...]
    cases: tuple[Case, ...]
    effects: tuple[Effect, ...]
    ablations: tuple[Effect, ...]
    curvatures: Mapping[str, CurvatureEffect | None]

    @property
    def slug(self) -> str:
        """For file names."""
        return slug(f"{self.data.name} {self.recipe.name}")


def subjects(store: Store) -> tuple[Subject, ...]:
    """What the store holds runs of: every set with every recipe that is known by its name.

    Raises:
        RunError: a record that no run gave, or no run at all.
    """
    require_intact(store)
    found = []
    for data in sets_in(store):
        for recipe in RECIPES.values():
            version = store.version(data.digest, recipe)
            runs = store.rows(data_digest=data.digest, recipe_digest=recipe_digest(recipe), code=version)
            if runs:
                found.append(_subject(store, data, recipe, tuple(runs)))
    if not found:
        raise RunError(f"{store.path} holds no run of a known recipe; fill it with hypav reproduce.")
    every = [e for s in found for e in s.curvatures.values() if e is not None]
    stands = {id(old): new for old, new in zip(every, corrected(every), strict=True)}
    return tuple(
        replace(s, curvatures={name: stands.get(id(effect)) for name, effect in s.curvatures.items()})
        for s in found
    )


def _subject(store: Store, data: SetId, recipe: Recipe, runs: tuple[Record, ...]) -> Subject:
    own = cases(store, data, recipe, PRESETS)
    main = tuple(effect for case in own for effect in effects(store, case))
    return Subject(
        data=data,
        recipe=recipe,
        runs=runs,
        cases=own,
        effects=main,
        ablations=_ablations(store, own, main),
        curvatures={case.name: curvature_effect(store, case) for case in own},
    )


def _ablations(store: Store, own: Sequence[Case], main: Sequence[Effect]) -> tuple[Effect, ...]:
    known = {effect.difference.values for effect in main}
    rows = [effect for case in own for table in TABLES[2:6] for effect in effects(store, case, table)]
    once: dict[tuple[float, ...], Effect] = {}
    for effect in rows:
        once.setdefault(effect.difference.values, effect)
    return tuple(effect for values, effect in once.items() if values not in known)
