"""Tables and figures as one grid: planned, estimated, run, with the weights that validation chooses in between."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from hypav.data.batches import TripletSampler, make_batch
from hypav.data.features import FeatureSet
from hypav.errors import SettingError
from hypav.experiments.grid import Job, Outcome, missing, plan, run_grid
from hypav.experiments.measures import NUMERICS_VERSION
from hypav.experiments.recipes import Recipe, recipe_for
from hypav.experiments.records import recipe_digest
from hypav.experiments.remarks import remarks
from hypav.experiments.sets import SetId
from hypav.experiments.store import Choice, Store
from hypav.experiments.suite import SUITE, Entry, entries
from hypav.experiments.tuning import TUNED, TUNING_SEEDS, chosen_weight, parsed_weight, tuning_entries
from hypav.training import Learner, train_step
from hypav.utils import threads

__all__ = ["Reproduction", "reproduction"]


@dataclass(frozen=True)
class Reproduction:
    """What is asked for. `tables` are of SUITE; a weight is a number or TUNED; `recipe` belongs to scale_name."""

    data: FeatureSet
    tables: tuple[str, ...]
    presets: tuple[str, ...]
    weights: tuple[float | str, ...]
    seeds: tuple[int, ...]
    recipe: Recipe
    scale_name: str
    device: str = "cpu"

    def jobs(self) -> list[Job]:
        """All runs that are known before a weight is tuned."""
        fixed = self._entries({preset: [w for w in self.weights if w != TUNED] for preset in self.presets})
        jobs = self._plan(fixed, self.seeds)
        known = {job.key for job in jobs}
        return jobs + [job for job in self._tuning() if job.key not in known]

    def _tuning(self) -> list[Job]:
        """The runs that a weight is chosen from."""
        if TUNED not in self.weights:
            return []
        key = self.data.reference_key
        tuning = [entry for preset in self.presets for entry in tuning_entries(key, preset)]
        return self._plan(tuning, TUNING_SEEDS)

    def tuned_jobs(self, store: Store) -> tuple[list[Job], list[Choice]]:
        """The runs with the weights that the store's runs choose on validation, and those choices."""
        digest, key = self.data.digest, self.data.reference_key
        found = [
            chosen_weight(store, digest, key, preset, self.recipe, device=self.device)
            for preset in self.presets
        ]
        choices = [choice for choice in found if choice is not None]
        return self._plan(self._entries({c.preset: [c.weight] for c in choices}), self.seeds), choices

    def tuned_ahead(self, store: Store, root: Path) -> tuple[int, bool]:
        """How many runs with tuned weights are to do beside `jobs`, and whether that is certain: before all runs that a
        weight is chosen from are there, it is the most that it can be."""
        if TUNED not in self.weights:
            return 0, True
        if not missing(self._tuning(), store, root):
            known = {job.key for job in self.jobs()}
            tuned, _ = self.tuned_jobs(store)
            return sum(job.key not in known for job in missing(tuned, store, root)), True
        some = self._entries({preset: [0.5] for preset in self.presets})
        return len(self._plan([entry for entry in some if entry.alignment is not None], self.seeds)), False

    def _entries(self, weights: dict[str, list[Any]]) -> list[Entry]:
        """The rows of all tables with some weights a preset; AVCA in any case, for it needs none."""
        key = self.data.reference_key
        found = [entries(table, key, self.presets[0], 1.0)[0] for table in self.tables]
        for preset, own in weights.items():
            found += [
                e for weight in own for table in self.tables for e in entries(table, key, preset, weight)
            ]
        return found

    def _plan(self, found: Sequence[Entry], seeds: Sequence[int]) -> list[Job]:
        return plan(self.data, found, seeds, self.recipe, scale_name=self.scale_name, device=self.device)

    def estimate(self, store: Store, jobs: Sequence[Job]) -> tuple[float, str]:
        """Seconds a run takes, and where that is known from: runs in the store, or a few steps done now."""
        past = store.rows(data_digest=self.data.digest, recipe_digest=recipe_digest(self.recipe))
        if past:
            return sum(record.seconds for record in past) / len(
                past
            ), f"as {len(past)} runs in the store took"
        if not jobs:
            return 0.0, "nothing to do"
        steps = (
            2 * self.recipe.train.epochs * self.recipe.train.batches
        )  # stage 2 is shorter, validation comes on top
        return steps * _step_seconds(self.data, jobs[-1]), "from a measured training step"

    def notes(self, store: Store) -> list[str]:
        """What a reader of the store should know before: see `remarks`."""
        data = SetId.of(self.data)
        return remarks(store, data, self.recipe, code=NUMERICS_VERSION, device=self.device)

    def run(
        self,
        store: Store,
        root: Path,
        *,
        workers: int = 1,
        cluster: str | None = None,
        progress: bool | None = None,
    ) -> tuple[Outcome, list[Choice]]:
        """Does what is missing, with one bar over all of it. Raises: as `run_grid`."""
        jobs = self.jobs()
        todo = missing(jobs, store, root)
        choices: list[Choice] = []
        with tqdm(
            total=len(jobs) + self.tuned_ahead(store, root)[0],
            initial=len(jobs) - len(todo),
            desc="reproduce",
            unit="run",
            disable=None if progress is None else not progress,
        ) as bar:

            def advance(line: str) -> None:
                bar.set_postfix_str(line)
                bar.update()

            def go(jobs: list[Job]) -> Outcome:
                return run_grid(
                    jobs, self.data, store, root,
                    workers=min(workers, max(1, len(jobs))), cluster=cluster, advance=advance,
                )  # fmt: skip

            outcome = go(todo)
            if TUNED in self.weights:
                tuned, choices = self.tuned_jobs(store)
                for choice in choices:
                    store.choose(choice)
                failed = {failure.job.key for failure in outcome.failed}
                more = [job for job in missing(tuned, store, root) if job.key not in failed]
                bar.total = bar.n + len(more)
                bar.refresh()
                second = go(more)
                outcome = Outcome(outcome.done + second.done, outcome.failed + second.failed)
        return outcome, choices


