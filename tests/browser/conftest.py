"""A real JupyterLab on 127.0.0.1 with a copy of the notebooks, and Chromium to look at it. No network."""

from __future__ import annotations

import ast
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from jupyter_client import BlockingKernelClient

from hypav.handouts import kernel_environment

try:
    from playwright import sync_api as playwright
except ImportError:
    raise pytest.UsageError("Playwright is not installed: `make test-browser` installs it.") from None

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# no host is looked up; with the last rule an attempt fails at once
FLAGS = [
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *(
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ),
]
SECONDS = 240  # for a server, a page or a whole notebook; a loaded machine is slow, not wrong


@dataclass(frozen=True)
class Lab:
    """A running server: its address, its token, and the folder with its log and its kernels' connection files."""

    url: str
    token: str
    folder: Path

    def kernels(self) -> list[str]:
        with urlopen(f"{self.url}api/kernels?token={self.token}", timeout=SECONDS) as answer:
            return [kernel["id"] for kernel in json.load(answer)]

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, a literal, in the one running kernel."""
        (kernel,) = self.kernels()
        client = BlockingKernelClient()
        client.load_connection_file(str(self.folder / "runtime" / f"kernel-{kernel}.json"))
        client.start_channels()
        try:
            reply = client.execute_interactive(
                "", silent=True, user_expressions={"it": expression}, timeout=SECONDS
            )
        finally:
            client.stop_channels()
        value = reply["content"]["user_expressions"]["it"]
        assert value["status"] == "ok", f"{expression}: {value}"
        return ast.literal_eval(value["data"]["text/plain"])


def pytest_configure(config: pytest.Config) -> None:
    if _chromium_path() is None:
        raise pytest.UsageError(
            "The browser tests need Chromium: `apt-get install -y chromium`, or CHROMIUM=its path."
        )


def _chromium_path() -> str | None:
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(NOTEBOOKS, folder / "notebooks", ignore=shutil.ignore_patterns(".*"))
    folders = {
        f"JUPYTER{name}_DIR": str(folder / name.lower().strip("_"))
        for name in ("_CONFIG", "_DATA", "_RUNTIME", "LAB_SETTINGS", "LAB_WORKSPACES")
    }
    # what a reader sets who has answered JupyterLab's question about news with no
    preferences = folder / "lab_settings" / "@jupyterlab" / "apputils-extension"
    preferences.mkdir(parents=True)
    (preferences / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False}), encoding="utf-8"
    )
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={_free_port()}"]
    command += ["--LabApp.extension_manager=readonly"]
    with (folder / "lab.log").open("wb") as log:
        server = subprocess.Popen(
            command,
            cwd=folder / "notebooks",
            env=kernel_environment() | folders | {"IPYTHONDIR": str(folder / "ipython")},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _started(server, folder)
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()


def _free_port() -> int:
    """A port that the system picks. Two workers that look for the first free port would pick the same."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _started(server: subprocess.Popen[bytes], folder: Path) -> Lab:
    """The server writes its address and token; it has started when it answers."""
    file = folder / "runtime" / f"jpserver-{server.pid}.json"
    for _ in range(SECONDS * 5):
        assert server.poll() is None, (folder / "lab.log").read_text(encoding="utf-8")
        try:
            said = json.loads(file.read_text(encoding="utf-8"))
            with urlopen(f"{said['url']}api", timeout=SECONDS):
                return Lab(said["url"], said["token"], folder)
        except (OSError, URLError, ValueError):
            time.sleep(0.2)
    raise TimeoutError((folder / "lab.log").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    # Chromium has no sandbox for root
    flags = [*FLAGS, "--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else FLAGS
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=_chromium_path(), args=flags)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, lab: Lab, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """An empty page. When it closes, the kernels that it started end. Errors in the console fail the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1000}, locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(SECONDS * 1000)
    playwright.expect.set_options(timeout=SECONDS * 1000)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda asked: faults.append(asked.url) if _foreign(asked.url, lab) else None)
    yield page
    if getattr(request.node, "failed", True) or faults:
        page.screenshot(path=tmp_path / "failed.png")
        print(f"The page as it was: {tmp_path / 'failed.png'}; the server's log: {lab.folder / 'lab.log'}")
    for kernel in lab.kernels():
        context.request.delete(
            f"{lab.url}api/kernels/{kernel}", headers={"Authorization": f"token {lab.token}"}
        )
    context.close()
    assert not faults, "the browser's console has errors, or it asked other hosts"


def _foreign(url: str, lab: Lab) -> bool:
    return not url.startswith((lab.url, lab.url.replace("http", "ws", 1), "data:", "blob:"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call":
        item.failed = report.failed  # type: ignore[attr-defined]
    return report
