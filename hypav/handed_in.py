"""Notebooks that students hand in: each check of the page is run on what the student wrote, and gives a row.

Each notebook runs in a process of its own: `python -m hypav.handed_in NOTEBOOK ROWS`. The process has a time limit, an
empty working folder and no input. It runs no other programs, opens no network connection, and writes nothing outside its
folder; a cell that tries stops with an error, and the next cell runs. This stops accidents. It is no protection against
an attack: notebooks of strangers belong in a container.
"""

from __future__ import annotations

import ast
import importlib
import json
import linecache
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib

from hypav.checks.framework import NOT_YET, WRONG, Verdict
from hypav.errors import DataError, one_line

if TYPE_CHECKING:
    import pandas as pd

NOT_RUN = "Not run"
Row = tuple[str, str, str]  # exercise, outcome, sentence

_IMPORT = re.compile(r"^\s*from hypav\.checks import (\w+) as check\b", re.MULTILINE)
_REFUSED = ("socket.connect", "socket.bind", "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty",
            "os.posix_spawn", "os.kill", "os.killpg", "pty.spawn")  # fmt: skip
_CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.chmod", "os.chown",
            "os.truncate", "shutil.rmtree")  # fmt: skip
_CELL = 0.5  # the share of the time limit that one cell may take
_MAX_BYTES = 50_000_000


