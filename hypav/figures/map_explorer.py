"""The explorer of notebook 11: maps of the same videos, with one super-group in colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from hypav.figures.explorer import Explorer, rounded
from hypav.figures.style import Drawn, canvas, cues


def map_state(maps: Mapping[str, Tensor], names: Sequence[str], *, data: str) -> dict[str, Any]:
    """The state of the explorer: the points of all maps, and what the menus set.

    Args:
        maps: "variant, modality" -> (n, 2), every variant with every modality.
        names: the super-group of each point.
    """
    variants = list(dict.fromkeys(key.split(", ")[0] for key in maps))
    modalities = list(dict.fromkeys(key.split(", ")[1] for key in maps))
    groups = sorted(set(names))
    return {
        "variant": variants[0],
        "modality": modalities[0],
        "group": "all",
        "data": data,
        "variants": variants,
        "modalities": modalities,
        "groups": groups,
        "members": [groups.index(name) for name in names],
        # as text: a notebook writes each number of a list on a line of its own
        "maps": {
            key: " ".join(f"{x:g} {y:g}" for x, y in rounded(points, 2)) for key, points in maps.items()
        },
    }


def map_numbers(state: Mapping[str, Any]) -> dict[str, Any]:
    """What the explorer shows for a state: {"points" (n, 2), "shown": the places of the points in colour}."""
    names = [state["groups"][place] for place in state["members"]]
    shown = [i for i, name in enumerate(names) if state["group"] in ("all", name)]
    flat = [float(number) for number in state["maps"][f"{state['variant']}, {state['modality']}"].split()]
    return {"points": [[x, y] for x, y in zip(flat[::2], flat[1::2], strict=True)], "shown": shown}


def map_words(state: Mapping[str, Any], numbers: Mapping[str, Any]) -> str:
    """What the explorer shows, in words."""
    those = "" if state["group"] == "all" else f", those of {state['group']}"
    return (
        f"t-SNE of {state['modality']} of {state['variant']} on {state['data']}: {len(numbers['shown'])} of "
        f"{len(state['members'])} points in colour{those}."
    )


def plot_map(state: Mapping[str, Any]) -> Drawn:
    """Draw the map of a state of `map_state`.

    Returns:
        figure and {"shown": how many points are in colour}; the points of a t-SNE depend on the processor.
    """
    numbers = map_numbers(state)
    styles = cues(state["groups"], reuse=True)
    with canvas(6.0, 4.0) as (figure, axes):
        pale = [point for i, point in enumerate(numbers["points"]) if i not in set(numbers["shown"])]
        if pale:
            axes.plot(*zip(*pale, strict=True), ".", color="#BBBBBB", markersize=4)
        for place, (name, cue) in enumerate(styles.items()):
            rows = [numbers["points"][i] for i in numbers["shown"] if state["members"][i] == place]
            if rows:
                axes.plot(*zip(*rows, strict=True), cue.marker, color=cue.color, markersize=4, label=name)
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
        question = f"Where does {state['variant']} put its videos? ({state['modality']})"
        figure.suptitle(f"{question}\n{state['data']}", fontsize=10)
    figure.alt_text = map_words(state, numbers)
    return figure, {"shown": len(numbers["shown"])}


def embedding_explorer(maps: Mapping[str, Tensor], names: Sequence[str], *, data: str) -> Explorer:
    """Show `plot_map` with three menus; the arguments are those of `map_state`."""
    state = map_state(maps, names, data=data)
    figure, numbers = plot_map(state)
    return Explorer("maps", figure, numbers, state, unstable=["maps"])
