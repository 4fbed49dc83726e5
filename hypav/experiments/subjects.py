"""What a store holds runs of: each set with each recipe, and what its runs say to the questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hypav.alignment import Adaptive, AlignmentConfig
from hypav.errors import RunError
from hypav.experiments.answers import Case, Effect, cases, effects_in
from hypav.experiments.curvature_effects import CurvatureEffect, corrected, curvature_effect_in
from hypav.experiments.recipes import RECIPES, Recipe
from hypav.experiments.records import Record, device_type, recipe_digest
from hypav.experiments.sets import SetId, sets_in
from hypav.experiments.store import Store
from hypav.experiments.suite import TABLES
from hypav.experiments.table_view import Row, TableView, require_intact
from hypav.utils import slug

__all__ = ["PRESETS", "Subject", "subjects"]

PRESETS = ("paper", "curved")


@dataclass(frozen=True)
class Subject:
    """One set with one recipe and its cases.

    data: its name is told apart from those of other subjects. views: of Tables 1 to 7, by the case's name and table.
    effects: Table 1 against AVCA. ablations: the rows of Tables 3 to 6 against AVCA without Table 1's; rows of one
    loss (two equal heads are one) once. deltas: Table 7's row against AVCA, in delta_rel. curvatures: of Table 3, by
    the case's name.
    """

    data: SetId
    recipe: Recipe
    runs: tuple[Record, ...]
    cases: tuple[Case, ...]
    views: Mapping[tuple[str, str], TableView]
    effects: tuple[Effect, ...]
    ablations: tuple[Effect, ...]
    deltas: tuple[Effect, ...]
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
    parts: list[tuple[SetId, Recipe, tuple[Record, ...]]] = []
    for data in sets_in(store):
        for recipe in RECIPES.values():
            version = store.version(data.digest, recipe)
            device = store.device(data.digest, recipe, version)
            # by name too: two recipes may have the same settings, and no run is on the page twice
            digest = recipe_digest(recipe)
            rows = store.rows(data_digest=data.digest, recipe=recipe.name, recipe_digest=digest, code=version)
            runs = tuple(record for record in rows if device_type(record.device) == device)
            if runs:
                parts.append((data, recipe, runs))
    if not parts:
        raise RunError(f"{store.path} holds no run of a known recipe; fill it with hypav reproduce.")
    named = _told_apart([(data, recipe) for data, recipe, _ in parts])
    found = [_subject(store, data, *part[1:]) for data, part in zip(named, parts, strict=True)]
    every = [e for s in found for e in s.curvatures.values() if e is not None]
    stands = {id(old): new for old, new in zip(every, corrected(every), strict=True)}
    return tuple(
        replace(s, curvatures={name: stands.get(id(effect)) for name, effect in s.curvatures.items()})
        for s in found
    )


def _told_apart(parts: Sequence[tuple[SetId, Recipe]]) -> list[SetId]:
    """The sets with a short digest after a name that another set has too, and the recipe after one that ran with several:
    headings and picture files are named after them."""
    digests = {data.digest: slug(data.marked) for data, _ in parts}
    alike = Counter(digests.values())
    recipes = Counter(data.digest for data, _ in parts)
    found = []
    for data, recipe in parts:
        name = f"{data.name} [{data.digest[:8]}]" if alike[slug(data.marked)] > 1 else data.name
        name = f"{name}, recipe {recipe.name}" if recipes[data.digest] > 1 else name
        found.append(replace(data, name=name))
    return found


def _subject(store: Store, data: SetId, recipe: Recipe, runs: tuple[Record, ...]) -> Subject:
    own = cases(store, data, recipe, PRESETS)
    views = {(case.name, table): case.view(table, store) for case in own for table in TABLES}
    return Subject(
        data=data,
        recipe=recipe,
        runs=runs,
        cases=own,
        views=views,
        effects=_effects(own, views, "table1"),
        ablations=_ablations(own, views),
        deltas=_effects(own, views, "table7"),
        curvatures={case.name: curvature_effect_in(views[case.name, "table3"], case) for case in own},
    )


def _effects(
    own: Sequence[Case], views: Mapping[tuple[str, str], TableView], table: str
) -> tuple[Effect, ...]:
    return tuple(effect for case in own for effect in effects_in(views[case.name, table], case))


def _ablations(own: Sequence[Case], views: Mapping[tuple[str, str], TableView]) -> tuple[Effect, ...]:
    once: dict[tuple[str, AlignmentConfig | None], Effect] = {}
    for case in own:
        for table in (TABLES[0], *TABLES[2:6]):
            view = views[case.name, table]
            losses = {row.label: _loss(row) for row in view.rows}
            for effect in effects_in(view, case):
                once.setdefault((case.name, losses[effect.row]), effect)
    return tuple(effect for effect in once.values() if effect.table != TABLES[0])


def _loss(row: Row) -> AlignmentConfig | None:
    """The alignment loss of a row; heads of one fixed curvature are one, for they are averaged."""
    own = None if row.entry is None else row.entry.alignment
    if own is None or isinstance(own.curvatures, Adaptive) or len(set(own.curvatures)) > 1:
        return own
    return replace(own, curvatures=own.curvatures[:1])