def reproduction(
    data: FeatureSet,
    tables: Sequence[str],
    *,
    presets: Sequence[str],
    weights: Sequence[float | str],
    seeds: int,
    scale_name: str = "course",
    device: str = "cpu",
) -> Reproduction:
    """A checked Reproduction; the table "all" stands for every one of SUITE.

    Raises:
        SettingError: an unknown table, preset, weight or scale, or no seed.
    """
    chosen = tuple(
        dict.fromkeys(name for table in tables for name in (SUITE if table == "all" else (table,)))
    )
    if not chosen or not presets or not weights or seeds < 1:
        raise SettingError("Name at least one table, preset, weight and seed.")
    numbers = [parsed_weight(weight) for weight in weights]
    for table in chosen:
        if table not in SUITE:
            raise SettingError(f"There is no table or figure {table!r}; choose {', '.join(SUITE)}, or all.")
        for preset in presets:
            entries(table, data.reference_key, preset, 1.0)
    return Reproduction(
        data=data,
        tables=chosen,
        presets=tuple(dict.fromkeys(presets)),
        weights=tuple(dict.fromkeys(numbers)),
        seeds=tuple(range(seeds)),
        recipe=recipe_for(data, None, scale=scale_name),  # type: ignore[arg-type]
        scale_name=scale_name,
        device=device,
    )


def _step_seconds(data: FeatureSet, job: Job, steps: int = 5) -> float:
    """Seconds a training step of this run takes here, on one thread of the processor."""
    with threads(1):
        learner = Learner.fresh(job.config, torch.device("cpu"))
        phase = data.phase("train").to(dtype=getattr(torch, job.config.train.dtype))
        sampler = TripletSampler(
            phase.label, batch_size=job.config.train.batch_size, generator=learner.sampling
        )
        indices, negatives = sampler.draw(steps + 1)
        start = 0.0
        for number, (index, negative) in enumerate(zip(indices, negatives, strict=True)):
            if number == 1:  # the first imports and allocates
                start = time.perf_counter()
            train_step(learner, make_batch(phase, index, negative))
        return (time.perf_counter() - start) / steps
