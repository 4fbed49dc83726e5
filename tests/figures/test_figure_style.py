"""Looks, saving and showing: colours that all eyes tell apart, no effect of user settings, digests that see changes."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import threading
from itertools import combinations
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_rgb
from PIL import Image

import hypav.figures.style
from hypav.errors import DataError, SettingError
from hypav.figures.batch_norm import plot_interventions
from hypav.figures.style import (
    CUES,
    INK,
    DescribedFigure,
    canvas,
    cues,
    digest,
    figure_bundle,
    png_bytes,
    show,
    show_table,
    use_style,
)

VARIANTS = ("AVCA", "Hyper-alignment", "Hyper-single", "Hyper-multiple")


def linear(color: str) -> np.ndarray:
    rgb = np.array(to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ rgb.clip(0, 1) / (to_xyz @ np.ones(3))
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


# Machado, Oliveira, Fernandes (2009), severity 1, on linear RGB
SIGHT = {
    "typical": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900],
    ],
}  # fmt: skip


@pytest.mark.parametrize("sight", SIGHT)
def test_colours_differ_to_every_kind_of_sight(sight: str) -> None:
    seen = [lab(np.array(SIGHT[sight]) @ linear(cue.color)) for cue in CUES]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 10


def test_each_colour_has_a_second_cue_and_notes_are_dark_enough() -> None:
    for attribute in ("color", "marker", "linestyle", "hatch"):
        assert len({getattr(cue, attribute) for cue in CUES}) == len(CUES)
    # WCAG 2.1: contrast (1 + .05) / (Y + .05) with white of at least 4.5
    assert 1.05 / (float(linear(INK) @ [0.2126, 0.7152, 0.0722]) + 0.05) >= 4.5


def test_variants_keep_their_looks_and_others_take_what_is_left() -> None:
    assert cues(["Hyper-single"])["Hyper-single"] == cues(VARIANTS)["Hyper-single"] == CUES[2]
    mixed = cues(["curved", "AVCA", "flat"])
    assert mixed["AVCA"] == CUES[0]
    assert len(set(mixed.values())) == 3
    many = cues(map(str, range(9)), reuse=True)
    assert many["7"] == many["0"]
    with pytest.raises(SettingError, match="8 series are too many"):
        cues(map(str, range(8)))


def difference(name: str = "a") -> DescribedFigure:
    return plot_interventions({name: (1.0, 2.0)}, data="SIMULATED")[0]


def test_figures_leave_matplotlib_as_it_was_and_import_no_pyplot() -> None:
    before = dict(matplotlib.rcParams)
    difference()
    with pytest.raises(DataError):
        plot_interventions({}, data="x")
    assert dict(matplotlib.rcParams) == before
    code = "import sys, hypav.figures.start_here; print('matplotlib.pyplot' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


def test_the_users_matplotlibrc_has_no_effect() -> None:
    plain = png_bytes(difference())
    with matplotlib.rc_context({"text.usetex": True, "lines.linewidth": 9, "axes.facecolor": "red"}):
        assert png_bytes(difference()) == plain


def test_names_with_dollars_and_of_other_scripts_are_drawn_as_text(recwarn: pytest.WarningsRecorder) -> None:
    for name in (r"cash $\frac{ for $", "音楽", "$a$"):
        figure = difference(name)
        assert png_bytes(figure)
        assert name in figure.alt_text
    label = difference("$a$").axes[0].get_yticklabels()[0]
    assert not label.get_parse_math(), "no formula"
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]


def test_letters_of_no_font_are_drawn_as_codes_and_never_as_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hypav.figures.style, "_fonts_with", lambda wanted: ((), wanted))
    figure = difference("音 a")
    assert png_bytes(figure)
    assert figure.axes[0].get_yticklabels()[0].get_text() == r"\u97f3 a"
    assert "音 a" in figure.alt_text
    monkeypatch.setattr(hypav.figures.style, "_fonts_with", lambda wanted: (("STIXGeneral",), frozenset()))
    assert difference("音 a").fonts == ("STIXGeneral",), "an installed font that has the letter"


def test_powers_of_ten_stay_formulas() -> None:
    with canvas(3, 2) as (figure, axes):
        axes.semilogy([1, 2], [1e-3, 1e3])
    assert all(label.get_parse_math() for label in figure.axes[0].get_yticklabels())


def test_the_same_figure_is_the_same_file_with_its_alt_text_inside() -> None:
    png = png_bytes(difference())
    assert png == png_bytes(difference())
    with Image.open(io.BytesIO(png)) as image:
        assert image.text == {"Description": difference().alt_text}
    bundle, metadata = difference()._repr_mimebundle_()
    stored = base64.b64decode(bundle["image/png"])
    with Image.open(io.BytesIO(stored)) as image:
        assert image.width == 2 * metadata["image/png"]["width"], "sharp on a fine screen"
    assert len(stored) < 0.6 * len(png_bytes(difference(), 200)), "a palette keeps notebooks small"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    bundles: list[dict[str, str]] = []
    monkeypatch.setattr(hypav.figures.style, "display", lambda bundle, **_: bundles.append(bundle))
    return bundles


def test_digest_sees_one_changed_point_of_many() -> None:
    line = torch.linspace(-3, 7, 1001, dtype=torch.float64)
    assert digest({"line": line}).startswith("plotted: line: 1001 numbers in [-3.0000, 7.0000], check ")
    for index in (0, 500, 999):
        for change in (2e-4, -0.3, 1.0, 2.0):
            altered = line.clone()
            altered[index] += change
            assert digest(altered) != digest(line)
    assert digest([1.0, 2.0, 3.0]) != digest([2.0, 1.0, 3.0])


def test_digest_sees_neither_rounding_noise_nor_the_container() -> None:
    values = torch.randn(3, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert digest(values * (1 + 1e-14)) == digest(values) == digest(values.numpy())
    assert digest({"x": [0.5, 1.5]}) == digest({"x": torch.tensor([0.5, 1.5], dtype=torch.float64)})
    assert digest([0.0, -1e-12, 0.0]) == digest([0.0, 1e-12, 0.0]) == digest([0.0, 0.0, 0.0])
    assert "[1.23, 1.23]" in digest(torch.tensor([1.2345])), "float32 has two decimals"


def test_digest_names_nested_series_words_and_what_is_missing() -> None:
    data = {"k=-1": {"length": torch.tensor([1.0, torch.nan]), "tiles": 5}, "name": "flat", "HM": None}
    lines = digest({**data, "parts": [torch.ones(2, 2), "x"]}).splitlines()
    names = [line.removeprefix("plotted: ").split(":")[0].split(" =")[0] for line in lines]
    assert names == ["k=-1.length", "k=-1.tiles", "name", "HM", "parts[0]", "parts[1]"]
    assert "1 not finite" in lines[0]
    assert lines[2:4] == ["plotted: name = flat", "plotted: HM = None"]
    with pytest.raises(DataError, match="hold object at what"):
        digest({"what": object()})


def described(alt: str) -> DescribedFigure:
    figure = DescribedFigure(figsize=(1, 1))
    figure.alt_text = alt
    return figure


def test_a_figure_shows_picture_alt_text_and_digest(shown: list[dict[str, str]]) -> None:
    bundle, metadata = figure_bundle(described("Two < three."), [1.0])
    assert bundle["image/png"].startswith("iVBORw0KGgo")
    assert bundle["text/plain"] == "Two < three.\n" + digest([1.0])
    assert metadata == {"image/png": {"alt": "Two < three.", "width": 100}}
    show(described("Two < three."), [1.0])
    assert shown[0]["text/plain"] == bundle["text/plain"]
    assert "<p>Two &lt; three.</p>" in shown[1]["text/html"]
    with pytest.raises(DataError, match="no alt text"):
        figure_bundle(described(" "), [1.0])


def test_a_table_rounds_aligns_and_escapes(shown: list[dict[str, str]]) -> None:
    rows: list[list[Any]] = [
        ["a < b", 1.23456, 3], ["b", torch.tensor(-0.00001), True], ["c", None, np.float64(2)],
    ]  # fmt: skip
    show(["name", "x", "n"], rows, digits=2, caption="T & U")
    assert shown[0]["text/plain"].splitlines() == [
        "T & U", "name   x        n", "a < b     1.23     3", "b         0.00  yes", "c      not run  2.00",
    ]  # fmt: skip
    html = shown[0]["text/html"]
    assert "T &amp; U</caption>" in html
    assert '<td style="text-align: left">a &lt; b</td><td style="text-align: right">1.23</td>' in html
    with pytest.raises(DataError, match="Row 2 of the table has 1 cells"):
        show_table(["a", "b"], [[1, 2], [1]])


def test_a_data_frame_is_shown_as_a_table(shown: list[dict[str, str]]) -> None:
    frame = pd.DataFrame(
        {"HM": [20.123, float("nan")], "n": [3, 0]}, index=pd.Index(["AVCA", "x"], name="method")
    )
    show(frame, digits=1, caption="C")
    assert shown[0]["text/plain"].splitlines() == [
        "C",
        "method  HM    n",
        "AVCA    20.1  3",
        "x       –     0",
    ]
    show(frame.reset_index(drop=True), digits=1)
    assert shown[1]["text/plain"].splitlines()[0].split() == ["HM", "n"]
    for wrong in ((3,), (None, [1.0]), ("text",)):
        with pytest.raises(SettingError, match="show takes"):
            show(*wrong)


def test_threads_do_not_mix_their_styles() -> None:
    """JupyterLab moves a widget in another thread than the one that runs cells; matplotlib's settings are shared."""
    inside = threading.Event()

    def draw() -> None:
        with use_style():
            inside.set()

    with use_style():
        other = threading.Thread(target=draw)
        other.start()
        assert not inside.wait(0.2)
    other.join(10)
    assert inside.is_set()
