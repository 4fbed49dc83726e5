"""Figures 3 and 4 on the results page: drawn from the kept networks, known again by the runs that their files name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from hypav.data.features import FeatureSet
from hypav.errors import RunError
from hypav.experiments.answers import Case
from hypav.experiments.figures import drawing, kept_runs, networks_of
from hypav.experiments.store import Store
from hypav.experiments.subjects import Subject
from hypav.figures.style import save_figure

__all__ = ["FIGURES", "SEED", "draw_figures", "figures_section", "shown_figures"]

FIGURES = (3, 4)
SEED = 0  # of the networks that the grid keeps
RUNS = "Runs"  # the text of a picture's file that names the keys of its runs


def draw_figures(
    store: Store, root: Path, found: Sequence[Subject], data: Sequence[FeatureSet], folder: Path
) -> list[Path]:
    """Draws both figures for every case of the subjects whose features are given; returns the files in `folder`.

    A case whose networks are not there is passed over, and the page names it.

    Args:
        root: below it lie the networks that the store's records name.

    Raises:
        RunError: no run is on features that are given, or there no case has its networks. DataError: features without
            super-groups.
    """
    for one in data:
        if one.digest not in {subject.data.digest for subject in found}:
            raise RunError(f"{store.path} holds no run on {one.name}, so that no figure can be drawn there.")
    written: list[Path] = []
    for subject in found:
        own = next((one for one in data if one.digest == subject.data.digest), None)
        if own is None:
            continue
        before, lacking = len(written), None
        for case in subject.cases:
            for number in FIGURES:
                try:
                    runs = kept_runs(
                        number, store, own,
                        root=root, preset=case.preset, weight=case.weight, recipe=subject.recipe, seed=SEED,
                    )  # fmt: skip
                except RunError as error:
                    lacking = error
                    continue
                networks = networks_of([root / str(run.folder) for run in runs.values()])
                path = folder / _file(number, subject, case)
                texts = {RUNS: " ".join(run.key for run in runs.values())}
                drawn = drawing(number, own, networks, about=f"{case.name}, seed {SEED}")
                save_figure(drawn.figure, path, small=True, texts=texts)
                written.append(path)
        if lacking is not None and len(written) == before:
            raise lacking
    return written


def shown_figures(folder: Path, found: Sequence[Subject]) -> dict[str, str]:
    """The pictures in the folder whose runs are among the subjects': alt text by file name."""
    shown = {}
    for subject in found:
        keys = {run.key for run in subject.runs}
        for case in subject.cases:
            for number in FIGURES:
                path = folder / _file(number, subject, case)
                texts = _texts(path)
                named = texts.get(RUNS, "").split()
                if named and keys.issuperset(named):
                    shown[path.name] = texts.get("Description", "")
    return shown


def figures_section(found: Sequence[Subject], shown: Mapping[str, str], folder: str) -> str:
    """The section of the page; where there is no picture, how to make them.

    Args:
        shown: `shown_figures`; folder: where they lie, seen from the page.
    """
    parts = ["## Figures 3 and 4"]
    if not shown:
        return "\n\n".join([*parts, _NOT_DRAWN])
    parts.append(_DRAWN.format(seed=SEED))
    for subject in found:
        cases = [case for case in subject.cases if _file(3, subject, case) in shown]
        if cases:
            parts.append(f"### Pictures of {subject.data.marked}")
        without = [case.name for case in subject.cases if case not in cases]
        if cases and without:
            parts.append(f"No picture, for want of kept networks: {'; '.join(without)}.")
        for case in cases:
            pictures = [
                f"![{shown[name]}]({folder}/{name})"
                for name in (_file(number, subject, case) for number in FIGURES)
                if name in shown
            ]
            parts += [f"<details><summary>{case.name}</summary>", *pictures, "</details>"]
    return "\n\n".join(parts)


_NOT_DRAWN = """Not drawn here: a t-SNE needs trained networks, and none lay beside the store. `hypav reproduce figure3
figure4 --data simulated` trains the two, AVCA and Hyper-multiple, and keeps them; `hypav results --figures simulated`
then draws them, and `hypav figure 3` one alone, with how far super-classes lie apart in the embedding itself below each
map."""

_DRAWN = """AVCA beside Hyper-multiple, of seed {seed} alone: they show what theta_v looks like, and one seed proves
nothing about a method. Below each map stands how far the means of two classes lie apart in theta_v itself, divided by
the spread within classes; a t-SNE's own gaps and sizes mean nothing."""


def _file(number: int, subject: Subject, case: Case) -> str:
    return f"figure{number}-{subject.slug}-{case.preset}-{case.weight:g}.png"


def _texts(path: Path) -> dict[str, str]:
    """The texts of a PNG; none where it is missing or none."""
    try:
        with Image.open(path) as image:
            return {str(key): text for key, text in image.info.items() if isinstance(text, str)}
    except OSError:
        return {}
