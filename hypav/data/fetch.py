"""Fetches YouTube-8M's video-level validate shards from Google: only when called, and after a yes to the
size.

Each shard comes into a .part file that a later attempt goes on with, is checked (length, every record's CRC,
Google's MD5) and only then gets its name. pooch places and hashes the files.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import shutil
import string
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pooch
import requests
from tqdm import tqdm

from hypav.data.tfrecord import read_records
from hypav.errors import DataError, RunError, SettingError
from hypav.files import make_folder

__all__ = ["BASE_URL", "PLAN_URL", "SHARD_COUNT", "fetch_yt8m", "remote_name"]

BASE_URL = "http://us.data.yt8m.org/2/video/validate"
"""The mirror us; eu.data.yt8m.org and asia.data.yt8m.org hold the same
(research.google.com/youtube8m/download)."""
PLAN_URL = "http://data.yt8m.org/2/download_plans/video_validate.json"
"""Google's list of the shards with their MD5: {"files": {name: md5}}."""
SHARD_COUNT = 3844

_LETTERS = string.ascii_lowercase + string.ascii_uppercase + string.digits
_SHARD_BYTES = 1_400_000  # what a shard of about 290 videos takes; said where the server does not tell
_PLAN_BYTES = 8_000_000
_LONGEST = 100_000_000
_BLOCK = 1 << 10  # a cut connection loses the block that it falls in
_RETRIED = {408, 425, 429, 500, 502, 503, 504}


class _AgainError(Exception):
    """This attempt failed in a way that another may not."""


def remote_name(number: int) -> str:
    """What Google calls shard `number`, 0 to 3843: validateaa.tfrecord to validate99.tfrecord, in base 62."""
    return f"validate{_LETTERS[number // 62]}{_LETTERS[number % 62]}.tfrecord"


def fetch_yt8m(
    folder: str | Path,
    *,
    confirm: Callable[[str], bool],
    shards: Iterable[int] = range(140),
    base_url: str = BASE_URL,
    plan_url: str | None = PLAN_URL,
    retries: int = 5,
    timeout: float = 30.0,
    pause: float = 1.0,
) -> list[Path]:
    """Downloads shards as validate0000.tfrecord and so on; those that are there and sound are left alone.

    Args:
        folder: where the shards go; made if need be.
        confirm: is asked one question that says number, size, source and place; without a yes nothing comes.
        shards: which of 0 to 3843; yt8m-mini came from 0 to 139.
        base_url: the folder of the shards on the server.
        plan_url: Google's list of MD5 sums; None goes without, then length and CRCs are all that is checked.
        retries: attempts after the first that bring nothing new, for each file.
        timeout: seconds without a byte after which an attempt counts as stalled.
        pause: seconds before the first retry; doubled for each further one, up to 30.

    Returns:
        The paths of the shards in their order; an empty list where `confirm` said no.

    Raises:
        DataError: where a file is not there or keeps coming damaged, cut off or not at all.
        RunError: where the folder cannot be written to or has no space.
        SettingError: where there is no such shard or the address is none.
    """
    numbers = sorted(set(shards))
    if not numbers or numbers[0] < 0 or numbers[-1] >= SHARD_COUNT:
        raise SettingError(
            f"Shards are numbered 0 to {SHARD_COUNT - 1}; {numbers[-1:] or 'none'} was asked for."
        )
    if not base_url.startswith(("http://", "https://")):
        raise SettingError(f"The address {base_url!r} should start with http:// or https://.")
    folder = make_folder(folder)
    base_url = base_url.rstrip("/")
    paths = [folder / f"validate{number:04d}.tfrecord" for number in numbers]
    named = zip(numbers, paths, strict=True)
    missing = [(number, path) for number, path in named if not path.is_file() or _fault(path)]
    if not missing:
        return paths
    with requests.Session() as session, _quiet_pooch():
        getter = _Getter(session, retries, timeout, pause)
        size = getter.size(f"{base_url}/{remote_name(missing[0][0])}") * len(missing)
        free = shutil.disk_usage(folder).free
        if free < size:
            raise RunError(
                f"The shards take about {_mb(size)} but {folder} has {_mb(free)} free; choose another folder."
            )
        question = (
            f"Download {len(missing)} YouTube-8M shards, about {_mb(size)}, from {base_url} to {folder}?"
        )
        if not confirm(question):
            return []
        sums = getter.plan(plan_url) if plan_url else {}
        for number, path in tqdm(missing, desc="shards", unit="file", disable=None):
            name = remote_name(number)
            if plan_url and name not in sums:
                raise DataError(f"{plan_url} does not name {name}; give the list that belongs to {base_url}.")
            getter.fetch(f"{base_url}/{name}", path, sums.get(name))
    return paths


