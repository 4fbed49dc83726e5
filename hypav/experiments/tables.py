"""The tables of the paper next to our runs, as DataFrames and as text.

`python -m hypav.experiments.tables` writes the tables of the recorded runs to notebooks/results/tables.md.
"""

from __future__ import annotations

import re
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from pandas import DataFrame, Series

from hypav.alignment import AlignmentConfig
from hypav.baselines import NETWORKS
from hypav.errors import SettingError, one_line
from hypav.experiments.configs import AVCA, TABLES, table_rows
from hypav.experiments.effects import (
    ABLATIONS,
    LEVEL,
    SAME,
    by_set,
    cases,
    course_runs,
    curvature_effects,
    differences,
    effects,
    family,
    mean_and_half,
    paper_gains,
    paper_key,
    results_path,
    runs_of,
    tuning,
)
from hypav.experiments.paper import Key, main_table, reported
from hypav.experiments.runs import load_runs
from hypav.stats import detectable_difference
from hypav.utils import replacing

FORMATS = ("markdown", "latex", "csv", "html")
NOT_RUN = "not run"
ESZSL = "ESZSL"
NOISE = (
    "delta_noise",
    "delta_covariance",
)  # delta_rel of Gaussian noise, and of noise with the covariance of theta_v
SIGNED = (
    "difference",
    "lowest difference",
    "highest difference",
    "paper gain",
    "k<0 minus the rest",
    "k<0 minus k>0",
    "minus k=0",
)
HUNDREDTHS = ("F", "sd over k", "sd over seeds", "equal to flat", "paper gain", "mean HM")
TITLES = {
    "table1": "main features: the three modules",
    "table2": "cls features: the three modules",
    "table3": "curvature of Hyper-alignment",
    "table4": "mixed geometries: E flat, S spherical, H hyperbolic",
    "table5": "number of adaptive curvatures N_c",
    "table6": "which embeddings Hyper-single aligns",
    "table7": "delta_rel of theta_v on test",
}


def paper_table(
    table: str,
    runs: DataFrame,
    *,
    preset: str,
    weight: float | None = None,
    pull: float | None = None,
    key: Key | None = None,
) -> DataFrame:
    """A table of the paper next to our runs on one set, in numbers; `as_text` rounds it.

    Args:
        table: "table1" to "table7".
        preset, weight, pull: of the alignment loss, by default with the preset's weight; AVCA's runs are the same
            for all.
        key: the paper's set; by default the one whose settings the runs take, or the one nearest to it.

    Returns:
        A row per row of the paper, then ESZSL if it was run: "paper HM", "HM", "HM ±" and the like (per cent, except
        delta_rel), "HM - AVCA" with "±" (paired by seed), "80 % power for" (the smallest difference that these seeds
        find in four experiments out of five), "n" seeds. ± is half of Student's 95 % interval. Where nothing ran there is
        no number. `caption` says of what the numbers are.

    Raises:
        SettingError: there is no such table or preset, the runs are of several sets, or weight and pull are both given.
    """
    if table not in TABLES:
        raise SettingError(f"There is no {table!r}; choose {', '.join(TABLES)}.")
    key = key or paper_key(runs)
    configured = table_rows(table, key, preset, weight, pull)
    paper = reported(table, key)
    compared = "delta_rel" if paper.metrics == ("delta_rel",) else "HM"
    scale = 1 if compared == "delta_rel" else 100
    own = {row.label: runs_of(runs, row.alignment).dropna(subset=list(paper.metrics)) for row in configured}
    linear = runs_of(runs, None, ESZSL).dropna(subset=list(paper.metrics))
    earlier = [name for name in NETWORKS if name in paper.rows and name not in own]
    own = {name: runs_of(runs, None, name) for name in earlier} | own
    own |= {} if linear.empty else {ESZSL: linear}
    labels = [*(label for label in paper.rows if label not in own), *own]
    noise = [
        c for c in NOISE if compared == "delta_rel" and any(part[c].notna().any() for part in own.values())
    ]
    records = []
    for label in labels:
        found = own.get(label, own[AVCA].head(0))
        record: dict[str, object] = {f"paper {m}": paper.rows.get(label, {}).get(m) for m in paper.metrics}
        for column in (*paper.metrics, *noise):
            record |= mean_and_half(column, (found[column].dropna() * scale).tolist())
        # ESZSL has no seed: its one run stands against every run of AVCA
        ours = found[compared] if label != ESZSL else float(found[compared].iloc[0])
        apart = ((ours - own[AVCA][compared]) * scale).dropna() if label != AVCA else Series(dtype=float)
        record |= mean_and_half(f"{compared} - {AVCA}", apart.tolist())
        record["80 % power for"] = detectable_difference(apart.tolist()) if len(apart) else None
        records.append(record | {"n": len(found)})
    result = DataFrame(records, index=pd.Index(labels, name="row")).astype(float).astype({"n": int})
    result.attrs = _about(table, runs, preset, configured[-1].alignment) | {
        "paper": "paper: {} ({})".format(*paper.key)
    }
    return result


