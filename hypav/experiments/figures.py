"""Figures 3 and 4 of the paper from trained networks: t-SNEs of theta_v with the class words as stars.

Figure 3 shows six seen classes from three super-classes. Figure 4 shows three unseen classes from different super-classes
above three from the same super-class. On UCF-GZSL, Figure 3 shows the paper's six classes; the paper does not name those
of Figure 4. Otherwise the classes with the most samples are shown, grouped by the set's super-groups.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from pandas import DataFrame
from torch import Tensor

from hypav.data.features import FeatureSet, Phase
from hypav.embeddings import pick, separation, tsne
from hypav.errors import DataError, RunError, SettingError
from hypav.experiments.configs import FIGURES, Recipe, config_for, recipe_for, table_rows
from hypav.experiments.paper import paper_tables
from hypav.experiments.runs import load_run, run_path
from hypav.experiments.tables import csv_text
from hypav.figures.seeing_embeddings import TsnePanel, plot_super_classes
from hypav.figures.style import DescribedFigure
from hypav.training import Network, embed_phase
from hypav.utils import make_folder, pick_device, replacing, slug

MOST = 60  # samples per class
PERPLEXITY = 30.0  # for fewer points it is a third of their number


class ClassPick(NamedTuple):
    """The classes of one row of panels. about: what they have in common; colours: the name that sets a class's colour."""

    about: str
    classes: tuple[int, ...]
    colours: Mapping[int, str]


def draw(
    name: str,
    folder: Path | str,
    data: FeatureSet,
    *,
    preset: str = "printed",
    weight: float | None = None,
    pull: float | None = None,
    out: Path | str,
    recipe: str | Recipe | None = None,
    seed: int = 0,
    device: str = "auto",
) -> tuple[Path, Path]:
    """Draw "figure3" or "figure4" from networks that `reproduce` saved in `folder`.

    Args:
        preset, weight, pull, recipe, seed, device: those of the runs; AVCA's run is the same for every preset and weight.
            The default weight is 1.
        out: folder for the files.

    Returns:
        The paths of an SVG with its alt text and of a CSV with the drawn points. Their names end in the key of the run of
        Hyper-multiple, so figures of other data, losses, recipes or seeds have other names.

    Raises:
        SettingError: there is no such figure.
        RunError: a network was not saved or is damaged, or a file cannot be written.
        DataError: the set has no super-groups or too few classes.
    """
    if name not in FIGURES:
        raise SettingError(f"There is no {name!r}; choose {' or '.join(FIGURES)}.")
    chosen, kind = recipe_for(data, recipe), pick_device(device).type
    weight = 1.0 if weight is None and pull is None else weight
    loss = f"weight {weight:g}" if pull is None else f"pull {pull:g}"
    networks, key = {}, ""
    for row in table_rows(name, data.reference_key, preset, weight, pull):
        config = config_for(data, chosen, row.method, row.alignment, seed)
        path = run_path(folder, data, config, kind)
        key = path.stem.rpartition("-")[2]  # the last network's: of data, loss, recipe, seed and device
        try:
            networks[row.method] = load_run(path)[0].model
        except RunError as error:
            raise RunError(
                f"{error} For this figure run hypav reproduce {name} with these settings."
            ) from error
    figure, rows = drawing(int(name[-1]), data, networks, f"{preset}, {loss}, seed {seed}")
    stem = make_folder(out) / f"{name}-{slug(data.name)}-{preset}-{loss.split()[1]}-{key}"
    picture, points = stem.with_name(f"{stem.name}.svg"), stem.with_name(f"{stem.name}.csv")
    buffer = io.BytesIO()
    # no date, so that equal figures are equal files
    about = {"Date": None, "Creator": None, "Description": figure.alt_text}
    figure.savefig(buffer, format="svg", metadata=about)
    with replacing(picture) as temporary:
        temporary.write_bytes(buffer.getvalue())
    with replacing(points) as temporary:
        temporary.write_text(
            csv_text(rows, digits=4), encoding="utf-8", errors="backslashreplace", newline=""
        )
    return picture, points


