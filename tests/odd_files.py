"""Things at a path that are no regular file, and must not be waited for."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

KINDS = ("pipe", "socket", "device", "folder", "dangling link", "link to a pipe")


def make_odd_file(kind: str, path: Path) -> None:
    """Put one of KINDS at `path`; skips the test where the system has none."""
    if sys.platform == "win32" and kind != "folder":
        pytest.skip("Windows has no such file")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        here = Path.cwd()
        os.chdir(path.parent)  # the path of a socket may have 100 letters
        try:
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(path.name)
        finally:
            os.chdir(here)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    elif kind == "link to a pipe":
        os.mkfifo(path.with_name("a_pipe"))
        path.symlink_to("a_pipe")
