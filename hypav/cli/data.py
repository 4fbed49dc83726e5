"""hypav data: what a set holds, what is wrong with it, and where to get it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from hypav.cli.options import echo_json, json_option, reading_options
from hypav.data.archive import check_archive, official_archive_help, safe_extract
from hypav.data.features import describe as describe_set
from hypav.data.features import describe_text
from hypav.data.load import open_data
from hypav.data.official import write_official
from hypav.data.verify import verify as verify_path
from hypav.data.yt8m import YT8M_FILE
from hypav.data.yt8m_build import BASE_URL, PLAN_URL, build_yt8m, fetch_yt8m
from hypav.errors import DataError, SettingError

__all__ = ["data"]


@click.group()
def data() -> None:
    """Look at features, check them, fetch or build them. Nothing is downloaded unless you say fetch."""


@data.command()
@click.argument("path", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def verify(context: click.Context, path: Path, as_json: bool) -> None:
    """Say what the folder or file PATH holds and everything that is wrong with it, before anything trains.

    Takes a folder in the benchmark's layout, a yt8m-mini file or folder, or your own .npz. Exit code 2 if a run could
    not use it; warnings and notes are no errors.
    """
    if not path.exists():
        raise DataError(f"There is no file or folder {str(path)!r} to verify.")
    report = verify_path(path)
    if as_json:
        findings = [asdict(finding) for finding in report.findings]
        echo_json({"path": str(path), "ok": report.ok, "holds": report.holds, "findings": findings})
    else:
        click.echo(report)
    context.exit(0 if report.ok else 2)


@data.command()
@click.argument("door", default="simulated")
@reading_options()
@json_option
def describe(door: str, reading: dict[str, Any], as_json: bool) -> None:
    """Describe the set behind DOOR: its source, dimensions, classes, groups, and the size of each split.

    Example: hypav data describe yt8m-mini
    """
    found = open_data(door, **reading)
    if as_json:
        echo_json(describe_set(found))
    else:
        click.echo(describe_text(found))


@data.command()
@click.argument("what", type=click.Choice(["yt8m", "official"]))
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("yt8m"),
    show_default=True,
    help="Folder for the shards.",
)
@click.option("--shards", default="0-139", show_default=True, help="Which shards: 0-139 or 0,5,7.")
@click.option(
    "--text", type=click.Path(path_type=Path), help="Word vectors: with them the set is built as well."
)
@click.option(
    "--url", default=BASE_URL, show_default=True, help="Where the shards are; another mirror works too."
)
@click.option("--plan", default=PLAN_URL, show_default=True, help="List of their MD5 sums; empty for none.")
@click.option("--yes", is_flag=True, help="Do not ask before downloading.")
@json_option
def fetch(
    what: str,
    folder: Path,
    shards: str,
    text: Path | None,
    url: str,
    plan: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Get real features: "yt8m" downloads Google's public validation shards, "official" says where the archive is.

    The size is said first and nothing is downloaded without a yes. A download that is cut off goes on where it stopped
    when the command is given again; every shard is checked.
    """
    if what == "official":
        _say(official_archive_help(), {"help": official_archive_help()}, as_json)
        return
    if as_json and not yes:
        raise SettingError("With --json nothing can be asked: add --yes to agree to the download.")
    paths = fetch_yt8m(
        folder,
        confirm=(lambda question: True) if yes else lambda question: click.confirm(question, default=False),
        shards=_numbers(shards),
        base_url=url,
        plan_url=plan or None,
    )
    if not paths:
        _say("Nothing was downloaded.", {"shards": []}, as_json)
        return
    if text is not None:
        _build(tuple(paths), folder / YT8M_FILE, text, None, as_json)
        return
    told = (
        f"{len(paths)} shards are in {folder}.\n"
        f"Build the set with: hypav data build-yt8m {folder}/*.tfrecord --text FILE --to {folder}"
    )
    _say(told, {"shards": [str(path) for path in paths]}, as_json)


@data.command("build-yt8m")
@click.argument("shards", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--to",
    "out",
    type=click.Path(path_type=Path),
    default=Path("."),
    show_default=True,
    help=f"File or folder to write {YT8M_FILE} to.",
)
@click.option(
    "--text",
    type=click.Path(path_type=Path),
    required=True,
    help="Vectors of the class names: .npz or .npy by name, fastText's .vec, or an existing yt8m-mini file.",
)
@click.option(
    "--vocabulary", type=click.Path(path_type=Path), help="Google's vocabulary.csv, to check the classes."
)
@json_option
def build(shards: tuple[Path, ...], out: Path, text: Path, vocabulary: Path | None, as_json: bool) -> None:
    """Make the yt8m-mini set from YouTube-8M's video-level TFRecord SHARDS (validateXXXX.tfrecord).

    A video is kept when exactly one of its labels is a candidate class, at least 15 and at most 40 a class. The same
    shards and vectors give the same bytes. Point HYPAV_DATA at the folder and use --data yt8m-mini.
    """
    _build(shards, out, text, vocabulary, as_json)


def _build(shards: tuple[Path, ...], out: Path, text: Path, vocabulary: Path | None, as_json: bool) -> None:
    report = build_yt8m(shards, out, text=text, vocabulary=vocabulary)
    lines = [f"{report.path}: {report.kept} of {report.videos} videos from {report.shards} shards"]
    lines += [
        f"  {split}: {videos} videos of {classes} classes"
        for split, (videos, classes) in report.splits.items()
    ]
    lines += [f"  too few videos, left out: {', '.join(report.dropped)}"] if report.dropped else []
    _say("\n".join(lines), {**asdict(report), "path": str(report.path)}, as_json)


@data.command()
@click.argument("archive", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@json_option
def unpack(archive: Path, folder: Path | None, as_json: bool) -> None:
    """Check the official ARCHIVE (a zip you downloaded) and unpack it into FOLDER; without FOLDER only check it.

    Members that would land outside the folder, links and pickles stay out.
    """
    report = check_archive(archive) if folder is None else safe_extract(archive, folder)
    files = f"{report.files} file{'' if report.files == 1 else 's'}"
    lines = [f"{report.path}: {files}, {report.size / 1e6:.0f} MB, {report.pickles} pickles left out"]
    lines += [f"  {dataset}: {features}" for dataset, features in report.found]
    _say("\n".join(lines), {**asdict(report), "path": str(report.path)}, as_json)


@data.command("write-official")
@click.argument("door")
@click.argument("folder", type=click.Path(path_type=Path))
@reading_options()
@json_option
def write(
    door: str,
    folder: Path,
    reading: dict[str, Any],
    as_json: bool,
) -> None:
    """Write the set behind DOOR as a FOLDER in the benchmark's layout, for other code that reads that layout.

    Example: hypav data write-official my.npz MySet
    """
    found = open_data(door, **reading)
    write_official(found, folder, reading["features"])
    told = f"{found.name} is written to {folder}; hypav data verify {folder} looks at it."
    _say(told, {"name": found.name, "folder": str(folder)}, as_json)


def _say(text: str, value: dict[str, object], as_json: bool) -> None:
    if as_json:
        echo_json(value)
    else:
        click.echo(text)


def _numbers(text: str) -> list[int]:
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise SettingError(f"--shards is {text!r}; write 0-139 or 0,5,7.")
        numbers += range(int(first), int(last or first) + 1)
    return numbers
