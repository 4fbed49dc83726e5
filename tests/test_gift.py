"""Predictions as GIFT: what a platform reads is what the course asks. The parser here follows Moodle's rules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from hypav.cli import cli
from hypav.gift import gift
from hypav.predictions import Prediction, predictions


class Read(NamedTuple):
    """A question as a platform reads it."""

    category: str
    title: str
    text: str
    right: list[str]
    wrong: list[str]
    number: tuple[float, float] | None


_PLACES = {"\\\\": "\x01", "\\:": "\x02", "\\#": "\x03", "\\=": "\x04", "\\{": "\x05", "\\}": "\x06", "\\~": "\x07",
           "\\n": "\x08"}  # fmt: skip
_PLAIN = dict(zip(_PLACES.values(), "\\:#={}~\n", strict=True))


def plain(text: str) -> str:
    return "".join(_PLAIN.get(letter, letter) for letter in text).replace("[html]", "", 1).strip()


def parse(text: str) -> list[Read]:
    """Questions are separated by blank lines; a backslash takes the meaning from the next character."""
    for escaped, place in _PLACES.items():
        text = text.replace(escaped, place)
    found, category = [], ""
    for block in re.split(r"\n\s*\n", text.strip()):
        if block.startswith("$CATEGORY:"):
            category = block.partition(":")[2].strip()
            continue
        match = re.fullmatch(r"::([^:]*)::([^{}~=]*)\{([^{}]*)\}", block, re.DOTALL)
        assert match, block
        title, question, body = match.groups()
        number = re.fullmatch(r"#([-\d.e]+):([-\d.e]+)", body)
        answers = [] if number else re.findall(r"([=~])([^=~]*)", body)
        right, wrong = ([plain(t) for mark, t in answers if mark == kind] for kind in "=~")
        values = (float(number.group(1)), float(number.group(2))) if number else None
        found.append(Read(category, plain(title), plain(question), right, wrong, values))
    return found


def question(kind: str, text: str = "What?", number: str = "01.1", **values: object) -> Prediction:
    given = {"answer": None, "within": 0.0, "options": {}} | values
    return Prediction(number, kind, question=text, **given)  # type: ignore[arg-type]


def test_each_kind_is_read_as_it_was_asked() -> None:
    options = {"a": "one", "b": "two", "c": "three"}
    number, choice, sketch = parse(
        gift(
            [
                question("number", answer=-7.6, within=0.5),
                question("choice", number="01.2", answer="b", options=options),
                question("sketch", number="02.1"),
            ]
        )
    )
    assert number == Read("hypav/page 01", "01.1 What?", "<p>What?</p>", [], [], (-7.6, 0.5))
    assert choice.right == ["<p>two</p>"]
    assert choice.wrong == ["<p>one</p>", "<p>three</p>"]
    assert sketch.category == "hypav/page 02"
    assert (sketch.right, sketch.wrong, sketch.number) == ([], [], None)


@pytest.mark.parametrize(
    "text",
    [
        "a = b ~ c # d {e} : f?",
        "back\\\\slash \\\\n and // no comment?",
        "::x:: {=y ~z}?",
        "100 %?",
        "line\n\nline?",
        "[html] =?",
    ],
)
def test_special_characters_come_back(text: str) -> None:
    (read,) = parse(gift([question("choice", text, answer="a", options={"a": text, "b": "other"})]))
    (number,) = parse(gift([question("number", text, answer=1, within=0.1)]))
    for html in (read.text, read.right[0], number.text):
        words = re.sub(r"<[^>]*>", " ", html).split()
        assert "".join(words) == "".join(text.replace("\\\\", "\\").split())


def test_formulas_keep_their_commands_and_are_marked_for_mathjax() -> None:
    text = r"How long is $\nabla\varphi = \sqrt{|k|}$ if $$a_{b} : c$$?"
    (read,) = parse(gift([question("number", text, answer=1, within=0.1)]))
    assert r"\(\nabla\varphi = \sqrt{|k|}\)" in read.text
    assert r"\[a_{b} : c\]" in read.text
    assert "$" not in read.text


def test_the_course_is_exported_whole(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["gift", "--to", str(tmp_path / "course.gift")])
    assert result.exit_code == 0, result.output
    asked, read = predictions(), parse((tmp_path / "course.gift").read_text(encoding="utf-8"))
    assert len(asked) == len(read) > 0
    assert f"{len(asked)} predictions" in result.output
    for one, other in zip(asked, read, strict=True):
        assert other.title.startswith(one.id)
        assert (other.number is not None) == (one.kind == "number")
        assert len(other.right) == (one.kind == "choice")
        assert len(other.wrong) == max(0, len(one.options) - 1)
    assert "Replaced" in CliRunner().invoke(cli, ["gift", "--to", str(tmp_path / "course.gift")]).output


def test_without_predictions_the_text_is_empty() -> None:
    assert gift([]) == ""
