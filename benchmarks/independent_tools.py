"""Our figures beside those of MONAI, panoptica, MetricsReloaded, pycocotools, CC-Metrics, the BraTS
2023 code and surface-distance, on 410 random cases.

python benchmarks/independent_tools.py --tools VENV     VENV: the tools' own environment

Where VENV does not exist it is made: packages by pip, two repositories by git. torch and MONAI are
those of the environment that runs this script; nothing is installed there. About 3 minutes on one
core. Prints the tables of docs/results/independent_tools.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from independent.cases import Case, make_cases
from independent.rows import (
    ROWS,
    SHOWN_EMPTY,
    Row,
    froc_of_points,
    meanings,
    our_figures,
    our_precision,
)

from lesionseg.evaluation import OperatingCurve
from lesionseg.slack import slack_mm

COMMON = (
    *("numpy==2.2.6", "pandas==2.3.3", "scikit-learn==1.9.1", "nibabel==5.4.2"),
    "connected-components-3d==3.29.0",
)
PACKAGES = (
    *(["panoptica==2.1.7"], ["pycocotools==2.0.11"], ["surface-distance==0.1"]),
    ["--no-deps", "ccmetrics==0.0.3"],  # its torch and MONAI are those of this script
)
BRATS = "BraTS-2023-Metrics"
REPOSITORIES = {  # folder: address, commit, the paths that are needed
    "MetricsReloaded": (
        "https://github.com/Project-MONAI/MetricsReloaded",
        "cb38dfc0a5ed4fa3bdc559e4960b6e2b93c3b967",
        ("MetricsReloaded",),
    ),
    BRATS: (
        "https://github.com/rachitsaluja/BraTS-2023-Metrics",
        "43c905242b2eecf421d4ab2da7af8ece9777d322",
        ("metrics.py", "surface_distance"),
    ),
}
GROUPS = 31  # data sets of 13 or 14 scans for average precision
EQUAL = 1e-6
EMPTY = {"nothing": "both empty", "no reference": "no reference", "no prediction": "no prediction"}


@dataclass(frozen=True, eq=False)
class Ours:
    """Of each case our figures and what is so in it; of each group its average precision."""

    cases: Sequence[Case]
    figures: Sequence[dict[str, Any]]
    words: Sequence[set[str]]
    data_sets: Sequence[dict[str, float]]


def asked_environment(description: str | None) -> Path:
    """The environment of the tools that --tools names, made where there is none."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tools", type=Path, required=True, metavar="VENV")
    venv: Path = parser.parse_args().tools.absolute()
    if not venv.exists():
        make_environment(venv)
    return venv


def main() -> None:
    venv = asked_environment(__doc__)
    cases = list(make_cases())
    theirs = {tool: figures_of(venv, tool, cases) for tool in dict.fromkeys(r.tool for r in ROWS)}
    ours = Ours(
        cases,
        [our_figures(case) for case in cases],
        [meanings(case) for case in cases],
        [our_precision(cases[start::GROUPS]) for start in range(GROUPS)],
    )
    print("| tool | figure | cases | compared | largest difference | over 1e-6 | what differs |")
    print("|---" * 7 + "|")
    for row in ROWS:
        print(comparison(row, theirs[row.tool], ours))
    print("\n| tool | figure | " + " | ".join(EMPTY.values()) + " |")
    print("|---" * (2 + len(EMPTY)) + "|")
    for row in ROWS:
        if row.label in SHOWN_EMPTY and not row.where and not row.ours:
            print(empty_cases(row, theirs[row.tool], ours))


def make_environment(venv: Path) -> None:
    """A tool that is not to be had is left out, and is so in the table."""
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = [python_of(venv), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *COMMON], check=True)
    for package in PACKAGES:
        subprocess.run([*pip, *package], check=False)
    for name, (address, commit, paths) in REPOSITORIES.items():
        folder = venv / "src" / name
        clone = ["git", "clone", "--quiet", "--no-checkout", address, folder]
        if subprocess.run(clone, check=False).returncode == 0:
            checkout = ["git", "-C", folder, "checkout", "--quiet", commit, "--", *paths]
            subprocess.run(checkout, check=False)


