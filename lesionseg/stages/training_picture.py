"""The curves of a training as a picture in its model folder."""

from __future__ import annotations

import sys
from pathlib import Path

from lesionseg.reporting.page.outputs import write_bytes
from lesionseg.reporting.plots.style import as_png
from lesionseg.reporting.plots.training import training_curves
from lesionseg.storage.csv_table import read_frame

CURVES = "loss_curves.png"


def write_training_picture(folder: Path, name: str) -> None:
    """Draw log.csv of a model folder; a log that cannot be drawn is said. Raises OutputError."""
    try:
        figure = training_curves(read_frame(folder / "log.csv"))
    except (OSError, ValueError):
        print(f"{name}: log.csv holds nothing that can be drawn", file=sys.stderr)
        return
    write_bytes(folder / CURVES, as_png(figure))