def _about(table: str, runs: DataFrame, preset: str, loss: AlignmentConfig | None) -> dict[str, str]:
    assert loss is not None  # the last row of no table is AVCA
    about = {
        "title": f"Table {table[-1]}, {TITLES[table]}",
        "data": "no runs",
        "loss": f"{preset}, " + (f"weight {loss.weight:g}" if loss.pull is None else f"pull {loss.pull:g}"),
    }
    if not runs.empty:
        first = runs.iloc[0]
        about["data"] = f"ours: {next(iter(by_set(runs)))}, digest {first['data_digest'][:8]}"
        about["runs"] = f"recipe {first['recipe']}, numerics {first['code']}"
    return about


def caption(table: DataFrame) -> str:
    """What a `paper_table` is of, in one line: its number, the data, the loss, the runs and the paper's set."""
    return "; ".join(table.attrs.values())


def as_text(table: DataFrame, digits: int | None = None) -> DataFrame:
    """A DataFrame of `paper_table` or `hypav.experiments.effects` for a reader: rounded, with "34.5 ± 2.6" in one cell.

    Of a case only the name is shown, and not the values per seed.

    Args:
        digits: decimals; by default one, and three for delta_rel.
    """
    hidden = {"preset", "weight", "pull", "tuned", "table", "values"} if "case" in table else set()
    digits = (3 if "delta_rel" in table else 1) if digits is None else digits
    table = table if table.index.name else table.reset_index(drop=True)
    result = DataFrame(index=table.index)
    for name in (name for name in table if name not in hidden and not name.endswith(" ±")):
        column, signed = table[name], name in SIGNED or name.endswith(AVCA)
        if name in ("p", "p, k=0") or "p Holm" in name:
            result[name] = ["" if pd.isna(p) else "< 0.001" if p < 0.001 else f"{p:.3f}" for p in column]
        elif name == "weight":
            result[name] = [f"{weight:g}" for weight in column]
        elif column.dtype == bool:
            result[name] = ["yes" if value else "" for value in column]
        elif column.dtype == float:
            places = 2 if name in HUNDREDTHS or name.startswith("paper ") else digits
            halves = table.get(f"{name} ±", Series(index=table.index, dtype=float))
            result[name] = [number(v, places, signed, half) for v, half in zip(column, halves, strict=True)]
            if f"{name} ±" in table and "n" in table and not signed:
                result.loc[table["n"] == 0, name] = NOT_RUN
        else:
            result[name] = column.map(one_line)
    result.attrs = dict(table.attrs)
    return result


def number(value: float | None, digits: int = 1, signed: bool = False, half: float | None = None) -> str:
    """A number for a reader: "34.5", "+0.3", "−0.2 ± 1.0"; 0.0 has no sign, and a missing number is an empty text."""
    if value is None or pd.isna(value):
        return ""
    rounded = round(float(value), digits) + 0.0
    text = f"{rounded:{'+' if signed and rounded else ''}.{digits}f}".replace("-", "−")
    return text if half is None or pd.isna(half) else f"{text} ± {half:.{digits}f}"


def overview(table: str, runs: DataFrame) -> DataFrame:
    """A table of the paper next to all cases that ran, as text: the mean HM (Table 7: delta_rel) and in brackets the
    difference to AVCA, with a star if its 95 % interval excludes 0, and n where the rows of a case differ in seeds.
    """
    result = DataFrame()
    for case in cases(runs).itertuples(index=False):
        weight, pull = (None if pd.isna(value) else value for value in (case.weight, case.pull))
        own = paper_table(table, runs, preset=case.preset, weight=weight, pull=pull)
        compared = "delta_rel" if "delta_rel" in own else "HM"
        digits = 3 if compared == "delta_rel" else 1
        if result.empty:
            result = DataFrame(
                {f"paper {compared}": [number(v, 2) for v in own[f"paper {compared}"]]}, index=own.index
            )
        several = own["n"].drop(ESZSL, errors="ignore").loc[lambda n: n > 0].nunique() > 1
        cells = []
        for n, mean, apart, half in own[
            ["n", compared, f"{compared} - {AVCA}", f"{compared} - {AVCA} ±"]
        ].itertuples(index=False):
            star = "*" if abs(apart) > half else ""
            inside = (number(apart, digits, True) or "–") + star + (f"; n {n:g}" if several else "")
            cells.append(f"{number(mean, digits)} ({inside})" if n else NOT_RUN)
        result[case.case] = cells
        result.attrs = own.attrs | {"loss": "all cases"}
    return result


def to_text(table: DataFrame, form: str = "markdown", *, digits: int | None = None) -> str:
    """A table as `as_text` has it in one of FORMATS, or in full numbers as CSV, with its `caption`; names are escaped.

    Raises:
        SettingError: there is no such format.
    """
    if form not in FORMATS:
        raise SettingError(f"There is no format {form!r}; choose {', '.join(FORMATS)}.")
    if form == "csv":
        return csv_text(table.assign(**table.attrs)).rstrip("\n")
    text, head = as_text(table, digits), one_line(caption(table))
    text = text.reset_index() if text.index.name else text
    if form == "html":
        title = f"<caption>{escape(head)}</caption>\n  <thead>" if head else "<thead>"
        return text.to_html(index=False, border=0).replace("<thead>", title, 1)
    if form == "latex":
        body = text.to_latex(index=False, escape=True).rstrip("\n")
        return (f"% {head}\n" if head else "") + re.sub("[±−<>]", lambda found: _LATEX[found.group()], body)
    body = text.rename(columns=markdown).map(markdown).to_markdown(index=False, disable_numparse=True)
    return f"**{markdown(head)}**\n\n{body}" if head else body


