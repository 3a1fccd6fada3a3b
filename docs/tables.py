"""Tables of the explanation that are made from the code: the metrics, and the rooms."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

from lesionseg.evaluation.metric import Metric
from lesionseg.evaluation.metrics import METRICS

PACKAGE = Path(__file__).parent.parent / "lesionseg"
AVERAGES = {
    "pooled": "pooled",
    "mean_over_cases": "mean over scans",
    "median_over_cases": "median over scans",
}


def metrics() -> str:
    """One row a definition, with the metrics that share it, in the order of the tables."""
    lines = ["| metric | in the tables | averages | definition |", "|---|---|---|---|"]
    for definition, together in itertools.groupby(METRICS.values(), lambda m: m.definition):
        rows = list(together)
        labels = "; ".join(dict.fromkeys(metric.heading for metric in rows))
        keys = ", ".join(f"`{metric.key}`" for metric in rows)
        lines.append(f"| {labels} | {keys} | {_averages(rows[0])} | {definition} |")
    return "\n".join(lines) + "\n"


def rooms() -> str:
    """Every package with the first sentence of its docstring, and its single files."""
    lines = ["| room | what it is for |", "|---|---|"]
    for path in sorted(PACKAGE.rglob("__init__.py")):
        room = path.parent.relative_to(PACKAGE).as_posix()
        if room != ".":
            lines.append(f"| `{room}/` | {_first_line(path)} |")
    for path in sorted(PACKAGE.glob("*.py")):
        if path.name != "__init__.py":
            lines.append(f"| `{path.name}` | {_first_line(path)} |")
    return "\n".join(lines) + "\n"


def _averages(metric: Metric) -> str:
    of_lesions = "each lesion" if metric.of_lesions is not None else ""
    of_case = "each scan" if metric.of_case is not None else ""
    parts = [of_lesions, of_case, *(AVERAGES[average] for average in metric.averages)]
    return ", ".join(part for part in parts if part)


def _first_line(path: Path) -> str:
    words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if not words:
        raise ValueError(f"{path.name} of {path.parent.name} has no docstring; say what it is for")
    return words.splitlines()[0]
