"""Small sets for tests: features with class structure, at the published counts or a few samples a class."""

from __future__ import annotations

import csv
import random
import resource
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from hypav.data import SPLITS, FeatureSet
from hypav.data.official import NAMES_FILE, _vectors_name

UCF_CLASSES = 101
# (classes, samples) of each split of UCF-GZSL with main features, as counted from the benchmark's tables.
UCF_COUNTS = {
    "stage_1_train": (30, 3174),
    "stage_1_val_seen": (30, 353),
    "stage_1_val_unseen": (12, 1467),
    "stage_2_test_seen": (42, 555),
    "stage_2_test_unseen": (9, 1267),
}
UCF_CLS_UNSEEN = {"stage_2_test_unseen": (6, 845)}
SMALL_COUNTS = {
    "stage_1_train": (4, 26),
    "stage_1_val_seen": (4, 9),
    "stage_1_val_unseen": (2, 11),
    "stage_2_test_seen": (6, 13),
    "stage_2_test_unseen": (3, 10),
}
# One class whose manual name sorts elsewhere shifts the rows between, as UCF's Weight Lifting does.
UCF_MANUAL = {"Class020": "Weight Lifting"}


def small_set(
    *,
    counts: Mapping[str, tuple[int, int]] = SMALL_COUNTS,
    classes: int | None = None,
    dims: tuple[int, int, int] = (8, 12, 6),
    seed: int = 0,
    name: str = "small (main)",
    groups: bool = False,
    **fields: object,
) -> FeatureSet:
    """Class means plus noise, sorted class names, samples in the order that a folder is read in.

    Classes: first those that train, then the val-unseen, then the test-unseen, then those that no split uses;
    seen test classes are the first two together, as in the benchmark.
    """
    generator = torch.Generator().manual_seed(seed)
    roles = _roles(counts)
    total = classes or 1 + max(max(role) for role in roles.values())
    names = tuple(f"Class{row:03d}" for row in range(total))
    label = torch.cat([_spread(roles[split], counts[split][1]) for split in SPLITS])
    text = torch.nn.functional.normalize(torch.randn(total, dims[2], generator=generator), dim=1)

    def view(dim: int) -> torch.Tensor:
        means = text @ torch.randn(dims[2], dim, generator=generator)
        return means[label] + 0.5 * torch.randn(len(label), dim, generator=generator)

    starts = [0, *torch.tensor([counts[split][1] for split in SPLITS]).cumsum(0).tolist()]
    return FeatureSet(
        name=name,
        audio=view(dims[0]),
        video=view(dims[1]),
        label=label,
        text=text,
        class_names=names,
        splits={split: torch.arange(starts[i], starts[i + 1]) for i, split in enumerate(SPLITS)},
        groups=tuple(f"group{row % 3}" for row in range(total)) if groups else (),
        super_groups=tuple(f"super{row % 3 // 2}" for row in range(total)) if groups else (),
        ids=tuple(f"v_{names[row]}_{i:05d}" for i, row in enumerate(label.tolist())),
        **fields,
    )


def official_folder(
    root: Path,
    *,
    features: str = "main",
    dataset: str = "ucf",
    dims: tuple[int, int, int] = (8, 12, 6),
    seed: int = 0,
) -> Path:
    """A folder of the AVCA form with UCF-GZSL's class and sample counts.

    With the published dimensions, (512, 512, 300) or for cls (128, 4096, 300), it is taken for the published set.
    """
    counts = UCF_COUNTS if features == "main" else UCF_COUNTS | UCF_CLS_UNSEEN
    data = small_set(counts=counts, classes=UCF_CLASSES, dims=dims, seed=seed, name="UCF-GZSL counts")
    write_official(data, root, features, dataset=dataset, manual=UCF_MANUAL)
    return root