def python_of(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def figures_of(venv: Path, tool: str, cases: Sequence[Case]) -> list[Any] | str:
    """One item a case, or for average precision a group; as text, why the tool is not there."""
    spec = importlib.util.find_spec("torch")
    assert spec is not None
    assert spec.origin is not None
    arrays: dict[str, Any] = {"group": np.arange(len(cases)) % GROUPS}
    for i, case in enumerate(cases):
        arrays |= {
            f"{name}_{i}": getattr(case, name)
            for name in ("reference", "prediction", "scores", "affine")
        }
        arrays[f"spacing_{i}"] = case.spacing_mm
        arrays[f"one_mm_{i}"] = 1.0 + slack_mm(case.spacing_mm)
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/cases.npz", **arrays)
        command = [python_of(venv), "-m", "independent.figures", tool]
        files = [f"{folder}/cases.npz", f"{folder}/figures.json"]
        packages = Path(spec.origin).parents[1]
        source = venv / "src" / (BRATS if tool == "BraTS 2023" else "MetricsReloaded")
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(source)}
        here = Path(__file__).parent
        subprocess.run([*command, *files, packages], check=True, env=environment, cwd=here)
        found: list[Any] | str = json.loads(Path(files[1]).read_text())
        return found


def comparison(row: Row, theirs: list[Any] | str, ours: Ours) -> str:
    """A row of the table over cases where both masks hold a lesion and `row.where` is so."""
    if isinstance(theirs, str):
        return f"| {row.tool} | {row.label} | | 0 | | | not to be had: {theirs} |"
    differences, raised = [], 0
    for i, figures in enumerate(theirs):
        if row.tool == "pycocotools":
            mine = ours.data_sets[i]
        elif not {"both", *row.where} <= ours.words[i]:
            continue
        elif isinstance(figures, str):
            raised += 1
            continue
        elif row.tool == "MONAI, FROC":
            mine = at_thresholds(froc_of_points(ours.cases[i]), figures["froc_threshold"])
        else:
            mine = ours.figures[i]
        differences.append(difference(mine[row.ours or row.theirs], figures[row.theirs]))
    where = ", ".join(row.where) or "all"
    if raised:
        where += f"; the tool raises in {raised}"
    far = sum(d > EQUAL for d in differences)
    largest = f"{max(differences, default=0.0):.{2 if far else 1}g}"
    counted = f"{len(differences)} | {largest} | {far}"
    return f"| {row.tool} | {row.label} | {where} | {counted} | {row.note} |"


def difference(mine: Any, other: Any) -> float:
    """The largest of all values, relative where a value is above 1; NaN and NaN are equal."""
    a, b = (np.atleast_1d(np.asarray(value, dtype=np.float64)) for value in (mine, other))
    if a.shape != b.shape:
        return float("inf")
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(a - b) / np.maximum(1.0, np.abs(b)))
    return float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0))


def at_thresholds(curve: OperatingCurve, thresholds: Sequence[float]) -> dict[str, Any]:
    reached = curve.threshold[None, :] >= np.asarray(thresholds)[:, None]
    at = reached.sum(axis=1) - 1
    return {"froc_recall": curve.recall[at], "froc_fp_per_scan": curve.fp_per_scan[at]}


def empty_cases(row: Row, theirs: list[Any] | str, ours: Ours) -> str:
    """ "Ours, theirs" where there is nothing: all values that occur."""
    cells = []
    for family in EMPTY:
        here = [i for i, case in enumerate(ours.cases) if case.family == family]
        mine = {shown(ours.figures[i].get(row.theirs)) for i in here}
        figures = [{}] if isinstance(theirs, str) else [theirs[i] for i in here]
        other = {
            "raises" if isinstance(one, str) else shown(one.get(row.theirs)) for one in figures
        }
        cells.append(f"{'/'.join(sorted(mine))}, {'/'.join(sorted(other))}")
    return f"| {row.tool} | {row.label} | " + " | ".join(cells) + " |"


def shown(value: Any) -> str:
    """A figure, or the mean of a list of figures, in the table."""
    if value is None or value == []:
        return "none"
    return f"{np.mean(value):.3g}".replace("nan", "NaN")


if __name__ == "__main__":
    main()
