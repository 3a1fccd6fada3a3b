"""What the pages name is there: files of the repository, rooms, and links between pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]
    + list((ROOT / "docs").rglob("*.md"))
)
PATH = re.compile(r"`((?:lesionseg|conf|tests|docs|pipelines|data_cards|benchmarks)/[^`\s:]*)`")
LINK = re.compile(r"\]\((?!https?://)([^)#\s]+)")
GENERATED = {"cli.md", "settings.md"}  # made while the site is built
PLACEHOLDERS = re.compile(r"NAME|ROOM|FILE")


def paths_in(text: str) -> list[str]:
    """Paths in backticks that name a file or folder, without those that stand for any name."""
    return [path for path in PATH.findall(text) if not PLACEHOLDERS.search(path)]


def test_paths_are_found_and_placeholders_left_out():
    text = "`lesionseg/io/`, `conf/data/NAME.yaml`, `tests/x.py`, `other/y.py`, lesionseg/z.py"
    assert paths_in(text) == ["lesionseg/io/", "tests/x.py"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_path_that_a_page_names_exists(page):
    absent = [p for p in paths_in(page.read_text(encoding="utf-8")) if not (ROOT / p).exists()]
    assert absent == []


def test_pages_name_paths():
    assert sum(len(paths_in(page.read_text(encoding="utf-8"))) for page in PAGES) > 30


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_page_that_a_page_links_to_exists(page):
    text = page.read_text(encoding="utf-8")
    absent = [
        link
        for link in LINK.findall(text)
        if not (page.parent / link).exists() and Path(link).name not in GENERATED
    ]
    assert absent == []


def test_the_drawing_names_every_room():
    drawing = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = sorted(path.parent.name for path in (ROOT / "lesionseg").glob("*/__init__.py"))
    assert len(rooms) > 15
    flow, floors = drawing.split("## Which way imports point")
    assert [room for room in rooms if room not in flow] == []
    assert [room for room in rooms if not re.search(rf"\b{room}\b", floors)] == []


def test_the_floors_are_those_that_are_enforced():
    """The lines of ARCHITECTURE.md below `pipelines` are the layers of pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (layers,) = re.findall(r"^layers = \[\n(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    wanted = [set(re.findall(r"lesionseg\.(\w+)", line)) for line in layers.splitlines()]
    drawing = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```\npipelines\n(.*?)```", drawing, re.DOTALL)
    assert [set(line.split(", ")) for line in lines.splitlines()] == wanted