def write_official(
    data: FeatureSet,
    root: Path,
    features: str = "main",
    *,
    dataset: str = "own",
    manual: Mapping[str, str] | None = None,
) -> Path:
    """Write a folder that `read_official` and the released loader read; manual: other names of word vectors."""
    base, lists = root / "features" / f"{features}_features", root / "class-split"
    split_lists = lists / f"{features}_split"
    for folder in (split_lists, base / "text"):
        folder.mkdir(parents=True)
    manual_names = [(manual or {}).get(name, name) for name in data.class_names]
    _write_lines(lists / "all_class.txt", data.class_names)
    columns = {"original": data.class_names, "manual": manual_names}
    columns |= {"category": data.groups} if data.groups else {}
    columns |= {"super_category": data.super_groups} if data.super_groups else {}
    with open(lists / f"{dataset}{NAMES_FILE}", "w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerows([columns, *sorted(zip(*columns.values(), strict=True))])
    ids = data.ids or tuple(f"sample_{row:07d}" for row in range(len(data)))
    for split in SPLITS:
        index, classes = data.splits[split], data.split_classes[split].tolist()
        _write_lines(split_lists / f"{split}.txt", [data.class_names[row] for row in classes])
        for modality, values in (("audio", data.audio), ("video", data.video)):
            (base / modality / split).mkdir(parents=True)
            for row in classes:
                chosen = index[data.label[index] == row]
                urls = [ids[sample].encode() for sample in chosen.tolist()]
                width = max(80, *map(len, urls))  # the released files have S80
                with h5py.File(base / modality / split / f"{data.class_names[row]}.h5", "w") as file:
                    file["data"] = values[chosen].numpy().astype(np.float32)
                    file["video_urls"] = np.array(urls, dtype=f"S{width}")
    vectors = dict(sorted(zip(manual_names, data.text.numpy(), strict=True), key=itemgetter(0)))
    write_word_vectors(vectors, base / "text" / _vectors_name(dataset))
    return root


def _write_lines(path: Path, names: Sequence[str]) -> None:
    path.write_bytes("".join(f"{name}\n" for name in sorted(names)).encode())


def write_word_vectors(vectors: Mapping[str, np.ndarray], path: Path) -> None:
    """Word vectors in the form of the released files: np.save of a float32 dict."""
    np.save(path, np.array({name: np.float32(vector) for name, vector in vectors.items()}, dtype=object))


def _roles(counts: Mapping[str, tuple[int, int]]) -> dict[str, range]:
    train, val_unseen = counts["stage_1_train"][0], counts["stage_1_val_unseen"][0]
    return {
        "stage_1_train": range(train),
        "stage_1_val_seen": range(train),
        "stage_1_val_unseen": range(train, train + val_unseen),
        "stage_2_test_seen": range(train + val_unseen),
        "stage_2_test_unseen": range(
            train + val_unseen, train + val_unseen + counts["stage_2_test_unseen"][0]
        ),
    }


def _spread(classes: Sequence[int], samples: int) -> torch.Tensor:
    """Class ids of `samples` samples, as even as can be, sorted."""
    return torch.arange(samples).remainder(len(classes)).sort().values + classes[0]


@contextmanager
def memory_left(megabytes: float) -> Iterator[None]:
    """Context in which this process can reserve so much more memory; a larger array is a MemoryError.

    Give 100 MB or more: a thread's first allocation reserves 64 MB.
    """
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not tell how much memory a process has reserved")
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + int(megabytes * 1e6)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def declared(archive: bytes, size: int) -> bytes:
    """A zip file whose first member says that it unpacks to `size` bytes."""
    at = archive.index(b"PK\x01\x02") + 24
    return archive[:at] + size.to_bytes(4, "little") + archive[at + 4 :]


def damage(whole: bytes, rng: random.Random) -> bytes:
    """A file's content with bits flipped, or a piece cut off, left out, repeated or overwritten."""
    content, at = bytearray(whole), rng.randrange(len(whole))
    other = rng.randrange(len(whole))
    length = rng.choice((1, 2, 4, 8, 64, 512))
    match rng.randrange(7):
        case 0:
            content[at] ^= 1 << rng.randrange(8)
        case 1:
            for position in rng.sample(range(len(whole)), min(len(whole), 8)):
                content[position] = rng.randrange(256)
        case 2:
            del content[at:]
        case 3:
            del content[at : at + length]
        case 4:
            content[at:at] = content[other : other + length]
        case 5:
            content[at : at + length] = rng.choice((b"\0", b"\xff", b"\x7f")) * length
        case 6:
            content += content[at:]
    return bytes(content)
