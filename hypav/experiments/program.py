"""The version of the program a result stands on: a hash of what the sources do, not of how they are written."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from functools import cache
from typing import Any

import torch

import hypav

__all__ = ["NEUTRAL", "code_version", "determining_modules", "meaning"]

ENTRIES = ("hypav.training", "hypav.experiments.measures")  # what trains a run, and what measures it

# These cannot change a number: they word errors, look for bad rows, write files, pick the device, and bring back a state
# bit for bit.
NEUTRAL = frozenset({"hypav.errors", "hypav.files", "hypav.machine", "hypav.checkpoint", "hypav.data.blocks"})


@cache
def code_version() -> str:
    """Twelve hex digits for the versions of hypav and torch and for all modules that determine a run's result.

    Comments, docstrings, layout, type annotations and the wording of errors do not count; any other edit does, even one
    that happens to give the same numbers.
    """
    sources = {name: meaning(_source(name)) for name in determining_modules()}
    text = json.dumps([hypav.__version__, torch.__version__, sources], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


@cache
def determining_modules() -> tuple[str, ...]:
    """ENTRIES and all that they import from this package, without NEUTRAL."""
    found: set[str] = set()
    waiting = list(ENTRIES)
    while waiting:
        name = waiting.pop()
        if name not in found | NEUTRAL:
            found.add(name)
            waiting += _imported(_source(name))
    return tuple(sorted(found))


def meaning(source: str) -> str:
    """A hash of a module's syntax tree without docstrings, annotations and the arguments of `raise`."""
    return hashlib.blake2b(json.dumps(_form(ast.parse(source))).encode(), digest_size=16).hexdigest()


def _source(name: str) -> str:
    spec = importlib.util.find_spec(name)
    source = None if spec is None else getattr(spec.loader, "get_source")(name)  # noqa: B009
    assert source is not None, name
    return source


def _imported(source: str) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "hypav":
            names += [f"hypav.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hypav."):
            names.append(str(node.module))
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names if alias.name.startswith("hypav.")]
    return names


_SILENT = {"annotation", "returns", "type_comment", "type_params", "kind"}


def _form(node: Any) -> Any:
    """The tree as lists; empty fields are left out, for they come and go with Python's versions."""
    if isinstance(node, list):
        return [_form(item) for item in node if not _is_docstring(item)]
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Raise):
        return ["Raise"]
    fields = [
        (name, _form(value))
        for name, value in ast.iter_fields(node)
        if name not in _SILENT and value is not None and value != []
    ]
    return [type(node).__name__, *fields]


def _is_docstring(node: Any) -> bool:
    """Also a string that stands alone elsewhere: neither does anything."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