def drawing(
    number: int, data: FeatureSet, networks: Mapping[str, Network], about: str
) -> tuple[DescribedFigure, DataFrame]:
    """Figure 3 or 4, with one column per network: t-SNEs of theta_v and theta_w of the same test samples.

    A t-SNE keeps neither distances nor sizes. So the text below each map gives the distance between class means in
    theta_v itself, divided by the spread within classes (`embeddings.separation`).

    Args:
        networks: by name, which is the title of the column.
        about: a text on the networks for the title, e.g. their preset.

    Returns:
        The figure, and a table with one row per drawn point: panel, method, kind, class, super_group, x, y.

    Raises:
        DataError: the set has no super-groups or too few classes.
        SettingError: there is no such figure.
    """
    data = with_super_groups(data)
    phase = data.phase("test")
    picks = figure_classes(number, data, phase)
    panels, rows = [], []
    for chosen in picks:
        index = pick(phase.label, chosen.classes, MOST)
        label = phase.label[index]
        some = replace(phase, audio=phase.audio[index], video=phase.video[index], label=label)
        for method, model in networks.items():
            _, theta_v, theta_w = (theta.cpu() for theta in embed_phase(model, some))
            theta_w = theta_w[torch.searchsorted(phase.classes, torch.tensor(chosen.classes))]
            both = torch.cat([theta_v, theta_w])
            flat = tsne(both, perplexity=min(PERPLEXITY, max(1.0, (len(both) - 1) / 3)))
            points, stars = flat[: len(label)], flat[len(label) :]
            title = method if len(picks) == 1 else f"{method}\n{chosen.about}"
            names, star_names = ([chosen.colours[c] for c in ids] for ids in (label.tolist(), chosen.classes))
            panels.append(TsnePanel(title, points, names, stars, star_names, _measured(theta_v, label, data)))
            for kind, ids, places in (
                ("video", label.tolist(), points),
                ("class name", chosen.classes, stars),
            ):
                for c, (x, y) in zip(ids, places.tolist(), strict=True):
                    rows.append((chosen.about, method, kind, data.class_names[c], data.super_groups[c], x, y))
    simulated = " (SIMULATED)" if data.simulated and "SIMULATED" not in data.name else ""
    title = f"{data.name}{simulated}, {'seen' if number == 3 else 'unseen'} classes, test"
    figure, _ = plot_super_classes(
        panels,
        columns=len(networks),
        question=f"Figure {number}: are super-classes apart?",
        data=f"{title}; {about}",
    )
    return figure, DataFrame(rows, columns=["panel", "method", "kind", "class", "super_group", "x", "y"])


def _measured(theta_v: Tensor, label: Tensor, data: FeatureSet) -> str:
    apart = separation(theta_v, label)
    groups = [data.super_groups[c] for c in label.unique().tolist()]
    same = torch.tensor([[a == b for a in groups] for b in groups])
    other = ~torch.eye(len(groups), dtype=torch.bool)
    parts = (("different super-classes", ~same), ("the same", same & other))
    shown = [f"{name} {float(apart[mask].mean()):.2f}" for name, mask in parts if bool(mask.any())]
    return f"class means apart in θ_v, in spreads:\n{', '.join(shown)}"


def with_super_groups(data: FeatureSet) -> FeatureSet:
    """The set with its super-groups, or else with those that the paper gives to the six classes of its Figure 3.

    The paper does not assign Archery; of its three super-classes Sports fits.

    Raises:
        DataError: the set has no super-groups and not these six classes.
    """
    if data.super_groups:
        return data
    named = _paper_classes()
    if set(named) <= set(data.class_names):
        return replace(data, super_groups=tuple(named.get(name, "") for name in data.class_names))
    raise DataError(
        f"{data.name} names no super-groups, which Figures 3 and 4 compare; give each class a super-group "
        "by super_groups in your arrays, or by a column super_category in the folder's class-split file."
    )


def _paper_classes() -> dict[str, str]:
    groups = paper_tables()["settings"]["superclasses in Figure 3"]
    return {"Archery": "Sports"} | {
        name: group for group, names in groups.items() if group != "note" for name in names
    }


def figure_classes(number: int, data: FeatureSet, phase: Phase) -> tuple[ClassPick, ...]:
    """The classes of Figure 3 (one row of panels) or Figure 4 (two rows), for one phase of a set with super-groups.

    Raises:
        DataError: the set has too few classes or super-groups for the figure.
        SettingError: number is neither 3 nor 4.
    """
    if number not in (3, 4):
        raise SettingError(f"The paper's t-SNEs are Figures 3 and 4, not {number}.")
    count = phase.label.bincount(minlength=len(data.class_names)).tolist()
    eligible = (phase.unseen if number == 4 else phase.seen).tolist()
    ranked = sorted((c for c in eligible if data.super_groups[c]), key=lambda c: (-count[c], c))
    groups: dict[str, list[int]] = {}
    for c in ranked:
        groups.setdefault(data.super_groups[c], []).append(c)
    if number == 3:
        named = _paper_classes()
        papers = [data.class_names.index(name) for name in named if name in data.class_names]
        if len(papers) == len(named) and set(papers) <= set(ranked):
            return (_pick("seen classes", papers, data, of_groups=True),)
        large = sorted(groups.values(), key=lambda group: -sum(count[c] for c in group[:2]))
        pairs = [group[:2] for group in large if len(group) > 1][:3]
        if len(pairs) < 2:
            raise DataError(
                f"{data.name}: Figure 3 needs two super-groups with two seen {phase.name} classes each."
            )
        return (_pick("seen classes", [c for pair in pairs for c in pair], data, of_groups=True),)
    several = max(groups.values(), key=len, default=[])
    if len(groups) < 2 or len(several) < 2:
        raise DataError(
            f"{data.name}: Figure 4 needs two unseen {phase.name} classes of one super-group, and one of another."
        )
    firsts = [group[0] for group in groups.values()][:3]
    return (
        _pick("different super-classes", firsts, data, of_groups=False),
        _pick("the same super-class", several[:3], data, of_groups=False),
    )


def _pick(about: str, classes: Sequence[int], data: FeatureSet, *, of_groups: bool) -> ClassPick:
    names = {
        c: data.super_groups[c] if of_groups else f"{data.class_names[c]} ({data.super_groups[c]})"
        for c in classes
    }
    return ClassPick(about, tuple(classes), names)
