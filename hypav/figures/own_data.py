"""Notebook 12: which word vector a class gets, how files belong together, and helpers that write and measure."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hypav import eszsl
from hypav.alignment import Adaptive, preset
from hypav.avca import AVCAConfig
from hypav.data import yt8m, yt8m_build
from hypav.data.batches import TripletBatch
from hypav.data.features import FeatureSet, from_arrays
from hypav.errors import DataError
from hypav.experiments.configs import RECIPES
from hypav.figures.runs import plot_phases  # noqa: F401
from hypav.figures.short_runs import percent
from hypav.figures.style import BLUE, VERMILION, Drawn, bare, canvas
from hypav.training import Learner, RunConfig, train_step

_UCF = """Archery BabyCrawling BandMarching Basketball Biking BlowDryHair CleanAndJerk CuttingInKitchen Diving Drumming
    Hammering Mixing PlayingCello PlayingFlute PlayingGuitar ShavingBeard Shotput Surfing Typing UnevenBars"""


def two_names() -> tuple[list[str], list[str]]:
    """Twenty classes of UCF101 in sorted order: the names of their files, and the names of their word vectors."""
    names = _UCF.split()
    read = [re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name) for name in names]
    other = {"Clean And Jerk": "Weight Lifting", "Cutting In Kitchen": "Cut Kitchen"}
    return names, [other.get(name, name) for name in read]


def write_own_folder(data: FeatureSet, folder: Path) -> str:
    """Write the features of a set as a stranger would: features.npz, videos.csv, words.npz with an order of its own.

    The classes get roles anew. Returns a sentence that lists the files.
    """
    unseen = len(data.class_names) // 6
    drawn = from_arrays(
        audio=data.audio, video=data.video, label=data.label, class_names=data.class_names, text=data.text,
        unseen=unseen, val_unseen=unseen, seed=12,
    )  # fmt: skip
    split = {int(row): name for name, rows in drawn.splits.items() for row in rows}
    with (folder / "videos.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["class", "split"])
        writer.writerows([drawn.class_names[c], split[row]] for row, c in enumerate(drawn.label.tolist()))
    np.savez(folder / "features.npz", audio=data.audio.numpy(), video=data.video.numpy())
    order = np.random.default_rng(12).permutation(len(data.class_names))
    spelled = [re.sub(r"[^a-z0-9]+", " ", data.class_names[i].lower()).strip() for i in order]
    np.savez(folder / "words.npz", names=np.array(spelled), vectors=data.text.numpy()[order])
    return ", ".join(sorted(path.name for path in folder.iterdir()))


def build_drawn_yt8m(folder: Path) -> list[list[Any]]:
    """Write two shards in YouTube-8M's format, with random numbers as features, and build a set from them.

    Returns:
        rows [what, number]: records read, records with two of our classes, records kept.
    """
    rng, classes = np.random.default_rng(12), yt8m.yt8m_classes()
    by_role = [c for role in ("seen", "val_unseen", "test_unseen") for c in classes if c.role == role]
    few = by_role[:: len(classes) // 6]

    def record(number: int, *chosen: Any) -> bytes:
        labels = np.array([3861, *(c.yt8m_index for c in chosen)])  # 3861: a label outside our classes
        centre = np.random.default_rng(chosen[0].yt8m_index).normal(0, 0.5, 1152)
        values = np.clip(centre + rng.normal(0, 0.5, 1152), -2, 2).astype(np.float32)
        fields: dict[str, Any] = {"id": [f"v{number:03d}".encode()], "labels": labels}
        return yt8m_build.make_example(fields | {"mean_rgb": values[:1024], "mean_audio": values[1024:]})

    records = [record(i, few[i % len(few)]) for i in range(16 * len(few))]
    records += [record(900 + i, few[0], few[1]) for i in range(20)]
    folder.mkdir(exist_ok=True)
    shards = [folder / "validate0000.tfrecord", folder / "validate0001.tfrecord"]
    for shard, part in zip(shards, (records[::2], records[1::2]), strict=True):
        yt8m_build.write_records(shard, part)
    words = {c.name: rng.normal(size=300) for c in classes}
    report = yt8m_build.build_yt8m(shards, folder, text=words)
    return [["records read", report.videos], ["with two of our classes", 20], ["kept", report.kept]]


def linear_row(name: str, data: FeatureSet, *, leak: int = 0) -> list[Any]:
    """The linear reference on test: [name, S, U, HM, ZSL] in per cent.

    Args:
        leak: if positive, every so many videos of the test-unseen classes are in the last fit too, which no FeatureSet
            allows. Ridges and beta are those without the leak.
    """
    reference = eszsl.eszsl_reference(data)
    if not leak:
        return [name, *percent(reference.metrics)]
    fit, test = data["train_val"], data["test"]
    some = torch.isin(test.label, test.unseen).nonzero()[::leak, 0]
    known = torch.cat([fit.classes, test.unseen]).sort().values
    tables: dict[str, Any] = {
        key: torch.cat([getattr(fit, key), getattr(test, key)[some]]) for key in ("audio", "video", "label")
    }
    leaky = replace(fit, classes=known, text=data.text[known], **tables)
    scores = eszsl.eszsl_scores(leaky, test, "both", reference.ridge)
    return [name, *percent(scores.metrics(reference.beta))]


def seconds_of_a_step(N_c: int = 0) -> float:
    """CPU seconds of one training step with the released settings of UCF-GZSL (main): 256 triplets, float32, one thread.

    The least of four, on random numbers. N_c: heads of Hyper-multiple; 0 for AVCA.
    """
    recipe, generator = RECIPES["ucf-main"], torch.Generator().manual_seed(0)
    sizes = (512, 512, 300) * 2
    batch = TripletBatch(*(torch.rand(256, dim, generator=generator, dtype=torch.float32) for dim in sizes))
    alignment = preset("printed", curvatures=Adaptive(N_c)) if N_c else None
    config = RunConfig(AVCAConfig(512, 512, **recipe.network), recipe.train, alignment)
    learner, seconds = Learner.fresh(config, torch.device("cpu")), []
    train_step(learner, batch)
    for _ in range(4):
        began = time.process_time()
        train_step(learner, batch)
        seconds.append(time.process_time() - began)
    return min(seconds)


def plot_three_files() -> Drawn:
    """Draw how three files of a small set belong together: features by place, word vectors by name.

    Returns:
        figure and {"row": for each video the place of its class among the words}.
    """
    videos, words = ["Archery", "BandMarching", "Archery"], ["band marching", "archery"]
    splits = ["stage_1_train", "stage_1_train", "stage_2_test_seen"]
    row = [1, 0, 1]
    with canvas(7.2, 2.3, margins=(0.01, 0.02, 0.99, 0.84)) as (figure, axes):
        for x, name in ((0, "features.npz"), (2.6, "videos.csv"), (7.0, "words.npz")):
            axes.text(x, -1, name, fontsize=10, weight="bold", va="center")
        for place, (name, split, word) in enumerate(zip(videos, splits, row, strict=True)):
            axes.text(0, place, f"row {place}", fontsize=9, va="center")
            axes.text(2.6, place, f"{name},{split}", fontsize=9, va="center", family="monospace")
            axes.plot([0.9, 2.5], [place, place], "-", color=BLUE, label="same place" if place == 0 else None)
            ends = {"color": VERMILION, "label": "same name" if place == 0 else None}
            axes.plot([5.6, 6.9], [place, word + 0.5], "--", **ends)
        for place, name in enumerate(words):
            axes.text(7.0, place + 0.5, name, fontsize=9, va="center", family="monospace")
        axes.set(xlim=(0, 9.0), ylim=(3.4, -1.4))
        axes.legend(loc="lower center", ncols=2)
        bare(axes)
        figure.suptitle("How do three files make one set?")
    figure.alt_text = (
        "Three files of a small set. Rows 0 to 2 of features.npz are joined to the lines "
        f"{', '.join(videos)} of videos.csv in the same order, and each line to the word of its class in words.npz, "
        f"which has the order {', '.join(words)}."
    )
    return figure, {"row": row}


def plot_text_rows(names: Sequence[str], given: Sequence[int]) -> Drawn:
    """Draw the classes on the left, with lines to the classes on the right whose word vectors they get.

    Args:
        names: the C class names in their order.
        given: for each class the index in `names` of the class whose vector it gets.

    Returns:
        figure and {"given": C indices, "shifted": the number of classes that get another class's vector}.

    Raises:
        DataError: `given` does not hold one index of `names` for each class.
    """
    if len(given) != len(names) or not all(0 <= row < len(names) for row in given):
        raise DataError(
            f"{len(given)} indices were given for {len(names)} classes; give each class the index of one class."
        )
    shifted = [index for index, row in enumerate(given) if index != row]
    height = 0.9 + 0.21 * len(names)
    with canvas(6.4, height, margins=(0.27, 0.02, 0.73, 1 - 0.4 / height)) as (figure, axes):
        for index, row in enumerate(given):
            color, style = (BLUE, "-") if index == row else (VERMILION, "--")
            axes.plot([0, 1], [index, row], style, color=color, marker="o", markersize=4, clip_on=False)
            axes.text(-0.03, index, names[index], ha="right", va="center", fontsize=8, color=color)
            axes.text(1.03, row, names[row], ha="left", va="center", fontsize=8, color=color)
        axes.text(-0.03, -1, "the class", ha="right", va="center", fontsize=9)
        axes.text(1.03, -1, "gets the word vector of", ha="left", va="center", fontsize=9)
        axes.set(xlim=(0, 1), ylim=(len(names) - 0.5, -1.5))
        bare(axes)
        figure.suptitle("Whose word vector does each class get?")
    examples = "; ".join(f"{names[index]} to that of {names[given[index]]}" for index in shifted[:4])
    figure.alt_text = (
        f"{len(names)} classes, each joined to the class whose word vector it gets. {len(names) - len(shifted)} lines "
        f"are level, {len(shifted)} go to another class{': ' + examples if shifted else ''}"
        f"{' and so on' if len(shifted) > 4 else ''}."
    )
    return figure, {"given": list(given), "shifted": len(shifted)}
