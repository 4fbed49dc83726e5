"""The results page: what the grid gave, from the store alone. Every number is verified as it is written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from hypav.data.yt8m import YT8M_NAME
from hypav.experiments.answers import Effect, enough_for_the_paper, tally
from hypav.experiments.paper import reported
from hypav.experiments.recipes import RECIPES
from hypav.experiments.results_tables import table_section
from hypav.experiments.results_text import (
    ABLATIONS,
    alignment_sentences,
    chance_text,
    curvature_sentences,
    in_short,
    points,
    power_sentences,
)
from hypav.experiments.store import Store
from hypav.experiments.subjects import PRESETS, Subject, subjects
from hypav.experiments.suite import TABLES
from hypav.experiments.tables import markdown_table
from hypav.experiments.tuning import chosen_weight
from hypav.files import make_folder, replacing
from hypav.intervals import t_interval
from hypav.plots.evidence import plot_differences
from hypav.plots.spreads import plot_spreads
from hypav.style import save_figure

__all__ = ["FIGURE_FOLDER", "results_page", "save_results"]

FIGURE_FOLDER = "results"  # beside the page

_HEAD = """# Results: what the runs say

> Written by `hypav results` from {runs}, sentences included: no number or verdict here is written by hand."""


def results_page(
    store: Store,
    *,
    found: Sequence[Subject] | None = None,
    runs: str | None = None,
    figures: bool = True,
) -> str:
    """The page as Markdown.

    Args:
        found: the store's `subjects`, where they are known already.
        runs: where, seen from the page, the runs lie as CSV.
        figures: whether it shows the pictures that `save_results` puts beside it.

    Raises:
        RunError: a record that no run gave, or no run at all.
    """
    found = subjects(store) if found is None else found
    every = [effect for subject in found for effect in subject.effects]
    ablations = [effect for subject in found for effect in subject.ablations]
    curved = [effect for subject in found for effect in subject.curvatures.values() if effect is not None]
    short = "\n".join(f"- {line}" for line in in_short(every, ablations, curved))
    head = _HEAD.format(runs=f"[these runs]({runs})" if runs else "a run store")
    parts = [head, f"## In short\n\n{short}", _what_ran(found), "## The answer"]
    parts += [part for subject in found for part in _answer(subject, figures)]
    parts += [_scope(found), "## The tables", _LEGEND]
    for subject in found:
        parts.append(f"### {subject.data.marked}")
        parts += [table_section(store, table, subject.cases) for table in TABLES if subject.cases]
    parts += [_tuning(store, found), _machine(found), _repeat(found)]
    return "\n\n".join(part for part in parts if part) + "\n"


_LEGEND = """First each table at a glance: HM (Table 7: delta_rel) as the mean over seeds, in brackets its difference to
AVCA, with a star where Student's 95 % interval of the paired differences excludes 0 (one in twenty does so by chance),
and with n where there are fewer seeds than of AVCA, so that the mean is one over other seeds.
Folded below: every metric with its interval, the difference with a bootstrap interval, and how many seeds it would take
to tell it. Tables 1 and 2 show the same runs of ours: they have the same rows on two kinds of features, and a set has
one."""


def _what_ran(found: Sequence[Subject]) -> str:
    header = ["features", "recipe", "runs", "seeds", "presets and weights"]
    rows = [
        [
            subject.data.marked,
            subject.recipe.name,
            str(len(subject.runs)),
            str(len({record.seed for record in subject.runs})),
            "; ".join(case.name for case in subject.cases) or "none complete",
        ]
        for subject in found
    ]
    lines = ["## What ran", markdown_table(header, rows)]
    lines += [
        f"Recipe {s.recipe.name}: {s.recipe.source}." for s in {s.recipe.name: s for s in found}.values()
    ]
    if any(subject.data.name == YT8M_NAME for subject in found):
        lines.append(
            f"{YT8M_NAME} is made of real YouTube-8M features (Abu-El-Haija et al. 2016, CC BY 4.0)."
        )
    return "\n\n".join(lines)


_QUESTIONS = {
    "paper": "**Does curvature matter in the loss as printed (`paper`)?** In exact arithmetic it cannot: the cosine of "
    "Eq. 4 takes out what Eqs. 1 and 3 put in, so that these runs differ by rounding alone.",
    "curved": "**Does it matter where the loss depends on it (`curved`)?**",
}


def _answer(subject: Subject, figures: bool) -> list[str]:
    name = subject.data.marked
    own = tally(subject.effects)
    rest = tally(subject.ablations)
    paper_set = "{} ({})".format(*reported("table1", subject.data.key).key)
    parts = [
        f"### On {name}",
        "**Does alignment help over AVCA?** " + " ".join(alignment_sentences(own)),
        _effects_table(subject.effects),
        _picture(
            figures and bool(subject.effects),
            f"differences-{subject.slug}.png",
            f"HM minus AVCA's on {name}, a row a module and case",
        ),
        "**Does any of the ablations (Tables 3 to 6)?** " + " ".join(alignment_sentences(rest, ABLATIONS)),
    ]
    for preset, question in _QUESTIONS.items():
        told = [
            f"- {' '.join(curvature_sentences(subject.curvatures[case.name], case.name))}"
            for case in subject.cases
            if case.preset == preset
        ]
        parts.append(question + "\n\n" + ("\n".join(told) or "Not run."))
    parts += [
        _picture(
            figures and any(subject.curvatures.values()),
            f"spreads-{subject.slug}.png",
            f"Spread of HM over curvatures and over seeds on {name}",
        ),
        "**What could be seen?** "
        + " ".join(power_sentences(own, enough_for_the_paper(subject.effects), paper_set)),
    ]
    return parts


def _scope(found: Sequence[Subject]) -> str:
    """What the numbers cannot say, for the sets and recipes that ran."""
    lines = ["## How far this goes"]
    for recipe in {s.recipe.name: s.recipe for s in found}.values():
        own, released = recipe.train, RECIPES["ucf-main"].train
        if own.epochs * own.batches < released.epochs * released.batches:
            lines.append(
                f"- Recipe {recipe.name} trains {own.epochs} epochs of {own.batches} batches of {own.batch_size} at "
                f"most; the released scripts {released.epochs} of {released.batches} of {released.batch_size}. What ours "
                "reach is not what theirs could."
            )
    for subject in found:
        if subject.data.simulated:
            lines.append(
                f"- {subject.data.marked}: drawn from a seed. What holds there need not hold on real features."
            )
    lines.append(
        "- Where a column says the paper's set and the runs are on another, the two stand side by side for orientation "
        "and cannot be compared. What does carry over is the function that the loss is: as printed it does not contain "
        "its curvature, on any data and with any schedule."
    )
    return "\n".join([lines[0], "", *lines[1:]])


def _effects_table(found: Sequence[Effect]) -> str:
    header = ["preset, weight", "module", "HM - AVCA", "95 % interval (Student)", "p", "n"]
    rows = []
    for effect in found:
        interval = t_interval(effect.difference.values)
        assert interval.low is not None
        assert interval.high is not None
        spread = f"{points(interval.low)} to {points(interval.high)}"
        told = [effect.case.name, effect.row, points(interval.mean), spread]
        rows.append([*told, chance_text(effect.p), str(interval.n)])
    return markdown_table(header, rows) if rows else ""


def _picture(shown: bool, name: str, alt: str) -> str:
    return f"![{alt}]({FIGURE_FOLDER}/{name})" if shown else ""


def _tuning(store: Store, found: Sequence[Subject]) -> str:
    lines = [
        "## The weight that validation chose",
        "Hyper-alignment with six weights and three seeds; the weight with the best mean validation HM is the tuned one. "
        "No test sample chose anything.",
    ]
    rows = []
    for subject in found:
        for preset in PRESETS:
            chosen = chosen_weight(store, subject.data.digest, subject.data.key, preset, subject.recipe)
            if chosen is not None and len(chosen.val_HM) > 1:
                tried = ", ".join(f"{w:g}: {100 * HM:.1f}" for w, HM in sorted(chosen.val_HM.items()))
                rows.append([subject.data.marked, preset, tried, f"{chosen.weight:g}"])
    lines.append(
        markdown_table(["features", "preset", "weight: validation HM", "chosen"], rows)
        if rows
        else "Not run."
    )
    return "\n\n".join(lines)


def _machine(found: Sequence[Subject]) -> str:
    runs = [record for subject in found for record in subject.runs]
    seconds = sorted(record.seconds for record in runs)
    memory = [record.memory_mb for record in runs if record.memory_mb is not None]

    def all_of(name: str) -> str:
        return ", ".join(sorted({str(getattr(record, name)) for record in runs}))

    days = sorted(record.created[:10] for record in runs)
    lines = [
        "## Machine, time, versions",
        f"- {len(runs)} runs, {sum(seconds) / 3600:.1f} h in all, each on {all_of('threads')} thread(s) of "
        f"{all_of('cpu')} ({all_of('device')}); median {seconds[len(seconds) // 2]:.1f} s a run, longest "
        f"{seconds[-1]:.1f} s.",
        f"- Greatest resident memory of a process: {max(memory):.0f} MB."
        if memory
        else "- Memory was not recorded.",
        f"- hypav {all_of('hypav')} (program {all_of('code')}), torch {all_of('torch')}, numpy {all_of('numpy')}, Python "
        f"{all_of('python')}; run from {days[0]} to {days[-1]}.",
    ]
    return "\n".join([lines[0], "", *lines[1:]])


_DOORS = {YT8M_NAME: "yt8m-mini"}  # name of a set -> the door it is behind


def _repeat(found: Sequence[Subject]) -> str:
    lines = ["## Repeat it", "", "```"]
    for subject in found:
        weights = sorted({case.weight for case in subject.cases if not case.tuned})
        told = ",".join(
            [*(f"{w:g}" for w in weights), *(["tuned"] if any(c.tuned for c in subject.cases) else [])]
        )
        presets = ",".join(dict.fromkeys(case.preset for case in subject.cases))
        door = "simulated" if subject.data.simulated else _DOORS.get(subject.data.name, subject.data.name)
        scale = subject.runs[0].scale_name
        seeds = len({record.seed for record in subject.runs})
        lines.append(
            f"hypav reproduce all --data {door} --seeds {seeds} --scale {scale} --presets {presets} --weights {told}"
        )
    lines += ["hypav results --store runs/store.sqlite --to notebooks/RESULTS.md", "```"]
    return "\n".join(lines)


def save_results(store: Store, path: Path, *, export: Path | None = None) -> list[Path]:
    """Writes the page and, in the folder `results` beside it, its pictures; returns all paths.

    Args:
        export: where the runs go as CSV; the page then links them.

    Raises:
        RunError: as `results_page`, or a file cannot be written.
    """
    runs = None if export is None else Path(os.path.relpath(export, path.parent)).as_posix()
    found = subjects(store)
    text = results_page(store, found=found, runs=runs)
    folder = path.parent / FIGURE_FOLDER
    make_folder(folder)
    written = [path]
    if export is not None:
        make_folder(export.parent)
        store.export_csv(export)
        written.append(export)
    for subject in found:
        differences = {f"{e.case.name}, {e.row}": e.difference.values for e in subject.effects}
        spread = {
            n: (e.spreads.settings, e.spreads.seeds) for n, e in subject.curvatures.items() if e is not None
        }
        for name, figure in (
            ("differences", plot_differences(differences, data=subject.data.marked) if differences else None),
            ("spreads", plot_spreads(spread, data=subject.data.marked) if spread else None),
        ):
            if figure is not None:
                written.append(folder / f"{name}-{subject.slug}.png")
                save_figure(figure[0], written[-1], small=True)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return written