_LATEX = {"±": r"$\pm$", "−": "$-$", "<": "$<$", ">": "$>$"}


def csv_text(table: DataFrame, digits: int | None = None) -> str:
    """A table as CSV. A text that a spreadsheet would take for a formula gets an apostrophe before it.

    Args:
        digits: decimals; by default all that a number has.
    """
    table = table.reset_index() if table.index.name else table
    form = None if digits is None else f"%.{digits}f"
    return table.map(_no_formula).to_csv(index=False, float_format=form, lineterminator="\n")


def _no_formula(cell: Any) -> Any:
    """The cell, with an apostrophe before a text that begins like a formula and is no number (OWASP, CSV injection)."""
    if not isinstance(cell, str) or cell[:1] not in tuple("=+-@\t\r"):
        return cell
    with suppress(ValueError):
        float(cell)
        return cell
    return f"'{cell}"


def markdown(text: object) -> str:
    """A text on one line, with the signs escaped that mean something in Markdown."""
    return re.sub(r"([\\|$*`<\[\]])", r"\\\1", one_line(text))


def processors(folder: Path) -> tuple[DataFrame, DataFrame]:
    """The same runs as on several processors, from the files processor-*.csv of a folder.

    Returns:
        file, processor, runs and "mean HM" (per cent) of each; and, as one row, how far HM of one run differs between
        them in points: mean, median and largest over the runs.
    """
    parts = {path.name: load_runs(path).set_index("key") for path in sorted(folder.glob("processor-*.csv"))}
    HM = DataFrame({name: part["HM"] * 100 for name, part in parts.items()}).dropna()
    apart = HM.max(axis=1) - HM.min(axis=1)
    rows = [(name, part["cpu"].iloc[0], len(HM), HM[name].mean()) for name, part in parts.items()]
    means = DataFrame(rows, columns=["file", "processor", "runs", "mean HM"])
    return means, DataFrame({"mean": [apart.mean()], "median": [apart.median()], "largest": [apart.max()]})


def course_tables(runs: DataFrame) -> str:
    """Every table of the recorded runs as one page of Markdown."""
    parts = [
        "# Tables of the recorded runs",
        "Written by `python -m hypav.experiments.tables`; [RESULTS.md](../RESULTS.md) says what they mean. HM, S, U and "
        "ZSL in per cent, differences in points; ± is half of Student's 95 % interval over the seeds.",
    ]
    for name, part in by_set(runs).items():
        key, first = paper_key(part), part.iloc[0]
        main = main_table(key)
        modules, deltas = differences(part, main), effects(differences(part, "table7", "delta_rel"))
        ablations = differences(part, (main, *ABLATIONS))
        ablations = effects(ablations[ablations["table"] != main])
        families = [
            family(effects(modules), "Table 1, each objective once"),
            family(effects(modules.assign(**{SAME: ""})), "Table 1, every row"),
            family(ablations, "Tables 3 to 6, each objective once"),
        ]
        parts += [
            f"## {name}",
            f"Digest {first['data_digest'][:8]}, recipe {first['recipe']}, numerics {first['code']}, {len(part)} runs, "
            f"{len(runs_of(part, None))} seeds of AVCA, median {part['seconds'].median():.1f} s per run.",
            "### Differences to AVCA",
            to_text(pd.concat(families)),
            to_text(effects(modules)),
            to_text(paper_gains(effects(modules), key)),
            "Rows of Tables 3 to 6 with p < 0.05 before the correction:",
            to_text(ablations[ablations["p"] < LEVEL]),
            "delta_rel, Table 7:",
            to_text(family(deltas, "Table 7"), digits=3),
            to_text(deltas, digits=3),
            "### The weight that validation chose",
        ]
        chosen = [
            tuning(part, key, preset).assign(preset=preset) for preset in cases(part)["preset"].unique()
        ]
        parts += [
            to_text(pd.concat(chosen)[["preset", "weight", "val_HM", "chosen"]]),
            "### The tables of the paper",
        ]
        for table in TABLES:
            if table not in ("table1", "table2") or table == main:  # the other one would show the same runs
                parts += [to_text(overview(table, part))]
                parts += [to_text(paper_table(table, part, preset="printed", weight=1.0))]
    between, ranges = processors(results_path())
    parts += [
        "## Curvature, Table 3",
        to_text(curvature_effects(runs)),
        "## Processors",
        to_text(between),
        to_text(ranges),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    with replacing(results_path() / "tables.md") as temporary:
        temporary.write_text(course_tables(course_runs()), encoding="utf-8")
