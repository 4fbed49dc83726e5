"""The store: one SQLite file with one row a run, for any number of programs at once.

A researcher reads it with   pandas.read_sql("SELECT * FROM runs", sqlite3.connect("runs/store.sqlite"))
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any

from hypav.alignment import AlignmentConfig
from hypav.errors import RunError
from hypav.experiments.database import MEMORY, Database
from hypav.experiments.measures import NUMERICS_VERSION
from hypav.experiments.recipes import Recipe
from hypav.experiments.records import (
    COLUMNS,
    DETAILS,
    LATER_COLUMNS,
    Record,
    alignment_columns,
    device_type,
    recipe_digest,
    sealed,
    slim,
)
from hypav.utils import replacing

__all__ = ["Choice", "Store"]

APPLICATION, FORMAT = 0x48795041, 2  # "HyPA", and the version of the tables below

_SQL_TYPES = {str: "TEXT", int: "INTEGER", float: "REAL"}
_SLIM = [name for name in COLUMNS if name not in (*DETAILS, "folder")]  # an export has no networks beside it
_MAY_LACK = {*LATER_COLUMNS, "folder", *DETAILS}  # of a CSV: the first ones had folders and no LATER_COLUMNS


def _column(name: str, kind: Any) -> str:
    if name == "key":
        return "key TEXT PRIMARY KEY NOT NULL"
    return (
        f"{name} {_SQL_TYPES[kind]} NOT NULL"
        if kind in _SQL_TYPES
        else f"{name} {'TEXT' if kind == str | None else 'REAL'}"
    )


_SCHEMA = (
    f"CREATE TABLE runs ({', '.join(_column(*column) for column in COLUMNS.items())})",
    "CREATE INDEX runs_by_set ON runs (data_digest, recipe_digest)",
    "CREATE TABLE choices (data TEXT, data_digest TEXT, preset TEXT, recipe TEXT, recipe_digest TEXT, code TEXT, "
    "weight REAL, val_HM TEXT, keys TEXT, PRIMARY KEY (data_digest, preset, recipe_digest, code))",
)


@dataclass(frozen=True)
class Choice:
    """A weight that validation chose: val_HM maps each weight to its mean over runs, keys to those runs."""

    data: str
    data_digest: str
    preset: str
    recipe: str
    recipe_digest: str
    code: str
    weight: float
    val_HM: dict[float, float]
    keys: dict[float, list[str]]


class Store:
    """The runs in the file `path`; made if it is not there and `create`.

    Raises:
        RunError: no such file, no store, a store of another format, damaged, or no right to read it.
    """

    def __init__(self, path: Path | str, *, create: bool = True) -> None:
        self.path = path
        self._base = Database(path, schema=_SCHEMA, application=APPLICATION, version=FORMAT, create=create)

    def close(self) -> None:
        """Lets go of the file, which is whole at any time."""
        self._base.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # --- runs ---

    def get(self, key: str) -> Record | None:
        """The run `key`; None where it is not there, or damaged (`damaged` names it)."""
        return next(iter(self.rows(key=key)), None)

    def rows(self, **where: Any) -> list[Record]:
        """The intact records whose columns have the given values (None: empty), oldest first."""
        return [record for record in self._all(where) if record.intact]

    def damaged(self, **where: Any) -> list[str]:
        """The keys of records that are not as they were written, of those whose columns have the given values."""
        return [record.key for record in self._all(where) if not record.intact]

    def _all(self, where: Mapping[str, Any]) -> list[Record]:
        unknown = set(where) - set(COLUMNS)
        assert not unknown, unknown
        condition = " AND ".join(f"{name} IS ?" for name in where) or "1"
        found = self._base.ask(
            f"SELECT {', '.join(COLUMNS)} FROM runs WHERE {condition} ORDER BY created, key",
            tuple(where.values()),
        )
        return [Record(*row) for row in found]

    def add(self, record: Record) -> bool:
        """Stores a run; whether it is there now as given. The first record of a key stays, unless it is damaged or
        lacks a delta_rel or a network that this one has.

        Raises:
            RunError: no space, or the file cannot be written. What is in the store stays.
        """
        with self._base.writing():
            old = self.get(record.key)
            if old is not None:
                if not _adds(record, old):
                    return old == record
                lacking = [name for name in _OPTIONAL if getattr(record, name) is None]
                record = sealed(replace(record, **{name: getattr(old, name) for name in lacking}))
            self._put("runs", astuple(record))
        return True

    def _put(self, table: str, values: Sequence[Any]) -> None:
        self._base.ask(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(values))})", values)

    def find(
        self,
        data_digest: str,
        recipe: Recipe,
        alignment: AlignmentConfig | None,
        *,
        code: str | None = None,
        device: str | None = None,
    ) -> dict[int, Record]:
        """The runs of one configuration by seed; all of one version of the program, see `version`, and of one type of
        device, see `device`."""
        code = self.version(data_digest, recipe) if code is None else code
        kind = self.device(data_digest, recipe, code) if device is None else device_type(device)
        same = alignment_columns(alignment)
        digest = recipe_digest(recipe)
        found = self.rows(data_digest=data_digest, recipe_digest=digest, code=code, **same)
        return {r.seed: r for r in found if device_type(r.device) == kind}

    def version(self, data_digest: str, recipe: Recipe) -> str:
        """The version of the program whose runs on this set count: this one's if it has any, else the newest."""
        found = self._base.ask(
            "SELECT code FROM runs WHERE data_digest = ? AND recipe_digest = ? GROUP BY code ORDER BY max(created)",
            (data_digest, recipe_digest(recipe)),
        )
        versions = [code for (code,) in found]
        return NUMERICS_VERSION if NUMERICS_VERSION in versions or not versions else versions[-1]

    def device(self, data_digest: str, recipe: Recipe, code: str) -> str:
        """The type of device whose runs on this set count, for two types give other digits: the one with most runs."""
        found = self._base.ask(
            "SELECT device, count(*) FROM runs WHERE data_digest = ? AND recipe_digest = ? AND code = ? GROUP BY device",
            (data_digest, recipe_digest(recipe), code),
        )
        counts: Counter[str] = Counter()
        for device, count in found:
            counts[device_type(device)] += count
        return max(counts, key=lambda kind: (counts[kind], kind), default="cpu")

    # --- weights chosen on validation ---

    def choose(self, choice: Choice) -> None:
        """Records a choice in place of an earlier one for the same set, preset, recipe and program."""
        values = {**asdict(choice), "val_HM": json.dumps(choice.val_HM), "keys": json.dumps(choice.keys)}
        with self._base.writing():
            self._put("choices", list(values.values()))

    @property
    def choices(self) -> list[Choice]:
        """All choices on record."""
        found = self._base.ask("SELECT * FROM choices ORDER BY data, preset")
        return [Choice(*row[:-2], _numbers(row[-2]), _numbers(row[-1])) for row in found]  # type: ignore[call-arg]

    # --- slim exports ---

    def export_csv(self, path: Path, **where: Any) -> int:
        """Writes the intact records, each `slim`, and returns how many.

        Raises:
            RunError: the file cannot be written.
        """
        records = self.rows(**where)
        with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_SLIM)
            writer.writerows(
                [_cell(getattr(record, name)) for name in _SLIM] for record in map(slim, records)
            )
        return len(records)

    @classmethod
    def from_csv(cls, path: Path) -> Store:
        """A store in memory with the runs of a slim export, without config, per_class, history and networks.

        Raises:
            RunError: the file cannot be read, or a row is not what `export_csv` wrote.
        """
        try:
            with open(path, newline="", encoding="utf-8") as file:
                header, *lines = list(csv.reader(file)) or [[]]
        except (OSError, ValueError, csv.Error) as error:
            raise RunError(f"Cannot read {path}: {error}; export the runs anew.") from error
        if not set(COLUMNS) - _MAY_LACK <= set(header) <= set(COLUMNS):
            raise RunError(f"{path} is no export of a store of this version; export the runs anew.")
        store = cls(MEMORY)
        for number, line in enumerate(lines, start=2):
            store.add(_from_line(path, number, header, line))
        return store


_OPTIONAL = ("delta_rel", "delta_noise", "delta_covariance", "folder")  # what a run is asked for or not


def _adds(new: Record, old: Record) -> bool:
    return any(getattr(new, name) is not None and getattr(old, name) is None for name in _OPTIONAL)


def _cell(value: Any) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def _from_line(path: Path, number: int, header: Sequence[str], line: Sequence[str]) -> Record:
    values: dict[str, Any] = dict.fromkeys(DETAILS, "") | dict.fromkeys((*LATER_COLUMNS, "folder"))
    try:
        for name, text in zip(header, line, strict=True):
            kind = COLUMNS[name]
            if text == "" and kind not in (str, int, float):
                values[name] = None
            else:
                values[name] = (
                    int(text) if kind is int else float(text) if kind in (float, float | None) else text
                )
        record = Record(**values)
    except ValueError as error:
        raise RunError(f"Line {number} of {path} is damaged ({error}); export the runs anew.") from error
    if not record.intact:
        raise RunError(
            f"Line {number} of {path} (run {record.key}) is not what a run gave: its digest does not fit; "
            "export the runs anew."
        )
    return record


def _numbers(text: str) -> dict[float, Any]:
    return {float(weight): value for weight, value in json.loads(text).items()}