def check_folder(folder: Path | str, *, seconds: int = 300, jobs: int | None = None) -> pd.DataFrame:
    """The outcome of each exercise in each notebook of a folder and the folders in it.

    Args:
        folder: of the handed-in notebooks, in any order below it.
        seconds: the time limit of a notebook. Exercises that were not reached are "Not run".
        jobs: notebooks at a time; by default one per core.

    Returns:
        A row an exercise: file, exercise, outcome, sentence. A file that cannot be used is one row.

    Raises:
        DataError: there is no such folder, or no notebook in it.
    """
    import pandas as pd

    folder = Path(folder)
    paths = sorted(p for p in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    if not paths:
        raise DataError(
            f"There is no notebook in {folder}." if folder.is_dir() else f"{folder} is not a folder."
        )
    expected()  # once, not in every thread
    with ThreadPoolExecutor(jobs or joblib.cpu_count()) as pool:
        found = list(pool.map(lambda path: check_notebook(path, seconds=seconds), paths))
    rows = [(str(p.relative_to(folder)), *row) for p, part in zip(paths, found, strict=True) for row in part]
    return pd.DataFrame(rows, columns=["file", "exercise", "outcome", "sentence"])


def check_notebook(path: Path | str, *, seconds: int = 300) -> list[Row]:
    """The rows of one notebook. A file that cannot be used gives one row that says why."""
    path = Path(path).resolve()
    try:
        cells = _code(path)
        page = _page(cells)
    except DataError as error:
        return [("", NOT_RUN, str(error))]
    from hypav.handouts import kernel_environment

    with tempfile.TemporaryDirectory(prefix="hypav-check-") as name:
        place = Path(name)
        (place / "work").mkdir()
        _copy_runs(place / "work")
        (place / "cells.json").write_text(json.dumps(cells), encoding="utf-8")
        rows = place / "rows.jsonl"
        environment = kernel_environment(
            {"HOME": name, "MPLCONFIGDIR": name, "IPYTHONDIR": name, "TMPDIR": name}
        )
        command = [
            sys.executable,
            "-m",
            "hypav.handed_in",
            str(place / "cells.json"),
            str(rows),
            str(seconds),
        ]
        package = str(Path(__file__).parents[1])
        environment["PYTHONPATH"] = os.pathsep.join([package, *filter(None, [environment.get("PYTHONPATH")])])
        process = subprocess.Popen(
            command,
            cwd=place / "work",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
        done = _read_rows(rows)
    rest = (
        f"the notebook took longer than {seconds} s." if code is None else f"its process ended with {code}."
    )
    missing = (NOT_YET, "there is no cell with this check.") if code == 0 else (NOT_RUN, rest)
    return [(f"{number} {name}", *done.get(name, missing)) for number, name in enumerate(expected()[page], 1)]


@cache
def expected() -> dict[str, list[str]]:
    """The page's module of checks -> the names of its checks in the order of the exercises, from the course."""
    from hypav.site import course_folder

    pages = {}
    for path in sorted(course_folder().glob("*.ipynb")):
        text = "\n\n".join(_code(path))
        if module := _IMPORT.search(text):
            pages[module.group(1)] = list(dict.fromkeys(re.findall(r"^check\.(\w+)\(", text, re.MULTILINE)))
    return pages


def _code(path: Path) -> list[str]:
    """The source of each code cell.

    Raises:
        DataError: it is not a notebook.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"the file is larger than {_MAX_BYTES // 10**6} MB.")
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"this is not a notebook: {type(error).__name__}: {one_line(error)[:200]}.") from None


def _page(cells: Sequence[str]) -> str:
    found = _IMPORT.search("\n\n".join(cells))
    if found is None or found.group(1) not in expected():
        raise DataError("no cell imports the checks of a page: from hypav.checks import ... as check.")
    return found.group(1)


def _copy_runs(folder: Path) -> None:
    """The recorded runs that pages read from their folder."""
    from hypav.site import RUNS, course_folder

    if (course_folder() / RUNS).exists():
        (folder / RUNS.parent).mkdir()
        shutil.copy(course_folder() / RUNS, folder / RUNS)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it has started."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _read_rows(path: Path) -> dict[str, tuple[str, str]]:
    """name of a check -> outcome and sentence, as far as the process came. The last line may be cut off."""
    rows = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ():
        try:
            name, outcome, sentence = json.loads(line)
        except ValueError:
            continue
        rows[str(name)] = (str(outcome), one_line(sentence))
    return rows


# --- in the process ---


def run_cells(cells: Sequence[str], page: str, seconds: float) -> Iterator[tuple[str, Verdict]]:
    """Run cells in one namespace. For each `check.name(answer)` in them the page's own check judges the answer.

    A cell that fails does not stop the others. Lines for IPython and the shell, `%...` and `!...`, are left out.
    """
    checks = vars(importlib.import_module(f"hypav.checks.{page}")).copy()
    space: dict[str, Any] = {"__name__": "__main__", "display": lambda *_, **__: None}
    for number, cell in enumerate(cells):
        source = re.sub(r"^[ \t]*[%!].*$", "", cell, flags=re.MULTILINE)
        file = f"<cell {number}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        try:
            body = ast.parse(source).body
        except (SyntaxError, ValueError) as error:
            for name in re.findall(r"^check\.(\w+)\(", source, re.MULTILINE):
                yield name, Verdict(WRONG, f"the cell is not valid Python: {one_line(error)}.")
            continue
        asked = {id(node): call for node in body if (call := _call(node, checks))}
        rest = ast.Module([node for node in body if id(node) not in asked], [])
        failed, _ = _attempt(seconds, lambda code, file: exec(compile(code, file, "exec"), space), rest, file)
        for call in asked.values():
            name = call.func.attr  # type: ignore[attr-defined]
            code = ast.Expression(call.args[0])
            wrong, verdict = _attempt(
                seconds,
                lambda name, code, file: checks[name](eval(compile(code, file, "eval"), space)),
                name,
                code,
                file,
            )
            yield name, next(v for v in (failed, wrong, verdict) if v is not None)  # a wrong one is false


def _call(node: ast.stmt, checks: dict[str, Any]) -> ast.Call | None:
    """The call check.name(answer) in a statement check.name(answer) or check.name(answer).keep()."""
    found = node.value if isinstance(node, ast.Expr) else None
    while isinstance(found, ast.Call) and isinstance(found.func, ast.Attribute):
        owner = found.func.value
        if isinstance(owner, ast.Name):
            return (
                found if owner.id == "check" and found.func.attr in checks and len(found.args) == 1 else None
            )
        found = owner if isinstance(owner, ast.Call) else None
    return None


def _attempt(seconds: float, action: Callable[..., Any], *args: Any) -> tuple[Verdict | None, Any]:
    """The verdict on a cell that stopped with an error, or None, and what the action gave."""
    try:
        with _limit(seconds):
            return None, action(*args)
    except NotImplementedError:
        told = Verdict(NOT_YET, "the cell is still to be written.")
    except _TooLong:
        told = Verdict(WRONG, "the cell does not end in time. Is there a loop without an end?")
    except (Exception, SystemExit) as error:  # the student's code
        told = Verdict(WRONG, f"the cell stopped with {type(error).__name__}: {one_line(error)[:300]}")
    return told, None


class _TooLong(BaseException):
    """The alarm; not an Exception, which a cell or a check may catch."""


@contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """A time limit for a block, where the system has alarms."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _stop(*_: Any) -> None:
    raise _TooLong


def _refuse_all_outside(folder: Path) -> None:
    """From now on this process opens no connection, starts no program and changes nothing outside `folder`."""
    inside = str(folder.resolve()) + os.sep

    def is_inside(path: Any) -> bool:
        if isinstance(path, int) or path is None:
            return True
        return (os.path.realpath(os.fsdecode(path)) + os.sep).startswith(inside) or path in (
            "/dev/null",
            b"/dev/null",
        )

    def watch(event: str, args: tuple[Any, ...]) -> None:
        if event in _REFUSED:
            raise PermissionError(f"{event} is not allowed while notebooks are checked")
        if event == "open":
            path, mode, flags = args
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            if (writes or set(mode or "") & set("wax+")) and not is_inside(path):
                raise PermissionError(f"writing {one_line(path)} is not allowed while notebooks are checked")
        elif event in _CHANGES and not all(is_inside(p) for p in args[: 1 + (event == "os.rename")]):
            raise PermissionError(f"{event} outside its folder is not allowed while notebooks are checked")

    sys.addaudithook(watch)


def _main(cells: Path, rows: Path, seconds: float) -> None:
    importlib.import_module(
        "hypav.figures.style"
    )  # loads matplotlib and its fonts, before the process is shut in
    sources = json.loads(cells.read_text(encoding="utf-8"))
    page = _page(sources)
    with rows.open("w", encoding="utf-8") as file:
        _refuse_all_outside(cells.parent)
        sys.dont_write_bytecode = True
        for name, verdict in run_cells(sources, page, _CELL * seconds):
            print(json.dumps([name, verdict.outcome, verdict.text]), file=file, flush=True)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
