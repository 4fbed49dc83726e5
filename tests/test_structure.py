"""House rules that a machine can check: the order of imports, no pickles, no environment, docstrings, names in prose."""

from __future__ import annotations

import ast
import importlib
import json
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "hypav"
FILES = sorted(PACKAGE.rglob("*.py"))

# every module imports only from those before it
ORDER = (
    *("errors", "utils", "trigonometry", "geometry", "hyperbolicity", "trees"),
    *(
        "data.files",
        "data.features",
        "data.simulated",
        "data.vectors",
        "data.official",
        "data.yt8m",
        "data.yt8m_build",
        "data.load",
    ),
    *("data.batches", "data.verify", "data"),
    *(
        "embeddings",
        "stats",
        "avca",
        "losses",
        "alignment",
        "evaluation",
        "eszsl",
        "capture",
        "competent",
        "baselines",
        "training",
        "processors",
    ),
    *("experiments.paper", "experiments.configs", "experiments.runs", "experiments.effects"),
    *("experiments.planted", "experiments.evidence", "experiments.contrasts", "experiments.competent"),
    *("experiments.tables", "experiments.ledger", "experiments.comparison", "experiments.grid"),
    *("experiments.reproduce", "experiments"),
    *("figures.style", "figures.explorer", "figures.page_scripts", "figures.shapes"),
    *("figures.runs", "figures.evidence", "figures"),
    *(
        "experiments.figures",
        "experiments.report",
    ),  # draw the paper's Figures 3 and 4, and those of RESULTS.md
    *("student", "checks.framework", "checks"),
    *("handouts", "formulas", "pages", "search", "slides", "site", "predictions", "gift", "handed_in", "cli"),
    "__main__",
)
ANY_ORDER = ("figures", "checks")  # in these folders the notebooks' modules have no order among themselves


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def rank(name: str) -> int:
    """The place of a module, or else of its folder, in ORDER."""
    known = name if name in ORDER else name.partition(".")[0]
    assert known in ORDER, f"put {name} into ORDER"
    return ORDER.index(known)


def imports(path: Path) -> set[str]:
    """The modules of hypav that a file imports, at its top or inside a function."""
    modules = {module(file) for file in FILES}
    names: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name.removeprefix("hypav.") in modules else str(node.module) for name in full}
    return {name.removeprefix("hypav.") for name in names if name.startswith("hypav.")}


def test_imports_flow_one_way() -> None:
    for path in FILES:
        name = module(path)
        for other in (
            imports(path) if path != PACKAGE / "__init__.py" else ()
        ):  # the lazy API imports from everywhere
            folder, _, leaf = name.partition(".")
            siblings = folder in ANY_ORDER and leaf and name not in ORDER and other.startswith(f"{folder}.")
            inside = other.startswith(f"{name}.")  # a folder's __init__
            assert rank(other) < rank(name) or siblings or inside, f"{name} imports {other}"


FORBIDDEN = {"pickle.load", "pickle.loads", "torch.manual_seed", "np.random.seed", "random.seed"}
# handouts gives the environment to a notebook's kernel
READ_THE_ENVIRONMENT = {"handed_in.py", "load.py", "handouts.py", "processors.py", "student.py"}


def test_no_pickle_no_global_seed_no_hidden_environment_and_docstrings_for_all_that_is_public() -> None:
    for path in FILES:
        assert "os.environ" not in path.read_text(encoding="utf-8") or path.name in READ_THE_ENVIRONMENT, path
        for node in nodes(path):
            place = f"{path}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call):
                call = ast.unparse(node.func)
                options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert call not in FORBIDDEN, f"{place} calls {call}"
                assert call != "torch.load" or options.get("weights_only") == "True", place
                assert options.get("allow_pickle", "False") == "False", place
            if isinstance(node, ast.Import | ast.ImportFrom) and node.col_offset == 0:
                assert "distributed" not in ast.unparse(node), f"{place}: only a cluster needs it"
            if isinstance(node, ast.Assign) and path.name != "__init__.py":
                assert "__all__" not in map(ast.unparse, node.targets), place
            if isinstance(node, ast.Module):
                public = [n for n in node.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
                for definition in public:
                    assert definition.name.startswith("_") or ast.get_docstring(definition), (
                        f"{path}: {definition.name} has no docstring"
                    )


def exists(dotted: str) -> bool:
    """Whether hypav.a.b.c is a module or an attribute."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        return True
    return False


def test_names_in_the_readme_and_in_the_notebooks_exist() -> None:
    texts = {"README.md": (ROOT / "README.md").read_text(encoding="utf-8")}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts[path.name] = "\n".join("".join(cell["source"]) for cell in cells)
    for place, text in texts.items():
        # not file names and addresses: hypav.egg-info, hypav.readthedocs.io
        names = re.findall(r"(?<![\w/.])hypav(?:\.[A-Za-z_]\w*)+|\bhv(?:\.[A-Za-z_]\w*)+", text)
        for name in sorted({re.sub(r"^hv\b", "hypav", name) for name in names}):
            assert exists(name), f"{place} mentions {name}"
