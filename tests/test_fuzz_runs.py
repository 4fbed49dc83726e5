"""Damaged records, tables of runs, checkpoints and networks: nothing but the package's own error, in one sentence."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from data_helpers import damage
from grid_helpers import tiny_recipe
from training_helpers import interrupted_after, small, tiny, train_tiny

from hypav.errors import RunError
from hypav.experiments.grid import train
from hypav.experiments.runs import load_run, load_runs, read_record, record_files
from hypav.training import CHECKPOINT, _Stages
from hypav.utils import content_digest, load_checked, save_checked

FILES = {"record": 500, "table": 150, "checkpoint": 250, "network": 250}  # as many as take a second or two
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run and its network, the same as a table, and a checkpoint."""
    folder = tmp_path_factory.mktemp("made")
    train(small(), "hyper-multiple", recipe=tiny_recipe(), folder=folder, device="cpu", progress=False)
    load_runs(folder).to_csv(folder / "runs.csv", index=False)
    with interrupted_after(1):
        train_tiny(tiny(), folder=folder)
    return folder


STRANGE = (
    *(
        None,
        True,
        -1,
        10**9,
        10**30,
        10**400,
        1e999,
        float("nan"),
        -0.5,
        "",
        "NaN",
        "\ud800",
        r"$\frac$",
        "=1+1",
    ),
    *([], {}, [1], [[]], {"a": 1}, {"": None}, [None] * 5, {"alignment": None}),
)


def reshaped(value: Any, rng: random.Random) -> Any:
    """`value` with one part, anywhere inside, left out or replaced by something else."""
    if isinstance(value, dict | list) and value and rng.random() < 0.9:
        copy: Any = value.copy()
        key = rng.choice(list(copy) if isinstance(copy, dict) else range(len(copy)))
        if rng.random() < 0.2:
            del copy[key]
        else:
            copy[key] = reshaped(copy[key], rng)
        return copy
    return rng.choice(STRANGE)


def nested(bracket: str) -> bytes:
    return bracket.encode() * 100_000


def refuses(read: Callable[[], object], same: Callable[[object], bool] = lambda result: False) -> bool:
    """Whether reading ends in the package's own error, of one line; else it returns what was written."""
    try:
        result = read()
    except RunError as error:
        message = str(error)
    else:
        assert same(result)
        return False
    assert "\n" not in message
    assert message.endswith(".")
    return True


def seeded(name: str) -> Iterator[random.Random]:
    return (random.Random(f"{name} {number}") for number in range(FILES[name]))


def test_records(made: Path, tmp_path: Path) -> None:
    (path,) = record_files(made)
    whole, record = path.read_bytes(), read_record(path)
    target = tmp_path / path.name
    shutil.copyfile(path.with_suffix(".pt"), target.with_suffix(".pt"))
    refused = 0
    for rng in seeded("record"):
        if rng.random() < 0.5:
            target.write_bytes(damage(whole, rng))
            refused += refuses(lambda: read_record(target), lambda result: result == record)
            continue
        # another shape with its right digest, as another version or another program may write it
        other = reshaped(record, rng)
        if isinstance(other, dict):
            other = {**other, "digest": content_digest(other)}
        target.write_text(json.dumps(other))
        refused += refuses(lambda: load_runs(tmp_path), lambda table: len(table) == 1)
        refuses(lambda: load_run(target), lambda result: len(result) == 2)
    assert refused > 0.7 * FILES["record"]
    for content in (
        nested("["),
        nested('{"a":'),
        b"",
        b"null",
        b"3",
        b'"text"',
        b"\xff\xfe",
        b'{"digest": ""}',
    ):
        target.write_bytes(content)
        assert refuses(lambda: read_record(target))


def test_tables_of_runs(made: Path, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    whole = (made / "runs.csv").read_bytes()
    header, row = whole.decode().splitlines()
    names = header.split(",")
    refused = 0
    for rng in seeded("table"):
        if rng.random() < 0.5:
            path.write_bytes(damage(whole, rng))
        else:
            cells = row.split(",")
            cells[rng.randrange(len(names))] = json.dumps(rng.choice(STRANGE)).replace('"', "")
            path.write_text(f"{header}\n{','.join(cells)}\n")
        # a text that was changed is a text: a table has no digest
        refused += refuses(lambda: load_runs(path), lambda table: len(table) <= 2)
    assert refused > 0.3 * FILES["table"]
    for content in (nested("["), nested('"'), nested(","), b"", b"\n", b"\x00" * 100, b"\xff\xfe", whole[:5]):
        path.write_bytes(content)
        assert refuses(lambda: load_runs(path))


def test_checkpoints(made: Path, tmp_path: Path) -> None:
    path = tmp_path / CHECKPOINT
    whole, content = (made / CHECKPOINT).read_bytes(), load_checked(made / CHECKPOINT)
    parts = [*content, *(("learner", part) for part in content["learner"])]
    stages = _Stages(small(), tiny(), CPU, path, 0.0)
    refused = 0
    for number, rng in enumerate(seeded("checkpoint")):
        if number % 5:
            path.write_bytes(damage(whole, rng))
        else:
            changed = {**content, "learner": dict(content["learner"])}
            part = rng.choice(parts)
            if isinstance(part, tuple):
                changed["learner"][part[1]] = reshaped(changed["learner"][part[1]], rng)
            else:
                changed[part] = reshaped(changed[part], rng)
            save_checked(path, changed)
        refused += refuses(stages.resume, lambda result: result is None)
    assert refused > 0.7 * FILES["checkpoint"]


def test_networks(made: Path, tmp_path: Path) -> None:
    (source,) = record_files(made)
    target = tmp_path / source.name
    shutil.copyfile(source, target)
    network = target.with_suffix(".pt")
    whole, content = source.with_suffix(".pt").read_bytes(), load_checked(source.with_suffix(".pt"))
    refused = 0
    for number, rng in enumerate(seeded("network")):
        if number % 5:
            network.write_bytes(damage(whole, rng))
        else:
            part = rng.choice(["config", "model", "alignment"])
            save_checked(network, {**content, part: reshaped(content[part], rng)})
        refused += refuses(lambda: load_run(target), lambda result: len(result) == 2)
    assert refused > 0.7 * FILES["network"]
