"""Where a comparison goes: JSON with every number, the table as Markdown, a picture."""

from __future__ import annotations

from pathlib import Path

from hypav.experiments.comparison import Comparison
from hypav.experiments.tables import comparison_table
from hypav.figures.runs import plot_comparison
from hypav.figures.style import save_figure
from hypav.utils import make_folder, replacing, slug, write_json

__all__ = ["save_comparison"]


def save_comparison(comparison: Comparison, root: Path) -> tuple[Path, Path, Path]:
    """Writes comparison-DATA-PRESET.json, .md and .png below `root` and returns their paths.

    Raises:
        RunError: they cannot be written.
    """
    make_folder(root)
    stem = f"comparison-{slug(f'{comparison.data} {comparison.preset}')}"
    paths = root / f"{stem}.json", root / f"{stem}.md", root / f"{stem}.png"
    write_json(paths[0], comparison.to_dict())
    with replacing(paths[1]) as temporary:
        temporary.write_text(comparison_table(comparison) + "\n", encoding="utf-8")
    names = {row.spec: row.method if row.spec == row.method.lower() else row.spec for row in comparison.rows}
    figure, _ = plot_comparison(
        {names[row.spec]: row.intervals for row in comparison.rows},
        {names[row.spec]: row.paper._asdict() for row in comparison.rows if row.paper is not None},
        data=comparison.data,
        same_data=not comparison.simulated,
    )
    save_figure(figure, paths[2])
    return paths
