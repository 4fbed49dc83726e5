"""Figures 3 and 4 on the results page: from kept networks, and only where the page's runs gave them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from grid_helpers import tiny_grid, tiny_jobs, tiny_recipe
from PIL import Image
from training_helpers import small

from hypav.cli import cli
from hypav.data.simulated import simulated
from hypav.errors import RunError
from hypav.experiments import subjects as subjects_module
from hypav.experiments.grid import plan
from hypav.experiments.results_figures import shown_figures
from hypav.experiments.results_page import save_results
from hypav.experiments.store import Store
from hypav.experiments.subjects import subjects
from hypav.experiments.suite import entries
from hypav.figures.style import DescribedFigure, save_figure


@pytest.fixture(scope="module", autouse=True)
def known_recipe() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subjects_module, "RECIPES", {tiny_recipe().name: tiny_recipe()})
        yield


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of Table 1, the networks of the figures, and a case without networks."""
    root = tmp_path_factory.mktemp("grid")
    for table in ("figure3", "table1"):
        assert tiny_grid(tiny_jobs(table=table), root).failed == []
    more = plan(small(), entries("table1", None, "paper", 0.5), (0, 1), tiny_recipe())
    assert tiny_grid(more, root).failed == []
    return root


@pytest.fixture(scope="module")
def drawn(grid: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page R.md with its pictures and runs, as the command writes it."""
    page = tmp_path_factory.mktemp("drawn") / "R.md"
    options = [
        "results",
        "--to",
        str(page),
        "--figures",
        "simulated:small",
        "--store",
        str(grid / "store.sqlite"),
    ]
    run = CliRunner().invoke(cli, [*options, "--export", str(page.parent / "results" / "runs.csv")])
    assert run.exit_code == 0, run.output
    assert run.stdout.count("figure3-") == run.stdout.count("figure4-") == 1
    return page


def section(page: Path) -> str:
    return page.read_text(encoding="utf-8").split("## Figures 3 and 4")[1].split("\n## ")[0]


def test_the_page_shows_both_figures_from_its_own_runs(grid: Path, drawn: Path, tmp_path: Path) -> None:
    with Store(grid / "store.sqlite") as store:
        kept = {record.key: record.method for record in store.rows() if record.folder}
    shown = dict(re.findall(r"!\[(.+)\]\(results/(.+)\)", section(drawn)))
    assert len(shown) == 2
    for alt, name in shown.items():
        assert alt.startswith("t-SNEs of theta_v on SIMULATED")
        assert "paper, weight 1, seed 0" in alt
        with Image.open(drawn.parent / "results" / name) as image:
            assert [kept[key] for key in image.info["Runs"].split()] == ["AVCA", "Hyper-multiple"]
            assert image.info["Description"] == alt
    text = drawn.read_text(encoding="utf-8")
    assert "--figures simulated" in text
    assert "for want of kept networks: paper, weight 0.5." in section(drawn)
    # from the export, without any network, the same page
    shutil.copytree(drawn.parent, tmp_path / "again")
    runs, page = tmp_path / "again" / "results" / "runs.csv", tmp_path / "again" / "R.md"
    page.unlink()
    save_results(Store.from_csv(runs), page, export=runs)
    assert page.read_text(encoding="utf-8") == text


def test_a_picture_of_other_runs_is_not_shown(grid: Path, drawn: Path, tmp_path: Path) -> None:
    results = shutil.copytree(drawn.parent / "results", tmp_path / "results")
    page = tmp_path / "R.md"
    with Store(grid / "store.sqlite") as store:
        found = subjects(store)
        names = list(shown_figures(results, found))
        assert len(names) == 2
        figure = DescribedFigure()
        figure.alt_text = "A picture of something else."
        own = next(run.key for run in found[0].runs if run.folder and run.method == "AVCA")
        save_figure(figure, results / names[0], texts={"Runs": f"{own} 0123456789ab"})
        save_figure(figure, results / names[1])
        assert shown_figures(results, found) == {}
        save_results(store, page)
        assert section(page).strip().startswith("Not drawn here")
        (results / names[0]).write_bytes(b"no picture")
        assert shown_figures(results, found) == {}


def test_a_lost_network_leaves_the_page_alone(grid: Path, tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_bytes((grid / "store.sqlite").read_bytes())
    with (
        Store(tmp_path / "store.sqlite") as store,
        pytest.raises(RunError, match="which is gone or not whole") as error,
    ):
        save_results(store, tmp_path / "R.md", draw=[small()], root=tmp_path)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "R.md").exists()


def test_features_of_no_run_are_told(grid: Path, tmp_path: Path) -> None:
    with (
        Store(grid / "store.sqlite") as store,
        pytest.raises(RunError, match="holds no run on SIMULATED") as error,
    ):
        save_results(store, tmp_path / "R.md", draw=[simulated("small", seed=7)], root=grid)
    assert "\n" not in str(error.value)


def test_an_export_has_no_networks_to_draw_from(drawn: Path) -> None:
    options = ["results", "--to", str(drawn), "--figures", "simulated:small", "--store"]
    export = CliRunner().invoke(cli, [*options, str(drawn.parent / "results" / "runs.csv")])
    assert isinstance(export.exception, RunError)
    assert "holds no networks" in str(export.exception)
