"""Docstrings as pages, and the tables that pages show."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from lesionseg.evaluation.metrics import METRICS

DOCS = Path(__file__).parents[2] / "docs"


def maker(name):
    """A module of docs/, which is no package."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_arguments_become_a_list_and_examples_code():
    pytest.importorskip("griffe")
    docstring = (
        "Cut a box.\n\na, b: two arrays. They are (N,). size: pixels;\nat least 1.\n\n"
        "Raises ValueError: never.\n\n>>> cut(1)\n2\n>>> cut(2)\n3"
    )
    assert maker("docstrings").as_markdown(docstring, ["a", "b", "size"]) == (
        "Cut a box.\n\n- **a, b**: two arrays. They are (N,).\n- **size**: pixels; at least 1.\n\n"
        "Raises ValueError: never.\n\n```pycon\n>>> cut(1)\n2\n>>> cut(2)\n3\n```"
    )


def test_the_table_of_metrics_has_every_key_once_and_every_definition():
    table = maker("tables").metrics()
    assert len(METRICS) > 30
    for metric in METRICS.values():
        assert table.count(f"`{metric.key}`") == 1
        assert f" {metric.definition} |" in table
        assert f"{metric.heading}" in table


def test_averages_are_said_in_words():
    lines = maker("tables").metrics().splitlines()
    (recall,) = [line for line in lines if "`recall`" in line]
    assert "| each scan, pooled, mean over scans |" in recall
    (hd95,) = [line for line in lines if "`hd95_mm`" in line]
    assert "| each scan, median over scans |" in hd95


def test_every_room_says_what_it_is_for():
    rooms = maker("tables").rooms()
    assert (
        "| `io/nifti/` | NIfTI-1 and NIfTI-2: header checks, affine, voxels, and writing. |"
        in rooms
    )
    assert "| `errors.py` |" in rooms
