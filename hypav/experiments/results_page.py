"""The results page: what the grid gave, from the store alone. Every number is verified as it is written."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from hypav.data.features import FeatureSet
from hypav.experiments.answers import Effect, enough_for_the_paper, tally, tuned_choice
from hypav.experiments.curvature_effects import beyond_rounding
from hypav.experiments.measures import NUMERICS_VERSION
from hypav.experiments.paper import main_table, reported
from hypav.experiments.recipes import RECIPES
from hypav.experiments.results_delta import delta_sentences
from hypav.experiments.results_figures import draw_figures, figures_section, shown_figures
from hypav.experiments.results_processors import processors_section
from hypav.experiments.results_runs import machine, repeat, what_ran
from hypav.experiments.results_short import in_short, rounding_pairs
from hypav.experiments.results_tables import table_section
from hypav.experiments.results_text import (
    ABLATIONS,
    alignment_sentences,
    chance_text,
    curvature_sentences,
    points,
    power_sentences,
    rounding_sentence,
)
from hypav.experiments.store import Store
from hypav.experiments.subjects import PRESETS, Subject, subjects
from hypav.experiments.suite import TABLES
from hypav.experiments.tables import markdown_table
from hypav.experiments.tuning import TUNING_SEEDS, WEIGHTS
from hypav.figures.does_curvature_matter import plot_differences
from hypav.figures.style import save_figure
from hypav.figures.tables import plot_spreads
from hypav.stats import t_interval
from hypav.utils import make_folder, replacing

__all__ = ["FIGURE_FOLDER", "processor_runs", "results_page", "save_results"]

FIGURE_FOLDER = "results"  # beside the page

_HEAD = """# Results: what the runs say

