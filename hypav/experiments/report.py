"""Write what RESULTS.md quotes: the runs as two tables, its appendix, and its two figures.

`python -m hypav.experiments.report PATH …` gathers the runs of some folders or CSV files in `notebooks/results/runs.csv`;
without a path it reads that file. Runs of a set and recipe without all 13 curvatures go to further_runs.csv: they are in
no planned test. Then it writes evidence.md, forest.png and pull.png next to them. pulls.csv, which evidence.md shows too,
is `evidence.pulls_at_weight_1` of both sets.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from pandas import DataFrame, Series

from hypav.alignment import PRESETS
from hypav.errors import DataError
from hypav.experiments import planted as planted_tree
from hypav.experiments.configs import table_rows
from hypav.experiments.contrasts import (
    between_processors,
    curvature,
    forest,
    headline_gains,
    loudness,
    on_top,
    planned,
)
from hypav.experiments.effects import by_set, results_path
from hypav.experiments.evidence import (
    experiments,
    further_runs,
    one_processor,
    recorded_runs,
    with_cells,
)
from hypav.experiments.runs import METRICS, load_runs
from hypav.experiments.tables import csv_text, paper_table, to_text
from hypav.figures.evidence import plot_forest, plot_pull
from hypav.utils import replacing

FIRST_CODE = "released-2023"
PUBLISHED = "ucf-main"  # the published recipe of the set that the simulated features imitate
ORDER = ["data", "recipe", "cpu", "preset", "pull", "weight", "k", "curvatures", "seed"]
HEAD = """# Evidence: tables of the recorded runs

Written by `python -m hypav.experiments.report` from [runs.csv](runs.csv);
[RESULTS.md](../RESULTS.md) says what they mean. HM and ZSL are per cent, differences are points, and ± is half of
Student's 95 % interval over the seeds. Differences are paired by seed. Runs of one objective are averaged first: all
curvatures of the printed loss are one objective. "80 % power for" is the smallest true difference that these seeds find
in four experiments out of five. It is for a test at level 0.05; for a planned test, at 0.05 divided by the number of
tests.

Each number is a line of pandas:

