"""Every dependency has a lowest version, and the pinned one is at least that."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("lowest", ROOT / ".ci" / "lowest_versions.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def numbers(version):
    return [int(part) for part in version.split(".")]


def plain(name):
    return name.lower().replace("_", "-")


def test_the_pinned_version_of_each_dependency_is_allowed(script):
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().splitlines()
        if not line.startswith("#")
    )
    pins = {plain(name): version for name, version in pins.items()}
    listed = script.lowest_versions((ROOT / "pyproject.toml").read_text(encoding="utf-8"), [])
    assert len(listed) > 20
    for line in listed:
        name, least = line.split("==")
        assert numbers(pins[plain(name)]) >= numbers(least), name


def test_the_lowest_blosc2_refuses_stored_code_and_the_lowest_simpleitk_places_las_volumes(script):
    listed = script.lowest_versions((ROOT / "pyproject.toml").read_text(encoding="utf-8"), [])
    least = dict(line.split("==") for line in listed)
    assert numbers(least["blosc2"]) >= [4, 14, 1]
    assert numbers(least["SimpleITK"]) >= [2, 5, 6]


def test_no_pin_is_for_some_versions_of_python_only():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "python_version" not in text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert re.fullmatch(r">=3\.\d+", project["requires-python"])


def test_one_without_a_lowest_version_is_named(script):
    with pytest.raises(ValueError, match=r"'pandas' in pyproject\.toml has no lowest version"):
        script.lowest("pandas")
    assert script.lowest("blosc2>=4.14.1") == "blosc2==4.14.1"
