"""The explorer of notebook 11: ready t-SNE maps, by variant, modality and super-group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from hypav.plots import plot_one_map
from hypav.style import DescribedFigure
from hypav.widgets.explorer import Choice, Explorer

__all__ = ["embedding_explorer"]


def embedding_explorer(maps: Mapping[str, Tensor], names: Sequence[str], *, data: str) -> Explorer:
    """`plot_one_map` with three menus; nothing is computed when one is moved.

    Args:
        maps: "variant, modality" to (n, 2), every variant with every modality.
        names: the super-group of each point.
    """
    variants = tuple(dict.fromkeys(key.split(", ")[0] for key in maps))
    modalities = tuple(dict.fromkeys(key.split(", ")[1] for key in maps))
    groups = ("all", *sorted(set(names)))

    def draw(**menus: str) -> tuple[DescribedFigure, Any]:
        figure, drawn = plot_one_map(maps, names, data=data, **menus)
        return figure, {"shown": drawn["shown"]}  # where a t-SNE puts a point depends on the processor

    return Explorer(
        draw,
        [
            Choice("variant", "variant", variants[0], variants),
            Choice("modality", "modality", modalities[0], modalities),
            Choice("group", "super-group", "all", groups),
        ],
    )
