"""Recipes are short, and none imports another."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from lesionseg import cli

FOLDER = Path(__file__).parents[2] / "pipelines"


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_recipe_imports_another_or_is_longer_than_90_lines():
    recipes = sorted(FOLDER.glob("*.py"))
    assert {path.stem for path in recipes} == ({*cli.STAGES} - {*cli.RECIPES}) | {
        "ablate_job",
        "shard_job",
        "__init__",
    }
    for path in recipes:
        assert len(path.read_text().splitlines()) <= 90, path.name
        for name in imported(path):
            assert not name.startswith(("lesionseg.pipelines", "pipelines")), (path.name, name)


def test_a_report_of_masks_alone_loads_no_torch():
    code = (
        "import sys; from lesionseg import cli; "
        "assert cli.main(['report', 'reference=nowhere', 'predictions.a=b', 'output=c']) == 2; "
        "names = {'lesionseg.pipelines.report', 'torch', 'lightning', 'monai'}; "
        "print(sorted(names & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "['lesionseg.pipelines.report']"
