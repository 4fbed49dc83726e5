"""The house rules that a machine can hold: imports flow one way, nothing unpickles, no environment or global seed."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "hypav"

# every module imports only from earlier lines
ORDER = (
    ("errors",),
    ("files", "machine", "draws"),
    ("trigonometry",),
    ("geometry",),
    ("gromov",),
    ("hyperbolicity",),
    ("trees",),
    ("data",),
    ("embeddings",),
    ("linear",),
    ("layers",),
    ("avca",),
    ("checkpoint", "objective", "curvature"),
    ("alignment",),
    ("predictions",),
    ("protocol",),
    ("intervals", "spreads"),
    ("learner",),
    ("training", "together"),
    ("parity",),
    ("style",),
    ("plots",),
    ("experiments",),
    ("show",),
    ("widgets", "checks", "notebooks"),
    ("classroom",),
    ("cli",),
    ("__main__",),
)
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}
FILES = sorted(PACKAGE.rglob("*.py"))


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def layer(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return next((name for name in sorted(RANK, key=len, reverse=True) if parts[0].startswith(name)), parts[0])


def imports(path: Path) -> set[str]:
    """The modules directly below hypav that a file imports, at its top or inside a function."""
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module == "hypav":
            found |= {
                alias.name for alias in node.names if (PACKAGE / alias.name).with_suffix(".py").exists()
            }
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hypav."):
            found.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("hypav.")}
    return found


def test_imports_flow_one_way() -> None:
    assert imports(PACKAGE / "__init__.py") == set()
    for path in FILES:
        if path == PACKAGE / "__init__.py":
            continue
        own = layer(path)
        assert own in RANK, f"put {own} into ORDER"
        for name in imports(path):
            other = next((n for n in sorted(RANK, key=len, reverse=True) if name.startswith(n)), name)
            assert RANK[other] < RANK[own] or other == own, f"{path} ({own}) imports {name}"


FORBIDDEN = {
    ("pickle", "load"),
    ("pickle", "loads"),
    ("torch", "load"),
    ("torch", "manual_seed"),
    ("np.random", "seed"),
    ("random", "seed"),
}


def test_no_pickle_no_global_seed() -> None:
    for path in FILES:
        for node in nodes(path):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                call = (ast.unparse(node.func.value), node.func.attr)
                assert call not in FORBIDDEN, f"{path}:{node.lineno} calls {'.'.join(call)}"
                for keyword in node.keywords:
                    if keyword.arg == "allow_pickle":
                        assert ast.unparse(keyword.value) == "False", f"{path}:{node.lineno} unpickles"


def test_only_the_doors_read_the_environment() -> None:
    readers = {path.name for path in FILES if "os.environ" in path.read_text(encoding="utf-8")}
    assert readers <= {"doors.py", "execute.py"}  # the second hands it to a notebook's kernel


def test_what_only_a_cluster_needs_is_imported_where_it_is_used() -> None:
    for path in FILES:
        for node in nodes(path):
            if isinstance(node, ast.Import | ast.ImportFrom) and node.col_offset == 0:
                assert "distributed" not in ast.unparse(node), f"{path}:{node.lineno}"
