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
from hypav.experiments.program import code_version
from hypav.experiments.recipes import Recipe, recipe_for
from hypav.experiments.records import recipe_digest
from hypav.experiments.store import Choice, Store
from hypav.experiments.suite import SUITE, Entry, entries
from hypav.experiments.tuning import TUNED, TUNING_SEEDS, chosen_weight, tuning_entries
from hypav.learner import Learner, train_step
from hypav.machine import threads

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
        if TUNED in self.weights:
            key = self.data.reference_key
            tuning = [entry for preset in self.presets for entry in tuning_entries(key, preset)]
            known = {job.key for job in jobs}
            jobs += [job for job in self._plan(tuning, TUNING_SEEDS) if job.key not in known]
        return jobs

    def tuned_jobs(self, store: Store) -> tuple[list[Job], list[Choice]]:
        """The runs with the weights that the store's runs choose on validation, and those choices."""
        digest, key = self.data.digest, self.data.reference_key
        found = [chosen_weight(store, digest, key, preset, self.recipe) for preset in self.presets]
        choices = [choice for choice in found if choice is not None]
        return self._plan(self._entries({c.preset: [c.weight] for c in choices}), self.seeds), choices

    def most_tuned(self) -> int:
        """How many runs `tuned_jobs` will be at most, beside `jobs`."""
        if TUNED not in self.weights:
            return 0
        some = self._entries({preset: [0.5] for preset in self.presets})
        return len(self._plan([entry for entry in some if entry.alignment is not None], self.seeds))

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
        """What a reader of the store should know before: damaged records, other data of this name, older programs."""
        notes = []
        damaged = store.damaged()
        if damaged:
            notes.append(
                f"{len(damaged)} records in {store.path} are damaged and not used (keys {', '.join(damaged)}); "
                "those that this grid needs are run again, the others stay as they are."
            )
        named = store.rows(data=self.data.name)
        others = {record.data_digest for record in named} - {self.data.digest}
        if others:
            count = sum(record.data_digest in others for record in named)
            notes.append(
                f"The store also holds {count} runs on other data of the same name ({self.data.name}); they stay, and "
                "are not mixed with these."
            )
        own = [record for record in named if record.data_digest == self.data.digest]
        older = sum(record.code != code_version() for record in own)
        if older:
            notes.append(
                f"{older} runs in the store are of another version of the program; they stay, and are not mixed in."
            )
        return notes

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
        todo = missing(jobs, store)
        choices: list[Choice] = []
        with tqdm(
            total=len(jobs) + self.most_tuned(),
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
                more = [job for job in missing(tuned, store) if job.key not in failed]
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
    numbers = [_weight(weight) for weight in weights]
    for table in chosen:
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


def _weight(weight: float | str) -> float | str:
    if weight == TUNED:
        return TUNED
    try:
        number = float(weight)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise SettingError(f"The weight {weight!r} is neither a number from 0 up nor {TUNED!r}.")
    return number


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
