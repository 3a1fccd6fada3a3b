"""A headless Chromium driven over the WebDriver protocol, with nothing but the standard library."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]


def missing() -> str | None:
    """Which of the programs is not there, or None."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        return "chromium"
    return None if shutil.which("chromedriver") else "chromedriver"


class Browser:
    """One page in one window."""

    def __init__(self, address: str) -> None:
        self.address = address

    def call(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def run(self, script: str, *arguments: Any) -> Any:
        return self.call("/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script: str, seconds: float = 20) -> Any:
        """Run a script until it returns something true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := self.run(script):
                return found
            time.sleep(0.05)
        raise AssertionError(f"never true: {script}")

    def wheel(self, element: Any, delta_y: int) -> None:
        scroll = {"type": "scroll", "x": 0, "y": 0, "deltaX": 0, "deltaY": delta_y}
        wheel = {"type": "wheel", "id": "wheel", "actions": [scroll | {"origin": element}]}
        self.call("/actions", {"actions": [wheel]})

    def click(self, element: Any) -> None:
        key = next(iter(element.values()))
        self.call(f"/element/{key}/click", {})

    def size(self, width: int, height: int) -> None:
        self.call("/window/rect", {"width": width, "height": height})

    def picture(self) -> bytes:
        return base64.b64decode(self.call("/screenshot"))

    def log(self) -> list[dict[str, Any]]:
        """What the page complained of: script errors, and what its policy refused."""
        found: list[dict[str, Any]] = self.call("/se/log", {"type": "browser"})
        return found


@contextlib.contextmanager
def open_page(page: Path, *, width: int = 1400, height: int = 1000) -> Iterator[Browser]:
    """The page in a fresh browser, which is closed at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        driver = subprocess.Popen(
            ["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        session = ""
        base = Browser(f"http://127.0.0.1:{port}")
        try:
            _until_ready(base)
            arguments = [*FLAGS, f"--user-data-dir={folder}", f"--window-size={width},{height}"]
            options = {
                "goog:chromeOptions": {"args": arguments},
                "goog:loggingPrefs": {"browser": "ALL"},
            }
            session = base.call("/session", {"capabilities": {"alwaysMatch": options}})["sessionId"]
            browser = Browser(f"{base.address}/session/{session}")
            browser.call("/url", {"url": page.resolve().as_uri()})
            yield browser
        finally:
            if session:
                with contextlib.suppress(urllib.error.URLError, OSError):
                    base.call(f"/session/{session}", method="DELETE")
            driver.terminate()
            driver.wait(timeout=20)


def _until_ready(base: Browser) -> None:
    for _ in range(200):
        with contextlib.suppress(urllib.error.URLError, OSError):
            if base.call("/status")["ready"]:
                return
        time.sleep(0.05)
    raise AssertionError("chromedriver did not start")
