"""Checks of notebook 12: shifted word vectors, bytes of YouTube-8M, classes that are not truly unseen, hours of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from hypav.checks.framework import FunctionCheck

Case = tuple[tuple[Any, ...], dict[str, Any]]


def _sorted_rows(manual: Sequence[str], key: Callable[[str], Any] | None = None) -> Tensor:
    return torch.tensor([list(manual).index(name) for name in sorted(manual, key=key)], dtype=torch.float64)


# class names in their sorted order, then the names that their word vectors go by
_NAMES: list[Case] = [
    (
        (
            ["Archery", "Clean", "Dive", "Flute", "Walk"],
            ["Archery", "Weight Lifting", "Dive", "Flute", "A Walk"],
        ),
        {},
    ),
    (
        (
            ["Bowling", "Cutting", "Hammer", "Mixing", "Typing", "YoYo"],
            ["Bowling", "Kitchen", "a Hammer", "Mixing", "Keyboard", "Yo Yo"],
        ),
        {},
    ),
]

text_rows = FunctionCheck(
    "Which class's word vector each class gets from the released loader",
    lambda original, manual: _sorted_rows(manual),
    _NAMES,
    {
        "this is the right alignment, each class its own vector: the released loader sorts the vectors by the manual "
        "names first.": lambda original, manual: torch.arange(len(manual), dtype=torch.float64),
        "this is the reverse: it says to which class each vector goes. Class i gets the vector at "
        "position i of the sorted list.": lambda original, manual: _sorted_rows(manual).argsort().double(),
        "you sorted without regard to case; "
        "Python's `sorted`, which the loader uses, puts capital letters first.": lambda original, manual: (
            _sorted_rows(manual, str.lower)
        ),
        "you sorted backwards.": lambda original, manual: _sorted_rows(manual).flip(0),
        "you sorted by the length of the names: sort them as words.": lambda original, manual: _sorted_rows(
            manual, len
        ),
        "positions start at 0, as rows do: yours are one too large.": lambda original, manual: (
            _sorted_rows(manual) + 1
        ),
    },
    praise="One renamed class is enough to shift all between its two places.",
)

dequantised = FunctionCheck(
    "YouTube-8M's bytes as numbers",
    lambda codes: codes.double() / 255 * 4 - 2,
    [((torch.tensor([0, 1, 100, 128, 255], dtype=torch.uint8),), {})],
    {
        "255 must become 2: there are 255 steps between 256 codes.": lambda codes: (
            codes.double() / 256 * 4 - 2
        ),
        "your numbers run from 0 to 4: the lowest code stands for −2.": lambda codes: (
            codes.double() / 255 * 4
        ),
        "your numbers run from −1 to 1: the range is [−2, 2].": lambda codes: codes.double() / 255 * 2 - 1,
        "your numbers run from −2 to 0: the range is 4 wide.": lambda codes: codes.double() / 255 * 2 - 2,
        "your numbers run from 0 to 1: stretch them to [−2, 2].": lambda codes: codes.double() / 255,
        "you took the middle "
        "of each step, which never gives −2 or 2: the codes are the ends of the steps.": lambda codes: (
            (codes.double() + 0.5) / 256 * 4 - 2
        ),
        "you calculated with bytes: 4 "
        "· 100 is 144 there, as a byte wraps around at 256. Convert them to floats first.": lambda codes: (
            (codes * 4).double() / 255 - 2
        ),
    },
    praise="Half a step, 2/255 = 0.008, is all that is lost.",
)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _mask(unseen: Sequence[str], keep: Callable[[str], bool]) -> Tensor:
    return torch.tensor([float(keep(name)) for name in unseen], dtype=torch.float64)


def _new(unseen: Sequence[str], known: Sequence[str], form: Callable[[str], str]) -> Tensor:
    taken = set(map(form, known))
    return _mask(unseen, lambda name: form(name) not in taken)


_CLASSES: list[Case] = [
    (
        (
            ["BandMarching", "Brushing Teeth", "Surfing", "Typing", "Yo-Yo", "Ski"],
            ["band marching", "brushing_teeth", "typing", "skiing", "yo-yo"],
        ),
        {},
    ),
    ((["Rowing", "Sky diving", "Diving"], ["skydiving", "rowing boat", "Rowing"]), {}),
]

truly_unseen = FunctionCheck(
    "Unseen classes that the feature extractor has not seen either",
    lambda unseen, known: _new(unseen, known, _plain),
    _CLASSES,
    {
        "you compared the "
        "names letter by letter: `BandMarching` and `band marching` are one class.": lambda unseen, known: (
            _new(unseen, known, str)
        ),
        "you ignored case, but not "
        "blanks, hyphens and underscores: `Brushing Teeth` is `brushing_teeth`.": lambda unseen, known: _new(
            unseen, known, str.lower
        ),
        "you removed only blanks: a hyphen or an underscore hides a class too.": lambda unseen, known: _new(
            unseen, known, lambda name: name.lower().replace(" ", "")
        ),
        "you mark "
        "the classes that the extractor knows: the answer is 1 for those to keep.": lambda unseen, known: (
            1 - _new(unseen, known, _plain)
        ),
        "you drop a class whose name is part of another, `Ski` for `skiing`, `Diving` for `skydiving`: compare whole "
        "names, and decide such cases by hand.": lambda unseen, known: _mask(
            unseen, lambda name: not any(_plain(name) in _plain(k) for k in known)
        ),
        "you "
        "kept them all: classes on which the extractor was trained are not unseen.": lambda unseen, known: (
            torch.ones(len(unseen), dtype=torch.float64)
        ),
    },
    praise="The benchmark does the same: its cls split leaves out 3, 2 and 5 unseen classes that C3D or VGGish knew.",
)


def _hours(
    *, step: float, epochs: int, batches: int, runs: int, stages: int = 2, unit: float = 3600.0
) -> Tensor:
    return torch.tensor(step * epochs * batches * stages * runs / unit, dtype=torch.float64)


hours = FunctionCheck(
    "Hours that a grid of runs takes at most",
    _hours,
    [
        ((), {"step": 0.1, "epochs": 50, "batches": 500, "runs": 40}),
        ((), {"step": 0.02, "epochs": 12, "batches": 150, "runs": 3}),
    ],
    {
        "a run has two stages: stage 2 trains a fresh network.": lambda **given: _hours(**given, stages=1),
        "these are seconds.": lambda **given: _hours(**given, unit=1.0),
        "a step is given in seconds, not in milliseconds.": lambda **given: _hours(**given, unit=3.6e6),
        "these are minutes.": lambda **given: _hours(**given, unit=60.0),
        "this is one run: multiply by the number of runs.": lambda **given: _hours(**given | {"runs": 1}),
        "an epoch has many batches: multiply by their number.": lambda **given: _hours(
            **given | {"batches": 1}
        ),
        "this is one epoch per stage: multiply by the epochs.": lambda **given: _hours(
            **given | {"epochs": 1}
        ),
    },
    praise="At most, for stage 2 ends at the epoch that validation chose.",
)
