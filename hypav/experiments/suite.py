"""What each table and figure of the paper compares, as configurations: the rows that one has to train for it.

The rows of prior work (CJME, AVGZSLNet) are not among them: the paper reports them, nobody here trains them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypav.alignment import Adaptive, AlignmentConfig, preset
from hypav.errors import SettingError
from hypav.experiments.paper import PaperSettings, paper_settings

__all__ = ["AVCA", "CURVATURES", "FIGURES", "MIXTURES", "SUITE", "TABLES", "Entry", "entries"]

TABLES = ("table1", "table2", "table3", "table4", "table5", "table6", "table7")
FIGURES = ("figure3", "figure4")
SUITE = (*TABLES, *FIGURES)

AVCA = "AVCA"
CURVATURES = (1.0, 0.8, 0.6, 0.4, 0.2, 0.1, 0.0, -0.1, -0.2, -0.4, -0.6, -0.8, -1.0)  # Table 3
MIXTURES = ("E+E", "E+S", "E+H", "S+S", "S+H", "H+H")  # Table 4


@dataclass(frozen=True)
class Entry:
    """One row of one table.

    row: the paper's label, e.g. "-0.2", "E+H", "2" (N_c), "phi_att". method: its name, e.g. "Hyper-single".
    weight and alignment: None for AVCA, which is the same run under any preset.
    """

    table: str
    row: str
    method: str
    preset: str
    weight: float | None
    alignment: AlignmentConfig | None


def entries(table: str, key: tuple[str, str] | None, preset_name: str, weight: float) -> tuple[Entry, ...]:
    """The configurations of a table or figure, AVCA first, in the paper's order.

    Args:
        table: one of SUITE.
        key: the paper's set whose k, N_c and c_0 are taken, e.g. ("UCF-GZSL", "cls"); None as for UCF-GZSL (main).
        preset_name: which alignment loss; the table says what in it varies.
        weight: of the alignment loss, in place of the preset's own.

    Raises:
        SettingError: there is no such table or preset, or the weight is negative.
    """
    if table not in _ROWS:
        raise SettingError(f"There is no {table!r}; choose {', '.join(SUITE)}.")
    base = preset(preset_name, weight=weight)
    found = [Entry(table, AVCA, AVCA, preset_name, None, None)]
    for row, method, changes in _ROWS[table](paper_settings(key)):
        found.append(Entry(table, row, method, preset_name, float(weight), replace(base, **changes)))
    return tuple(found)


Rows = Sequence[tuple[str, str, dict[str, Any]]]  # row, method, what the table sets in the preset


def _variants(settings: PaperSettings) -> Rows:
    """Tables 1 and 2: the three modules with the captions' curvatures."""
    return (
        ("Hyper-alignment", "Hyper-alignment", {"curvatures": (settings.k,)}),
        ("Hyper-single", "Hyper-single", {"curvatures": Adaptive(1, settings.c_0)}),
        ("Hyper-multiple", "Hyper-multiple", {"curvatures": Adaptive(settings.N_c, settings.c_0)}),
    )


def _curvatures(_: PaperSettings) -> Rows:
    """Table 3: one fixed curvature, spherical, flat, hyperbolic."""
    return tuple((str(k), _geometry(k), {"curvatures": (k,)}) for k in CURVATURES)


def _geometry(k: float) -> str:
    return "Hyper-alignment" if k < 0 else "Sphere-alignment" if k > 0 else "Euclidean-alignment"


def _mixtures(settings: PaperSettings) -> Rows:
    """Table 4: two heads with fixed curvatures, E = 0, S = |k|, H = -|k|.

    The paper does not say which curvatures it mixed. Its H+H of UCF-GZSL (cls) is to the digit Hyper-multiple with
    N_c = 2 of its Table 2, so those two were adaptive; fixed heads are what all six rows can have alike.
    """
    k = {"E": 0.0, "S": abs(settings.k), "H": -abs(settings.k)}
    return tuple((m, "Geometry-multiple", {"curvatures": (k[m[0]], k[m[2]])}) for m in MIXTURES)


def _counts(settings: PaperSettings) -> Rows:
    """Table 5: N_c adaptive curvatures; with one it is Hyper-single."""
    return tuple(
        (str(n), "Hyper-single" if n == 1 else "Hyper-multiple", {"curvatures": Adaptive(n, settings.c_0)})
        for n in (1, 2, 3)
    )


def _places(settings: PaperSettings) -> Rows:
    """Table 6: Hyper-single on other embeddings; its phi row is the Hyper-single of Table 1."""
    single = Adaptive(1, settings.c_0)
    return tuple(
        (where, "Hyper-single", {"curvatures": single, "aligned": where})
        for where in ("phi", "phi_att", "theta")
    )


_ROWS = {
    "table1": _variants,
    "table2": _variants,
    "table3": _curvatures,
    "table4": _mixtures,
    "table5": _counts,
    "table6": _places,
    "table7": lambda settings: _variants(settings)[:1],  # delta_rel of theta_v, AVCA against Hyper-alignment
    "figure3": lambda settings: _variants(settings)[2:],  # t-SNE of theta_v, AVCA against Hyper-multiple
    "figure4": lambda settings: _variants(settings)[2:],
}