> Written by `hypav results` from {runs}, sentences included: no number or verdict of ours is written by hand."""


def results_page(
    store: Store,
    *,
    found: Sequence[Subject] | None = None,
    runs: str | None = None,
    figures: bool = True,
    drawn: Mapping[str, str] | None = None,
    program: str | None = None,
    processors: Mapping[str, Store] | None = None,
) -> str:
    """The page as Markdown.

    Args:
        found: the store's `subjects`, where they are known already.
        runs: where, seen from the page, the runs lie as CSV.
        figures: whether it shows the pictures that `save_results` puts beside it.
        drawn: Figures 3 and 4 that lie beside it, as `shown_figures`.
        program: the version that the runs are compared with; None is this program's.
        processors: as `processors_section`.

    Raises:
        RunError: a record that no run gave, or no run at all.
    """
    found = subjects(store) if found is None else found
    program = NUMERICS_VERSION if program is None else program
    short = "\n".join(f"- {line}" for line in in_short(found, program))
    head = _HEAD.format(runs=f"[these runs]({runs})" if runs else "a run store")
    parts = [head, f"## In short\n\n{_STANDS}\n\n{short}", what_ran(found), "## The answer", _RULES]
    parts += [part for subject in found for part in _answer(subject, figures)]
    parts += [figures_section(found, drawn or {}, FIGURE_FOLDER), _scope(found), "## The tables", _LEGEND]
    for subject in found:
        parts.append(f"### {subject.data.marked}")
        parts += [table_section(store, table, subject) for table in TABLES if subject.cases]
    parts += [_tuning(store, found), machine(found, program)]
    parts += [processors_section(processors or {}, FIGURE_FOLDER), repeat(found, runs, figures=bool(drawn))]
    return "\n\n".join(part for part in parts if part) + "\n"


def processor_runs(folder: Path) -> dict[str, Store]:
    """The stores `processor-*.csv` of a folder: the same runs, each file as on another processor."""
    return {path.name: Store.from_csv(path) for path in sorted(folder.glob("processor-*.csv"))}


_STANDS = """HM is the harmonic mean of S and U, the mean recall in per cent of test classes that were seen in training
and of those that were not. k is the curvature: k < 0 hyperbolic, 0 flat, k > 0 spherical. `paper` is the alignment loss
as printed, `curved` one that contains its curvature (distances inside the ball); the weight stands before it, tuned
where validation chose it. A layout is Table 3's curvatures by seeds. A difference stands if it is left after Holm's
correction for how many were looked at; what would have stood is seen four times in five."""

_RULES = """Differences are paired by seed: runs of one seed share first weights and batches. Holm's correction runs over
a family: the comparisons of one question on one set, or all layouts of curvatures by seeds under one preset (`paper`
and `curved` apart)."""

_LEGEND = """First each table at a glance: HM (Table 7: delta_rel) as the mean over seeds, in brackets its difference to
AVCA, with a star where Student's 95 % interval of the paired differences excludes 0 (one in twenty does so by chance).
Where the rows of a column have not all the same number of seeds, n stands in each: their means are over other seeds and
cannot be compared with each other. Folded below: every metric with its interval, the difference with a bootstrap
interval (at ten seeds about a fifth narrower than Student's, so that it may leave out 0 where there is no star), and how
many seeds it would take to tell a difference of that size: a rough number, for it rests on the same few seeds."""


_QUESTIONS = {
    "paper": "**Does curvature matter in the loss as printed (`paper`)?** In exact arithmetic it cannot: the cosine of "
    "Eq. 4 takes out what Eqs. 1 and 3 put in, so that these runs differ by rounding alone.",
    "curved": "**Does it matter where the loss depends on it (`curved`)?** That a curvature moves HM less than a seed "
    "does cannot tell `curved` from `paper`: the runs of one seed share first weights and batches under either. What can "
    "is whether the means differ (F). How far a curvature moves single runs, up or down, stands beside how far it moves "
    "those of `paper`, where it is rounding alone; there the term is also smaller.",
}


def _answer(subject: Subject, figures: bool) -> list[str]:
    name = subject.data.marked
    own = tally(subject.effects)
    rest = tally(subject.ablations)
    paper_set = "{} ({})".format(*reported(main_table(subject.data.key), subject.data.key).key)
    rounding = {
        effect.case.name: rounding_sentence(
            None if paper is None else beyond_rounding(effect, paper),
            effect.case.weight,
            swallowed=paper is not None and paper.swallowed,
        )
        for effect, paper in rounding_pairs(subject)
    }
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
        told = []
        for case in subject.cases:
            if case.preset == preset:
                sentences = curvature_sentences(subject.curvatures[case.name], case.name)
                told.append(f"- {' '.join([*sentences, rounding.get(case.name, '')]).rstrip()}")
        parts.append(question + "\n\n" + ("\n".join(told) or "Not run."))
    sevens = {case.name: subject.views[case.name, "table7"] for case in subject.cases}
    parts += [
        _picture(
            figures and any(subject.curvatures.values()),
            f"spreads-{subject.slug}.png",
            f"Spread of HM over curvatures and over seeds on {name}",
        ),
        "**Does alignment lower delta_rel of theta_v (Table 7)?** "
        + " ".join(delta_sentences(subject.deltas, sevens, subject.data.key)),
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
    header = ["preset, weight", "module", "HM - AVCA", "95 % interval (Student)", "p, uncorrected", "n"]
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
        f"Hyper-alignment with {len(WEIGHTS)} weights, or those of them that ran to the end, and {len(TUNING_SEEDS)} "
        "seeds; the weight with the best mean validation HM is the tuned one. No test sample chose anything.",
    ]
    rows = []
    for subject in found:
        for preset in PRESETS:
            asked = [case.weight for case in subject.cases if case.preset == preset]
            chosen = tuned_choice(store, subject.data, subject.recipe, preset, asked)
            if chosen is not None:
                tried = ", ".join(f"{w:g}: {100 * HM:.1f}" for w, HM in sorted(chosen.val_HM.items()))
                rows.append([subject.data.marked, preset, tried, f"{chosen.weight:g}"])
    lines.append(
        markdown_table(["features", "preset", "weight: validation HM", "chosen"], rows)
        if rows
        else "Not run."
    )
    return "\n\n".join(lines)


def save_results(
    store: Store,
    path: Path,
    *,
    export: Path | None = None,
    draw: Sequence[FeatureSet] = (),
    root: Path | None = None,
) -> list[Path]:
    """Writes the page and, in the folder `results` beside it, its pictures; returns all paths.

    Args:
        export: where the runs go as CSV; the page then links them.
        draw: features on which Figures 3 and 4 are drawn, from the networks below `root`. Pictures that lie there already
            and whose runs the store holds are shown again.

    Raises:
        RunError: as `results_page`, or a file cannot be written.
    """
    runs = None if export is None else Path(os.path.relpath(export, path.parent)).as_posix()
    found = subjects(store)
    folder = path.parent / FIGURE_FOLDER
    make_folder(folder)
    written = [path]
    if root is not None:
        written += draw_figures(store, root, found, draw, folder)
    text = results_page(
        store, found=found, runs=runs, drawn=shown_figures(folder, found), processors=processor_runs(folder)
    )
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
