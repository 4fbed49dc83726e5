"""A cache of read sets: only where a caller names its folder, and never what decides on the data.

KEY.safetensors is one set. KEY is a BLAKE2b hash over the content of every file that the set was read from, the
options of reading and FORMAT, so that changed data have another key. It holds the tensors, and as JSON the names, ids,
groups and source; a hash of all that stands in its header. A file that is damaged, foreign or of another format is
passed over without a word: the set is read anew and the file replaced. Loading maps the file into memory.

files-ROOT.json remembers, as git's index does, the hash of each file with its size and times, so that only changed
files are hashed again. What changed within the last two seconds is not remembered, because a second change could
leave the times as they are (git's Documentation/technical/racy-git.txt). Damage that changes neither size nor times is
not seen. The folder may be removed at any time; sets whose data have changed stay until then.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from hypav.data.features import SPLITS, FeatureSet
from hypav.errors import DataError, RunError
from hypav.utils import make_folder, replacing, write_json

__all__ = ["cached"]

FORMAT = 1  # to be raised when the same files would give another set, or the cache's files look different
_GRAIN = 2 * 10**9  # nanoseconds; FAT's times, the coarsest, have steps of two seconds
_TENSORS = ("audio", "video", "label", "text")
_FIELDS = (
    "name",
    "class_names",
    "groups",
    "super_groups",
    "ids",
    "source",
    "simulated",
    "paper_key",
    "modelled_on",
)
_UNUSABLE = (
    OSError, SafetensorError, DataError, RuntimeError, KeyError, TypeError, ValueError, AttributeError, RecursionError,
)  # fmt: skip


def cached(
    read: Callable[[], FeatureSet],
    folder: Path,
    root: Path,
    files: Sequence[Path],
    options: Mapping[str, str],
) -> FeatureSet:
    """The set that `read` gives, from the cache where it is there, else read and kept.

    Args:
        read: reads the set.
        folder: of the cache; made if need be. One that cannot be written to serves what it has.
        root: what the paths of `files` are told relative to.
        files: every file that the set depends on.
        options: all else that it depends on.

    Raises:
        DataError: a file cannot be read.
        RunError: the cache cannot be written.
    """
    place = hashlib.blake2b(str(root.resolve()).encode(), digest_size=8).hexdigest()
    memory = _Memory(folder / f"files-{place}.json")
    key = _key(memory, root, files, options)
    path = folder / f"{key}.safetensors"
    data = _load(path, key, memory)
    if data is None:
        make_folder(folder)  # whether it can be written to is known before the work
        data = read()
        if _key(memory, root, files, options) == key:  # else a file has changed while it was read
            _save(path, key, data)
    memory.keep()
    return data


class _Memory:
    """Hashes of files by name, trusted while the files' sizes and times stay as they were."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.before = time.time_ns() - _GRAIN
        self.known: dict[str, list[Any]] = {}
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["format"] == FORMAT:
                self.known = {name: list(entry) for name, entry in found["files"].items() if len(entry) == 4}
        self.kept = dict(self.known)

    def hash(self, name: str, path: Path, content: Callable[[], str]) -> str:
        stamp = _stamp(path)
        known = self.known.get(name)
        if known and known[:3] == stamp and isinstance(known[3], str):
            return known[3]
        value = content()
        self.known[name] = [*stamp, value]
        if max(stamp[1:]) >= self.before:
            del self.known[name]
        return value

    def keep(self) -> None:
        if self.known != self.kept:
            with suppress(RunError):  # a cache that only others may write to still serves
                write_json(self.path, {"format": FORMAT, "files": self.known})


def _stamp(path: Path) -> list[int]:
    """Size, time of change, and time of the inode's change, which no tool can set back."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _key(memory: _Memory, root: Path, files: Sequence[Path], options: Mapping[str, str]) -> str:
    def entry(file: Path) -> tuple[str, str]:
        name = file.relative_to(root).as_posix()
        try:
            return name, memory.hash(name, file, lambda: _file_hash(file))
        except OSError as error:
            raise DataError(f"{file}: the file cannot be read ({error.strerror or error}).") from error

    bar = {
        "desc": f"Checking {root.name}",
        "unit": "file",
        "total": len(files),
        "leave": False,
        "disable": None,
    }
    with ThreadPoolExecutor() as pool:
        hashes = list(tqdm(pool.map(entry, files), **bar))
    return _hash(json.dumps([FORMAT, sorted(options.items()), hashes]).encode())


def _hash(*parts: Any) -> str:
    hashed = hashlib.blake2b(digest_size=16)
    for part in parts:
        hashed.update(part)
    return hashed.hexdigest()


def _file_hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _content(tensors: Mapping[str, Tensor]) -> str:
    heads = [[name, str(tensors[name].dtype), list(tensors[name].shape)] for name in sorted(tensors)]
    flat = [tensors[name].reshape(-1).view(torch.uint8).numpy() for name in sorted(tensors)]
    return _hash(json.dumps(heads).encode(), *flat)


def _save(path: Path, key: str, data: FeatureSet) -> None:
    tensors = {name: getattr(data, name) for name in _TENSORS}
    for split in SPLITS:
        tensors |= {f"splits/{split}": data.splits[split], f"classes/{split}": data.split_classes[split]}
    about = {"key": key, **{name: getattr(data, name) for name in _FIELDS}}
    tensors["about"] = torch.frombuffer(bytearray(json.dumps(about).encode()), dtype=torch.uint8)
    plain = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        try:
            save_file(plain, temporary, metadata={"content": _content(plain)})
        except SafetensorError as error:  # how safetensors reports a full disk
            raise OSError(str(error)) from error


def _load(path: Path, key: str, memory: _Memory) -> FeatureSet | None:
    """The set, on memory that is mapped and private to this process; None where the file is not to be trusted."""
    try:
        with safe_open(path, framework="pt") as file:
            expected = file.metadata()["content"]
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
        if memory.hash(path.name, path, lambda: _content(tensors)) != expected:
            return None
        about = json.loads(bytes(tensors["about"].numpy()))
        if about.pop("key") != key:
            return None
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in about.items()
        }
        return FeatureSet(
            **fields,
            **{name: tensors[name] for name in _TENSORS},
            splits={split: tensors[f"splits/{split}"] for split in SPLITS},
            split_classes={split: tensors[f"classes/{split}"] for split in SPLITS},
        )
    except _UNUSABLE:
        return None
