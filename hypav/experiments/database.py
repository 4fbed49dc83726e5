"""An SQLite file that several programs use at once, and what goes wrong with it as sentences."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from hypav.errors import RunError
from hypav.utils import make_folder

__all__ = ["MEMORY", "Database"]

MEMORY = ":memory:"
WAIT_SECONDS = 60.0  # for other programs that are writing


class Database:
    """The file `path` with the tables of `schema`, made if it is not there and `create`.

    SQLite's rollback journal, not its write-ahead log: the log takes one machine for all programs, and a right to write
    for those that read (https://www.sqlite.org/wal.html).

    Args:
        path: or MEMORY.
        application: a number by which the file is known as ours (PRAGMA application_id).
        version: of the schema (PRAGMA user_version).

    Raises:
        RunError: no such file, another kind of file, another version, damaged, or no right to read it.
    """

    def __init__(
        self, path: Path | str, *, schema: Sequence[str], application: int, version: int, create: bool
    ) -> None:
        self.path = path
        self._lock = RLock()  # one connection, used from joblib's threads too
        if path != MEMORY:
            _require_file(Path(path), create)
        with self.told():
            self._connection = sqlite3.connect(
                path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            # bytes that are no text are found by a record's digest
            self._connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            marks = [f"PRAGMA application_id = {application}", f"PRAGMA user_version = {version}"]
            if self._is_new():
                with self.writing():
                    for statement in (*schema, *marks) if self._is_new() else ():
                        self._connection.execute(statement)
        if self._number("application_id") != application:
            raise RunError(f"{path} is a database but no store of runs; give another file.")
        found = self._number("user_version")
        if found != version:
            raise RunError(
                f"{path} was written by {'an older' if found < version else 'a newer'} version of hypav (its format is "
                f"{found}, this one's {version}); nothing in it was changed: move it away and begin a new one, or use "
                "that version."
            )

    def _is_new(self) -> bool:
        empty = self._number("schema_version") == 0
        return empty and self._number("application_id") == 0

    def _number(self, name: str) -> int:
        return self.ask(f"PRAGMA {name}")[0][0]

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows that a statement gives."""
        with self.told():
            return self._connection.execute(statement, tuple(values)).fetchall()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of it or nothing, whatever moment the program ends at."""
        with self.told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def told(self) -> Iterator[None]:
        """Errors of SQLite as one sentence each."""
        with self._lock:
            try:
                yield
            except (sqlite3.Error, OSError) as error:
                raise RunError(_sentence(self.path, str(error))) from error

    def close(self) -> None:
        """Ends the connection; the file is whole at any time, closed or not."""
        with self.told():
            self._connection.close()


def _require_file(path: Path, create: bool) -> None:
    if path.exists() and not path.is_file():
        raise RunError(f"{path} is no file, so no store; give the store.sqlite itself.")
    if not path.exists() and not create:
        raise RunError(f"There is no store {path}; hypav reproduce makes one, or give another.")
    if not path.exists():
        make_folder(path.parent)


def _sentence(path: Path | str, problem: str) -> str:
    told = problem.lower()
    if "full" in told or "no space" in told:
        return (
            f"Cannot write {path}: no space is left. What is in it stays; runs under way go on from their last "
            "checkpoint, or begin anew where they were too short for one; free space and give the same command again."
        )
    if "locked" in told or "busy" in told:
        return f"Another program has held {path} for {WAIT_SECONDS:.0f} s; wait for it or end it, then try again."
    if "readonly" in told or "unable to open" in told:
        return f"Cannot write {path} ({problem}); give another folder, or the right to write."
    if "not a database" in told:
        return f"{path} is no store of runs; give another file, or move this one away."
    return (
        f"{path} is damaged ({problem}); move it away and begin a new one, "
        f"or save what can be read with: sqlite3 {path} .recover."
    )
