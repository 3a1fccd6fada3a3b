"""The container files, by their words: no test can build them."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCKERFILE, APPTAINER = "Dockerfile", "containers/lesionseg.def"
WANTED = {"HOME": "/tmp", "MPLCONFIGDIR": "/tmp/matplotlib", "LOGNAME": "lesionseg"}


def instructions():
    """(instruction, rest) of a Dockerfile's lines, continued ones joined."""
    text = (ROOT / DOCKERFILE).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(None, 1)) for line in lines]


def stages():
    """Instructions by the name of their stage."""
    made, name = {}, ""
    for word, rest in instructions():
        if word == "FROM":
            name = rest.split(" AS ")[1]
        made.setdefault(name, []).append((word, rest))
    return made


def sections():
    """Lines by section of the Apptainer file."""
    made, name = {}, "head"
    for line in (ROOT / APPTAINER).read_text(encoding="utf-8").splitlines():
        if line.startswith("%"):
            name = line
        elif line.strip() and not line.startswith("#"):
            made.setdefault(name, []).append(line.strip())
    return made


def scripts():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return set(project["scripts"])


def test_the_image_runs_as_a_user_that_is_not_root():
    run = stages()["run"]
    users = [rest for word, rest in run if word == "USER"]
    assert len(users) == 1
    assert int(users[0].split(":")[0]) > 0
    assert run[-1][0] == "USER"  # nothing runs as root after it
    for name in ("bids", "lesionseg"):
        assert stages()[name][0] == ("FROM", f"run AS {name}")
        assert {word for word, _ in stages()[name]} == {"FROM", "ENTRYPOINT", "CMD"}
    assert list(stages())[-1] == "lesionseg"  # what is built where no target is named


def test_the_commands_that_it_runs_exist():
    entries = [rest for name in ("bids", "lesionseg") for _, rest in stages()[name]]
    commands = {rest.strip('[]"') for rest in entries if "lesionseg" in rest and "AS" not in rest}
    assert commands == scripts()
    started = {
        line.split()[1] for name in ("%runscript", "%apprun bids") for line in sections()[name]
    }
    assert started == scripts()
    copied = [rest.split()[0] for line in instructions() for word, rest in [line] if word == "COPY"]
    assert copied == [".", "--from=build"]
    for line in [rest for word, rest in instructions() if word == "RUN"]:
        program, *words = shlex.split(line)
        assert program in ("sh", "mkdir")
        assert program == "mkdir" or (ROOT / words[0].removeprefix("/source/")).is_file()


def test_what_the_build_needs_is_not_kept_out_of_it():
    kept = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = set(project["tool"]["setuptools"]["package-dir"].values())
    needed = {
        "pyproject.toml",
        "constraints.txt",
        "README.md",
        "LICENSE",
        "lesionseg",
        "containers",
    }
    assert needed | folders == kept - {"wheels"}
    files = {line.split()[0] for line in sections()["%files"]}
    assert files == (needed | folders) - {"containers"} | {"containers/install"}
    for line in sections()["%files"]:
        source, target = line.split()
        assert target == f"/source/{source}"
        assert (ROOT / source).exists()


def test_both_set_what_a_read_only_root_needs():
    (env,) = (rest for word, rest in stages()["run"] if word == "ENV")
    docker = dict(pair.split("=", 1) for pair in env.split())
    exports = [line.removeprefix("export ") for line in sections()["%environment"]]
    apptainer = dict(line.split("=", 1) for line in exports)
    assert WANTED.items() <= docker.items()
    assert apptainer == {k: v for k, v in docker.items() if not k.startswith("NVIDIA")}


@pytest.mark.parametrize("name", [DOCKERFILE, APPTAINER, "containers/install"])
def test_no_address_of_a_package_index_is_named(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert re.findall(r"https?://|\b[a-z0-9-]+\.(?:org|com|io|net)\b", text) == []


def test_root_is_python_of_the_lowest_version_or_newer():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest = project["requires-python"].removeprefix(">=")
    (base,) = (rest for word, rest in instructions() if word == "ARG" and rest.startswith("BASE="))
    assert base.startswith("BASE=python:")
    found = re.search(r"python:(\d+)\.(\d+)", base).groups()
    assert tuple(map(int, found)) >= tuple(map(int, lowest.split(".")))
    assert f"base={base.removeprefix('BASE=')}" in sections()["%arguments"]
