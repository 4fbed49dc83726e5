"""What a student has written: kept in a file that he can read, `mine.py`, and used by the later pages of the course.

`check.project(my_project).keep()` stores the source of a function that passed its check; `hv.mine("my_project")` gives it
back in another notebook. Where nothing is kept, `mine` gives the package's function with the same signature.

The environment variable HYPAV_MINE names another file. `HYPAV_MINE=none` stores and reads nothing: so the course's own
pages are executed.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import linecache
import os
import pkgutil
import re
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hypav.errors import DataError, HypavError, SettingError, one_line
from hypav.utils import replacing

MINE_VARIABLE = "HYPAV_MINE"

# What a page keeps -> the package's own, "module:attribute". For a check it is the check's reference, which has the
# student's signature. Each page adds its rows here.
PACKAGE: dict[str, str] = {
    "my_recalls": "hypav.checks.start_here:recalls",
    "my_gzsl": "hypav.checks.start_here:gzsl",
    "my_cosines": "hypav.checks.start_here:cosines",
    "my_answers": "hypav.checks.zero_shot:answers",
    "my_metrics": "hypav.checks.zero_shot:metrics",
    "my_evaluate": "hypav.checks.zero_shot:evaluate",
    "my_project": "hypav.checks.poincare_ball:project",
    "my_mobius_add": "hypav.checks.poincare_ball:mobius_add",
    "my_expmap0": "hypav.geometry:expmap0",
    "my_logmap0": "hypav.geometry:logmap0",
    "my_distance": "hypav.checks.poincare_ball:distance",
    "my_tree": "hypav.checks.poincare_ball:tree",
    "my_tan_k": "hypav.geometry:tan_k",
    "my_artan": "hypav.checks.three_geometries:artan_k",
    "my_artan_k": "hypav.checks.three_geometries:artan_through_zero",
    "my_distance_k": "hypav.checks.three_geometries:distance_k",
    "my_safe_logmap0": "hypav.checks.numerics_and_names:safe_logmap0",
    "my_steady_distance": "hypav.checks.numerics_and_names:steady_distance",
    "my_k": "hypav.checks.numerics_and_names:sectional_curvature",
    "my_delta_rel": "hypav.checks.trees:delta_rel",
    "my_running_mean": "hypav.checks.batch_norm:running_mean",
    "my_statistics": "hypav.checks.batch_norm:statistics",
    "my_damage": "hypav.checks.batch_norm:damage",
    "my_row_scale": "hypav.checks.does_curvature_matter:row_scale",
    "my_change": "hypav.checks.does_curvature_matter:change",
    "my_loss": "hypav.checks.does_curvature_matter:loss",
    "MyAttention": "hypav.checks.avca:attention",
    "my_triplet": "hypav.checks.avca:triplet",
    "my_theta_losses": "hypav.checks.avca:theta_losses",
    "my_tree_distance": "hypav.checks.trees:tree_distance",
    "my_four_point_delta": "hypav.checks.trees:four_point_delta",
    "my_separation": "hypav.checks.seeing_embeddings:separation",
    "my_kin": "hypav.checks.seeing_embeddings:kin",
    "my_kinship": "hypav.checks.seeing_embeddings:kinship",
    "my_videos": "hypav.checks.own_data:videos",
    "my_words": "hypav.checks.own_data:words",
    "my_reader": "hypav.checks.own_data:reader",
    "my_head_correlation": "hypav.checks.hyper_multiple:head_correlation",
    "my_tangent": "hypav.checks.hyper_alignment:tangent",
    "my_eq4": "hypav.checks.hyper_alignment:eq4",
    "my_alignment_loss": "hypav.checks.hyper_alignment:alignment",
    "MyCurvatureLayer": "hypav.checks.hyper_single:layer",
    "my_row_tangent": "hypav.checks.hyper_single:row_tangent",
    "my_single_loss": "hypav.checks.hyper_single:single_loss",
    "my_multi_head": "hypav.checks.hyper_multiple:multi_head",
    "my_distance_head": "hypav.checks.hyper_multiple:distance_head",
    "my_gain": "hypav.checks.competent:gain",
    "my_line": "hypav.checks.competent:path",
    "MySkip": "hypav.competent:Skip",
    "my_interval": "hypav.checks.tables:interval",
    "my_holm": "hypav.checks.tables:holm",
    "my_permutation_test": "hypav.checks.tables:permutation_test",
}

_IMPORTS = '''"""What I wrote in the course. A check that passes puts it here; hv.mine takes it from here."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import hypav as hv
'''
_HEADER = re.compile(r"^# --- (\w+): passed ([\w.]*) ---$", re.MULTILINE)
_MARKS = re.compile(r"^[ \t]*### (BEGIN|END) SOLUTION\n?", re.MULTILINE)


def mine_file() -> Path | None:
    """The file of kept functions: `mine.py` in the working folder or what HYPAV_MINE names. None if that is `none`."""
    named = os.environ.get(MINE_VARIABLE) or "mine.py"
    return None if named == "none" else Path(named).expanduser()


def keep(function: Any, check: Any = None) -> str:
    """Store the source of a function or class that passed `check` in `mine_file()`; a section of its name is replaced.

    Returns:
        A sentence that says that it is kept, or why it is not; empty if nothing is to be kept.
    """
    path, name = mine_file(), getattr(function, "__name__", "")
    if path is None or not callable(function):
        return ""
    try:
        if not name.isidentifier():
            raise DataError("it has no name: write it with def")
        source = source_of(function)
        start, sections = _read(path)
        sections[name] = (_address(check), source)
        _loaded_and_checked(name, start, sections, check)
        text = start.rstrip("\n") + "\n"
        for each, (address, body) in sections.items():
            text += f"\n\n# --- {each}: passed {address} ---\n{body}"
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except HypavError as error:
        return f"Not kept: {str(error).rstrip('.')}."
    return "Kept for later pages."


def mine(name: str) -> Callable[..., Any]:
    """The function or class that the student kept under `name`, or the package's own if there is none.

    A kept one that no longer runs or no longer passes its check is named in a printed sentence; the package's is taken.

    Raises:
        SettingError: neither the student nor the package has anything of this name.
    """
    path = mine_file()
    if path is not None and path.exists():
        try:
            start, sections = _read(path)
            if name in sections:
                return _loaded_and_checked(name, start, sections, _check_at(sections[name][0]))
        except HypavError as error:
            if name not in PACKAGE:
                raise
            print(
                f"Your {name} in {path} is not used: {str(error).rstrip('.')}. The package's is used instead."
            )
    if name not in PACKAGE:
        raise SettingError(
            f"There is no {name!r}: no check has kept one, and the package has none. Known: {', '.join(PACKAGE)}."
        )
    return package_version(name)


def package_version(name: str) -> Callable[..., Any]:
    """The package's function or class behind a name of PACKAGE."""
    module, _, attribute = PACKAGE[name].partition(":")
    found = getattr(importlib.import_module(module), attribute)
    return getattr(found, "reference", found)  # type: ignore[no-any-return]


def source_of(function: Any) -> str:
    """The source of a function or class, dedented, without the comments that mark a solution.

    In a notebook `inspect.getsource` finds functions but no classes; those are looked up in the cell of a method.

    Raises:
        DataError: there is no source.
    """
    try:
        if isinstance(function, type):
            code = next(v.__code__ for v in vars(function).values() if inspect.isfunction(v))
            text = "".join(linecache.getlines(code.co_filename))
            node = next(
                n
                for n in ast.walk(ast.parse(text))
                if isinstance(n, ast.ClassDef)
                and n.name == function.__name__
                and n.lineno <= code.co_firstlineno <= (n.end_lineno or n.lineno)
            )
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            source = "\n".join(text.splitlines()[first - 1 : node.end_lineno])
        else:
            source = inspect.getsource(function)
    except (OSError, TypeError, StopIteration, SyntaxError):
        raise DataError("its source is not to be found: define it in a cell of the notebook") from None
    source = _MARKS.sub("", textwrap.dedent(source)).rstrip() + "\n"
    if not source.startswith(("def ", "class ", "@")):
        raise DataError("it has no name of its own: write it with def")
    return source


def _read(path: Path) -> tuple[str, dict[str, tuple[str, str]]]:
    """The text before the first section of a file, and its sections: name -> (address of the check, source)."""
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else _IMPORTS
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {one_line(error)}") from None
    start, *parts = _HEADER.split(text)
    return start, {
        name: (address, body.strip("\n") + "\n")
        for name, address, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    }


def _loaded_and_checked(
    name: str, start: str, sections: Mapping[str, tuple[str, str]], check: Any
) -> Callable[..., Any]:
    """The function `name` of a file of this text, which has passed its check again.

    Raises:
        DataError: the text does not run, or the function does not pass.
    """
    space: dict[str, Any] = {"__name__": "mine"}
    # the name that linecache knows, so that inspect.getsource and tracebacks find the lines
    for part, body in {"mine": start, **{n: source for n, (_, source) in sections.items()}}.items():
        try:
            file = f"<mine.py: {part}>"
            linecache.cache[file] = (len(body), None, body.splitlines(keepends=True), file)
            exec(compile(body, file, "exec"), space)
        except Exception as error:  # the student's own code
            if part in ("mine", name):
                raise DataError(f"it no longer runs: {type(error).__name__}: {one_line(error)}") from None
    function = space.get(name)
    if not callable(function):
        raise DataError(f"its section does not define {name}")
    if check is not None and not (verdict := check(function)):
        if missing := re.search(r"name '(\w+)' is not defined", verdict.text):
            raise DataError(
                f"it uses {missing.group(1)}, which is defined outside it and not kept: define or import it inside {name}"
            )
        raise DataError(f"it no longer passes its check: {verdict.text}")
    return function  # type: ignore[no-any-return]


def _address(check: Any) -> str:
    """Where a check is: "poincare_ball.project"; empty if it belongs to no page."""
    checks = importlib.import_module("hypav.checks")

    for module in pkgutil.iter_modules(checks.__path__):
        loaded = importlib.import_module(f"hypav.checks.{module.name}")
        for name, value in vars(loaded).items():
            if check is not None and value is check:
                return f"{module.name}.{name}"
    return ""


def _check_at(address: str) -> Any:
    module, _, name = address.partition(".")
    if not name:
        return None
    try:
        return getattr(importlib.import_module(f"hypav.checks.{module}"), name, None)
    except ImportError:
        return None  # a page of another version of the package
