"""JupyterLab on loopback and a headless Chromium to look at it with."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from helpers.files import outputs_dir
from helpers.series.notebook import NOTEBOOKS

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium")
QUIET = [
    "--no-sandbox",
    "--no-first-run",
    "--disable-dev-shm-usage",  # containers have little of it
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Lab asks on its first start whether it may fetch news.
SETTINGS = {
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    }
}
STARTS = 300  # seconds that Lab has to answer; a busy machine needs minutes


@dataclass(frozen=True)
class Lab:
    """A running server: its address with token, where its notebooks lie, where they write to."""

    url: str
    token: str
    notebooks: Path
    outputs: Path
    process: subprocess.Popen

    def address(self, notebook: str) -> str:
        return f"{self.url}/lab/tree/{notebook}.ipynb?token={self.token}&reset"


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab whose notebooks write to a temporary folder, nobody's decisions among it."""
    base = tmp_path_factory.mktemp("lab")
    notebooks, outputs = base / "notebooks", base / "outputs"
    _furnish(base, notebooks)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token, log = secrets.token_hex(16), base / f"lab-{port}.log"
    arguments = [
        *("--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"),
        *(f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={notebooks}"),
        "--LabApp.expose_app_in_browser=True",
    ]
    environment = os.environ | {
        "HELPERS_OUTPUTS": str(outputs),
        "JUPYTER_CONFIG_DIR": str(base / "config"),
        "JUPYTER_RUNTIME_DIR": str(base / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(base / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(base / "workspaces"),
    }
    with log.open("w") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *arguments],
            env=environment, stdout=file, stderr=subprocess.STDOUT,
        )  # fmt: skip
    lab = Lab(f"http://127.0.0.1:{port}", token, notebooks, outputs, server)
    try:
        _wait_for(lab, log)
        yield lab
    finally:
        _stop(server)


def _stop(server: subprocess.Popen) -> None:
    """Ask it to end, and insist where a busy machine takes too long over it."""
    server.terminate()
    try:
        server.wait(30)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _furnish(base: Path, notebooks: Path) -> None:
    shutil.copytree(NOTEBOOKS, notebooks)
    for name, values in SETTINGS.items():
        file = base / "settings" / name
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))


def _wait_for(lab: Lab, log: Path) -> None:
    for _ in range(STARTS):
        assert lab.process.poll() is None, f"JupyterLab ended:\n{log.read_text()}"
        try:
            urllib.request.urlopen(f"{lab.url}/api?token={lab.token}", timeout=5).read()
            return
        except OSError:
            time.sleep(1)
    pytest.fail(f"JupyterLab did not answer in {STARTS} s:\n{log.read_text()}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="make test-browser installs it")
    if CHROMIUM is None:
        pytest.fail("Chromium is missing: on Debian or Ubuntu, apt install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """The README's are review-1280-light-widget.png and the top of report.png, kept as JPEG."""
    folder = outputs_dir() / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
