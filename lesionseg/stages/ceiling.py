"""The study without training: what rounding costs a lesion of so many pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from lesionseg.models.mask_rcnn.ceiling import DIAMETERS_PX, ceiling_table, disc_sides
from lesionseg.planning.anchor_fit import best_iou, fit_anchors, random_corners
from lesionseg.planning.plan_file import read_plan
from lesionseg.reporting.plots.ceiling import ceiling_plot
from lesionseg.reporting.plots.style import as_png, style
from lesionseg.storage.atomic import replacing
from lesionseg.storage.csv_table import write_frame

NUM = 200  # discs a point
CELLS = 28  # a side of a mask, as He et al. 2017
# width and height by pyramid level, strides 4 to 64, as He et al. 2017 on photographs
STOCK_SIDES = (32, 64, 128, 256, 512)
STOCK_RATIOS = (0.5, 1.0, 2.0)
STOCK_STRIDE = 4


def print_ceiling(output: Path) -> int:
    """Print the table, write ceiling.csv and ceiling.png; return the exit code.

    Planned anchors are those of OUTPUT/preprocessed/plan.yaml, or where that is absent, fitted on
    the discs themselves.
    """
    table = pd.DataFrame(ceiling_table(CELLS, NUM))
    sides = disc_sides(DIAMETERS_PX, NUM)
    rng = np.random.default_rng(0)
    corners = random_corners(len(sides), rng)
    plan_file = output / "preprocessed" / "plan.yaml"
    planned = read_plan(plan_file).detector.anchors[2] if plan_file.is_file() else None
    stock = [
        [(side / ratio**0.5, side * ratio**0.5, 1) for ratio in STOCK_RATIOS]
        for side in STOCK_SIDES
    ]
    anchors = {
        "planned anchors": best_iou(sides, planned or fit_anchors(sides, 2, rng), 2, corners),
        "stock anchors": best_iou(sides, stock, STOCK_STRIDE, corners),
    }
    means = {name: iou.reshape(-1, NUM).mean(axis=1) for name, iou in anchors.items()}
    whole = table.assign(**means)
    with style():
        figure = ceiling_plot(
            DIAMETERS_PX,
            {name: table[name].tolist() for name in table.columns[1:]},
            {name: list(values) for name, values in means.items()},
            NUM,
        )
        with replacing(output / "ceiling.png") as partial:
            partial.write_bytes(as_png(figure))
    write_frame(output / "ceiling.csv", whole, float_format=".4f")
    print("best possible Dice for boxes right to half a pixel and perfect masks, by how a RoI is")
    print("read and masks are coded; then the mean IoU of the best anchor\n")
    print(whole.to_string(index=False, float_format="{:.3f}".format))
    print(f"\n{output / 'ceiling.csv'}\n{output / 'ceiling.png'}")
    return 0