@dataclass
class _Getter:
    session: requests.Session
    retries: int
    timeout: float
    pause: float
    headers: dict[str, str] = field(default_factory=lambda: {"Accept-Encoding": "identity"})

    def size(self, url: str) -> int:
        """The bytes of one shard: as the server says, or else as shards usually are."""
        try:
            answer = self.session.head(url, timeout=self.timeout, headers=self.headers, allow_redirects=True)
            return int(answer.headers["Content-Length"]) if answer.ok else _SHARD_BYTES
        except (requests.RequestException, KeyError, ValueError):
            return _SHARD_BYTES

    def plan(self, url: str) -> dict[str, str]:
        """The MD5 sum of each shard by its remote name."""

        def attempt() -> dict[str, str]:
            with self.session.get(url, timeout=self.timeout, stream=True) as answer:
                _check_status(answer, "give another plan_url, or None to go without MD5 sums")
                text = b""
                for block in answer.iter_content(1 << 16):
                    text += block
                    if len(text) > _PLAN_BYTES:
                        break
            try:
                sums = dict(json.loads(text)["files"])
                known = all(re.fullmatch("[0-9a-f]{32}", md5) for md5 in sums.values())
            except (ValueError, KeyError, TypeError):
                known = False
            if not known:
                raise _AgainError("it is not the list of MD5 sums that was expected")
            return sums

        return self.repeat(url, attempt, lambda: 0)

    def fetch(self, url: str, path: Path, md5: str | None) -> None:
        part = path.with_name(f"{path.name}.part")

        def download(url: str, output: str, _: Any) -> None:
            self.download(url, part)
            os.replace(part, output)

        def attempt() -> None:
            path.unlink(missing_ok=True)  # a damaged one: the sound ones were left out before
            known = f"md5:{md5}" if md5 else None
            try:
                pooch.retrieve(url, known, fname=path.name, path=path.parent, downloader=download)
            except ValueError as error:
                raise _AgainError("what came has another MD5 sum than Google's list says") from error

        self.repeat(url, attempt, lambda: part.stat().st_size if part.exists() else 0)

    def download(self, url: str, part: Path) -> None:
        """Brings `part` to its full length from where it stands and checks it; where it is no good it goes."""
        have = part.stat().st_size if part.exists() else 0
        headers = {**self.headers, "Range": f"bytes={have}-"} if have else self.headers
        with self.session.get(url, headers=headers, timeout=self.timeout, stream=True) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                part.unlink(missing_ok=True)
                raise _AgainError("the server cannot go on where the last attempt stopped")
            _check_status(answer, "look whether the address is right")
            start, total = _extent(answer)
            if total > _LONGEST:
                raise DataError(f"{url} is {_mb(total)} long, which no video-level shard is; check base_url.")
            if start != (have if start else 0):
                part.unlink(missing_ok=True)
                raise _AgainError("the server sent another part of the file than was asked for")
            with part.open("ab" if start else "wb") as file:
                for block in answer.iter_content(_BLOCK):
                    file.write(block)
        size = part.stat().st_size
        if size < total:
            raise _AgainError(f"the connection ended after {size} of {total} bytes")
        reason = _fault(part) if size == total else f"{size} bytes came where {total} were announced"
        if reason:
            part.unlink()
            raise _AgainError(reason)

    def repeat(self, url: str, attempt: Callable[[], Any], progress: Callable[[], int]) -> Any:
        """Calls `attempt` until it succeeds; an attempt that got further than all before does not count as
        failed."""
        best, failures = progress(), 0
        while True:
            try:
                return attempt()
            except (requests.RequestException, _AgainError) as error:
                further = progress()
                best, failures = (further, 0) if further > best else (best, failures + 1)
                if failures > self.retries:
                    raise DataError(
                        f"{url} could not be fetched: {_reason(error)}; try again later."
                    ) from error
                time.sleep(min(self.pause * 2 ** max(failures - 1, 0), 30.0))
            except OSError as error:
                full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                why = "there is no space left" if full else (error.strerror or str(error))
                raise RunError(
                    f"{url} could not be stored: {why}; what came is kept for another try."
                ) from error


def _check_status(answer: requests.Response, advice: str) -> None:
    if answer.status_code in _RETRIED:
        raise _AgainError(f"the server answers {answer.status_code} {answer.reason}")
    if answer.status_code not in (requests.codes.ok, requests.codes.partial_content):
        raise DataError(f"{answer.url}: the server answers {answer.status_code} {answer.reason}; {advice}.")


def _extent(answer: requests.Response) -> tuple[int, int]:
    """Where what is being sent starts, and how long the whole file is."""
    if answer.status_code == requests.codes.partial_content:
        extent = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
        if extent:
            return int(extent[1]), int(extent[2])
        return -1, 0
    length = answer.headers.get("Content-Length", "")
    if not length.isdecimal():
        raise DataError(
            f"{answer.url}: the server does not say how long the file is; choose another base_url."
        )
    return 0, int(length)


def _reason(error: Exception) -> str:
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "the connection stalled"
    if isinstance(error, requests.RequestException):
        return "the connection failed or was cut"
    return str(error)


def _fault(path: Path) -> str:
    """What is wrong with a TFRecord file; empty where every record is sound and there is at least one."""
    try:
        return "" if any(True for _ in read_records(path)) else "the file is empty"
    except DataError as error:
        return str(error).replace(str(path), "what came").removesuffix("; download it again.")


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


@contextmanager
def _quiet_pooch() -> Iterator[None]:
    """Without pooch's two log lines a file; the progress bar says enough."""
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