```python
import pandas as pd
runs = pd.read_csv("runs.csv")
here = runs[(runs.data == "YT8M-GZSL (mini)") & ~runs.replicate & (runs.recipe == "yt8m-mini-course")]
100 * here[here.cell == "AVCA"].HM.mean()
wide = 100 * here.pivot_table(index="seed", columns="cell", values="HM")
(wide["printed, pull 0.1"] - wide["AVCA"]).mean()
curved = 100 * here[here.cell == "curved, pull 0.1"].pivot_table(index="seed", columns="k", values="HM").dropna()
(curved.loc[:, curved.columns < 0].mean(axis=1) - curved.loc[:, curved.columns >= 0].mean(axis=1)).mean()
```
"""


def gathered(folders: Sequence[Path | str]) -> DataFrame:
    """The runs of some folders as one table, each run on each processor once, in a fixed order."""
    runs = with_cells(pd.concat([load_runs(folder) for folder in folders]))
    return runs.drop_duplicates(["key", "cpu", "recipe"]).sort_values(ORDER, kind="stable", ignore_index=True)


def on_grid(runs: DataFrame) -> Series:
    """Whether each run is of a set and recipe with all 13 curvatures of Table 3, which the planned tests take."""
    wanted = len(table_rows("table3", None, "curved", 1.0)) - 1  # the first row is AVCA
    return runs.groupby(["data_digest", "recipe"])["k"].transform("nunique") >= wanted


def write_runs(runs: DataFrame, path: Path) -> None:
    """Write runs as CSV, with `cell`, `k`, and `replicate`: whether most runs of the set are on another processor."""
    most = one_processor(runs).index
    table = runs.assign(replicate=~runs.index.isin(most))
    rounded = {name: table[name].round(6) for name in (*METRICS, "val_HM")} | {
        "seconds": table["seconds"].round(1)
    }
    with replacing(path) as temporary:
        temporary.write_text(csv_text(table.assign(**rounded)), encoding="utf-8")


def evidence_text(runs: DataFrame, further: DataFrame) -> str:
    """The appendix of RESULTS.md; `further` are the runs of further_runs.csv."""
    main = one_processor(runs)
    parts = [HEAD, "## What was run", to_text(_overview(runs)), "In further_runs.csv:"]
    parts += [to_text(_overview(further)), "## The named experiments"]
    parts += [to_text(experiments().reset_index().rename(columns={"name": "experiment"}))]
    for metric in ("HM", "ZSL"):
        tests = planned(main, metric)
        parts += [
            f"## The planned tests, {metric}",
            to_text(tests),
            f"## Every method beside AVCA, {metric}",
            to_text(forest(main, metric)),
            f"## Loudness, {metric}: exploratory",
            to_text(loudness(main, metric).drop(columns=["preset", "pull"])),
            f"## Curvature, {metric}: k<0 minus the rest, under every loss",
            to_text(curvature(main, metric)),
        ]
    pulls = pd.read_csv(results_path() / "pulls.csv")
    means = (
        pulls.groupby(["data", "preset", "k"], sort=False)["pull"].agg(["mean", "min", "max"]).reset_index()
    )
    means = means.assign(
        **{name: [f"{value:.2g}" for value in means[name]] for name in ("mean", "min", "max")}
    )
    parts += ["## Pull at weight 1 in the first step, over the seeds", to_text(means)]
    top = on_top(main)
    parts += ["## On top of another network, HM: exploratory", to_text(top)] if len(top) else []
    more = one_processor(further)
    parts += [
        "## Longer training, and a larger set: exploratory",
        to_text(forest(more)),
        to_text(curvature(more)),
    ]
    parts += first_code(runs)
    parts += as_published(further)
    parts += ["## The paper's largest gains in HM", to_text(headline_gains())]
    parts += ["## The planted tree, k<0 minus flat, gains of k<0", to_text(_planted())]
    parts += ["## Other processors", to_text(between_processors(runs))]
    for cpu in sorted(set(runs["cpu"]) - set(main["cpu"])):
        other = one_processor(runs, cpu)
        same = main[main["key"].isin(other["key"])]
        if (same["preset"] == "").all():
            continue  # no alignment loss to compare
        try:
            both = ["\n\n".join([to_text(planned(part)), to_text(forest(part))]) for part in (other, same)]
        except DataError as error:
            parts.append(f"On {cpu} the planned tests were not made. {error}")
            both = [to_text(forest(part)) for part in (other, same)]
        parts += [f"On {cpu}:", both[0], "The same runs on the first processor:", both[1]]
    return "\n\n".join(parts) + "\n"


def _planted() -> DataFrame:
    """The contrasts of the positive control with flat space; distortion in hundredths."""
    table = planted_tree.contrasts(pd.read_csv(results_path() / "planted.csv"))
    table = table[table["measure"].isin(["distortion", "top1"])]
    units = table["measure"].map({"distortion": 100, "top1": 1})
    return DataFrame(
        {
            "leaves": table["branching"] ** table["depth"], "dimensions": table["dim"], "task": table["task"],
            "measure": table["measure"], **{name: table[name] * units for name in ("gain", "low", "high")},
            "p Holm": table["p_holm"], "n": table["n"],
        }
    )  # fmt: skip


def first_code(runs: DataFrame) -> list[str]:
    """Table 3 under the loss of the code as first published, beside AVCA on the same processor."""
    parts = []
    for cpu in runs.loc[runs["preset"] == FIRST_CODE, "cpu"].unique():
        own = runs[(runs["cpu"] == cpu) & runs["preset"].isin(["", FIRST_CODE])]
        parts += [f"On {cpu}:", to_text(curvature(own))]
        tables = [
            paper_table("table3", part, preset=FIRST_CODE, weight=PRESETS[FIRST_CODE].weight)
            for part in by_set(own).values()
        ]
        parts += [to_text(table) for table in tables]
    return ["## Table 3 under the loss of the code as first published: exploratory", *parts] if parts else []


def as_published(further: DataFrame) -> list[str]:
    """Table 1 by the published recipe, under each loss that was run, and its runs one by one.

    A run on a second processor stands in the tables only if the first has none of this configuration and seed.
    """
    further = further[further["recipe"] == PUBLISHED]
    if further.empty:
        return []
    main = further.index.isin(one_processor(further).index)
    every = further.assign(second=~main).sort_values(["second", "seed", "cell"], kind="stable")
    runs = every.drop_duplicates(["key"])
    parts = ["## Table 1 at the published length"]
    parts += [
        to_text(paper_table("table1", runs, preset=preset, weight=PRESETS[preset].weight))
        for preset in ("printed", "released")
        if preset in set(runs["preset"])
    ]
    each = every[every["method"] != "ESZSL"].rename(columns={"cpu": "processor"})
    each[["HM", "val_HM"]] *= 100
    return [*parts, to_text(each[["processor", "cell", "seed", "best_epoch", "HM", "val_HM"]])]


def _overview(runs: DataFrame) -> DataFrame:
    """A row per set and processor: digest, recipe, runs, seeds, and median seconds per run."""
    rows = []
    for name, part in by_set(runs).items():
        for cpu, own in part.groupby("cpu", sort=False):
            first = own.iloc[0]
            about = name, first["data_digest"][:8], first["recipe"], cpu, len(own), own["seed"].nunique()
            rows.append((*about, own["seconds"].median()))
    return DataFrame(
        rows, columns=["data", "digest", "recipe", "processor", "runs", "seeds", "seconds per run"]
    )


def main(paths: Sequence[str]) -> None:
    """Write runs.csv and further_runs.csv if there are paths, and then the appendix and the figures."""
    to = results_path()
    if paths:
        every = gathered(paths)
        write_runs(every[on_grid(every)], to / "runs.csv")
        write_runs(every[~on_grid(every)], to / "further_runs.csv")
    runs = recorded_runs()
    with replacing(to / "evidence.md") as temporary:
        temporary.write_text(evidence_text(runs, further_runs()), encoding="utf-8")
    here = one_processor(runs)
    for name, (figure, _) in {
        "forest": plot_forest(forest(here)),
        "pull": plot_pull(loudness(here).query("n >= 3")),
    }.items():
        with replacing(to / f"{name}.png") as temporary:
            figure.savefig(temporary, format="png", dpi=200, metadata={"Software": None})


if __name__ == "__main__":
    main(sys.argv[1:])
