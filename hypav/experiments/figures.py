"""Figures 3 and 4 of the paper from trained networks: which classes they show, their t-SNEs, and files of both.

Figure 3 shows theta_v of six seen classes of three super-classes, Figure 4 of three unseen classes of different
super-classes above three of the same one. On UCF-GZSL Figure 3 takes the paper's own six; those of Figure 4 it does not
name. On other sets the classes with most samples are taken, of the set's own super-groups.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib
import torch
from torch import Tensor

from hypav.avca import AVCA
from hypav.data.features import FeatureSet, Phase
from hypav.embeddings import pick, separation, tsne
from hypav.errors import DataError, RunError, SettingError
from hypav.experiments.paper import paper_tables
from hypav.experiments.recipes import Recipe
from hypav.experiments.records import Record
from hypav.experiments.reports import require_dimensions
from hypav.experiments.runs import is_kept, load_model
from hypav.experiments.sets import SetId
from hypav.experiments.store import Store
from hypav.experiments.suite import entries
from hypav.figures.seeing_embeddings import TsnePanel, plot_super_classes
from hypav.figures.style import DescribedFigure, use_style
from hypav.training import embed_phase
from hypav.utils import make_folder, replacing

__all__ = [
    "ClassPick",
    "Drawing",
    "drawing",
    "figure_classes",
    "kept_runs",
    "networks_of",
    "save_drawing",
    "with_super_groups",
]


@dataclass(frozen=True)
class ClassPick:
    """Classes of one row of panels. about: what they have in common, for the title; colours: the name of each class."""

    about: str
    classes: tuple[int, ...]
    colours: Mapping[int, str]


@dataclass(frozen=True)
class Drawing:
    """A figure and a row for each drawn point: panel, method, kind, class, super_group, x, y."""

    figure: DescribedFigure
    rows: tuple[tuple[str, str, str, str, str, float, float], ...]


def with_super_groups(data: FeatureSet) -> FeatureSet:
    """The set with super-groups: its own, or where it names none those that the paper's Figure 3 gives six classes.

    The other classes then bear no name. The paper's text does not place Archery; of its three super-classes it is Sports.

    Raises:
        DataError: there are none.
    """
    if data.super_groups:
        return data
    named = _paper_classes()
    if set(named) <= set(data.class_names):
        return replace(data, super_groups=tuple(named.get(name, "") for name in data.class_names))
    raise DataError(
        f"{data.name} names no super-groups, which Figures 3 and 4 compare: give each class one (super_groups of "
        "your arrays, or a column super_category of the official folder's class-split file)."
    )


def _paper_classes() -> dict[str, str]:
    groups = paper_tables()["settings"]["superclasses in Figure 3"]
    return {"Archery": "Sports"} | {
        name: group for group, names in groups.items() if group != "note" for name in names
    }


def figure_classes(number: int, data: FeatureSet, phase: Phase) -> tuple[ClassPick, ...]:
    """The classes of Figure 3 (one row) or 4 (two rows) on a set with super-groups, of one of its phases.

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
        own = [data.class_names.index(name) for name in named if name in data.class_names]
        if len(own) == len(named) and set(own) <= set(ranked):
            return (_pick("seen classes", own, data, of_groups=True),)
        large = sorted(groups.values(), key=lambda group: -sum(count[c] for c in group[:2]))
        pairs = [group[:2] for group in large if len(group) > 1][:3]
        if len(pairs) < 2:
            raise DataError(
                f"{data.name}: Figure 3 needs two super-groups of two seen {phase.name} classes each."
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


def kept_runs(
    number: int,
    store: Store,
    data: FeatureSet,
    *,
    root: Path,
    preset: str,
    weight: float,
    recipe: Recipe,
    seed: int,
) -> dict[str, Record]:
    """The runs of a figure whose networks `hypav reproduce` kept below `root`, by method: root / folder.

    Raises:
        RunError: a network was not kept, or its folder is gone or damaged.
    """
    found = {}
    for entry in entries(f"figure{number}", data.reference_key, preset, weight):
        record = store.find(data.digest, recipe, entry.alignment).get(seed)
        again = f"run hypav reproduce figure{number} with these settings"
        if record is None or record.folder is None:
            raise RunError(
                f"The store keeps no network of {entry.method} on {data.name} (preset {preset}, weight {weight:g}, seed "
                f"{seed}, recipe {recipe.name}): {again} first."
            )
        if not is_kept(root / record.folder):
            raise RunError(
                f"The network of {entry.method} on {data.name} was kept in {root / record.folder}, which is gone or not "
                f"whole: {again} once more, which trains it anew."
            )
        found[entry.method] = record
    return found


def networks_of(folders: Sequence[Path]) -> dict[str, AVCA]:
    """The networks in folders of finished runs, by method; by folder too where two are of one method.

    Raises:
        RunError: a run is not finished or damaged.
    """
    loaded = [(folder, *load_model(folder)[::2]) for folder in folders]
    methods = [record["method"] for _, _, record in loaded]
    return {
        record["method"] if methods.count(record["method"]) == 1 else f"{record['method']}\n{folder}": model
        for folder, model, record in loaded
    }


def drawing(
    number: int,
    data: FeatureSet,
    networks: Mapping[str, AVCA],
    *,
    phase_name: str = "test",
    most: int = 60,
    perplexity: float = 30.0,
    about: str = "",
) -> Drawing:
    """Figure 3 or 4: a column a network, a t-SNE of theta_v and theta_w of the same samples in each.

    Below each stands how far the means of two classes lie apart in theta_v itself, in spreads (`embeddings.separation`).

    Args:
        phase_name: which samples.
        most: samples a class at most.
        perplexity: at most a third of the points is taken.
        about: what the title should say of the networks, e.g. their preset.

    Raises:
        DataError: the set has no super-groups or too few classes.
        SettingError: a network takes other dimensions than the set has, or a setting makes no sense.
    """
    data = with_super_groups(data)
    phase = data.phase(phase_name)
    picks = figure_classes(number, data, phase)
    panels: list[TsnePanel] = []
    rows: list[tuple[str, str, str, str, str, float, float]] = []
    for chosen in picks:
        index = pick(phase.label, chosen.classes, most)
        ids = phase.label[index].tolist()
        for method, model in networks.items():
            theta_v, theta_w = _embedded(model, data, phase, index, chosen.classes)
            together = torch.cat([theta_v, theta_w])
            flat = tsne(together, perplexity=min(perplexity, max(1.0, (len(together) - 1) / 3)))
            points, stars = flat[: len(ids)], flat[len(ids) :]
            title = method if len(picks) == 1 else f"{method}\n{chosen.about}"
            names, star_names = ([chosen.colours[c] for c in own] for own in (ids, chosen.classes))
            told = _measured(theta_v, phase.label[index], data)
            panels.append(TsnePanel(title, points, names, stars, star_names, told))
            for kind, own, places in (("video", ids, points), ("class name", chosen.classes, stars)):
                for c, (x, y) in zip(own, places.tolist(), strict=True):
                    rows.append((chosen.about, method, kind, data.class_names[c], data.super_groups[c], x, y))
    figure, _ = plot_super_classes(
        panels,
        columns=len(networks),
        question=f"Figure {number}: are super-classes apart?",
        data=f"{SetId.of(data).marked}, {'seen' if number == 3 else 'unseen'} classes, {phase_name}"
        + (f"; {about}" if about else ""),
    )
    return Drawing(figure, tuple(rows))


def _embedded(
    model: AVCA, data: FeatureSet, phase: Phase, index: Tensor, classes: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """theta_v of the samples and theta_w of the classes."""
    require_dimensions(model, data)
    some = replace(phase, audio=phase.audio[index], video=phase.video[index], label=phase.label[index])
    _, theta_v, theta_w = embed_phase(model, some.to(dtype=next(model.parameters()).dtype))
    return theta_v, theta_w[torch.searchsorted(phase.classes, torch.tensor(classes))]


def _measured(theta_v: Tensor, label: Tensor, data: FeatureSet) -> str:
    apart = separation(theta_v, label)
    groups = [data.super_groups[c] for c in label.unique().tolist()]
    same = torch.tensor([[a == b for a in groups] for b in groups])
    other = ~torch.eye(len(groups), dtype=torch.bool)
    parts = (("different super-classes", ~same), ("the same", same & other))
    told = [f"{name} {float(apart[mask].mean()):.2f}" for name, mask in parts if bool(mask.any())]
    return f"class means apart in θ_v, in spreads:\n{', '.join(told)}"


def save_drawing(drawn: Drawing, stem: Path) -> tuple[Path, Path]:
    """Writes STEM.svg, its alt text in the file, and STEM.csv with the drawn points; returns their paths.

    Raises:
        RunError: they cannot be written.
    """
    make_folder(stem.parent)
    picture, table = stem.with_name(f"{stem.name}.svg"), stem.with_name(f"{stem.name}.csv")
    buffer = io.BytesIO()
    # neither date nor random ids: the same figure is the same file
    with use_style(), matplotlib.rc_context({"svg.hashsalt": "hypav"}):
        about = {"Date": None, "Creator": None, "Description": drawn.figure.alt_text}
        drawn.figure.savefig(buffer, format="svg", metadata=about)
    with replacing(picture) as temporary:
        temporary.write_bytes(buffer.getvalue())
    with replacing(table) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["panel", "method", "kind", "class", "super_group", "x", "y"])
        writer.writerows([*row[:5], f"{row[5]:.4f}", f"{row[6]:.4f}"] for row in drawn.rows)
    return picture, table
