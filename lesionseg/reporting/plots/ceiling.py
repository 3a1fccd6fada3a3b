"""What perfect boxes and masks could reach, by lesion diameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from lesionseg.reporting.plots.style import COLOURS, MARKERS, WIDE, canvas

DASHES = {"exact": "-", "stock": (0, (4, 2))}


def ceiling_plot(
    diameters_px: Sequence[float],
    dice: Mapping[str, Sequence[float]],
    anchors: Mapping[str, Sequence[float]],
    num: int,
) -> Figure:
    """Two panels over the diameter: Dice of each "roi_op, coding", best IoU of each set of anchors.

    A colour and a mark for each way to read a RoI, a dash for each coding; num: discs a point.
    """
    figure, (left, right) = canvas(WIDE, 3.9, 2)
    operations = list(dict.fromkeys(name.split(", ")[0] for name in dice))
    for name, values in dice.items():
        roi_op, coding = name.split(", ")
        place = operations.index(roi_op)
        left.plot(
            diameters_px,
            values,
            color=COLOURS[place],
            marker=MARKERS[place],
            linestyle=DASHES[coding],
            linewidth=1.6,
            markersize=5,
            label=name,
        )
    left.set_ylabel("best possible Dice")
    left.set_title(f"Boxes to half a pixel, masks perfect  (n = {num} discs a point)")
    for place, (name, values) in enumerate(anchors.items()):
        right.plot(
            diameters_px,
            values,
            color=COLOURS[place + 3],
            marker=MARKERS[place + 3],
            linestyle=(0, (5, 2)) if place else "-",
            linewidth=1.6,
            markersize=5,
            label=name,
        )
    right.set_ylabel("IoU of the best anchor, mean")
    right.set_title(f"Where a box may start from  (n = {num} discs a point)")
    for axis in (left, right):
        axis.set_ylim(0, 1.03)
        axis.set_xlabel("diameter of the lesion in the slice, px")
        axis.legend(fontsize=8.5, loc="lower right", handlelength=3.5)  # dashes are told apart
    return figure
