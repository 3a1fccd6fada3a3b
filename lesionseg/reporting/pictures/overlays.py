"""The best, median and worst case of each model, one slice each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.reporting.pictures.slices import (
    IN_PLANE,
    REFERENCE_COLOUR,
    Outline,
    draw_slice,
    png,
    take_slice,
)
from lesionseg.reporting.pictures.views import CaseView

WIDTH_PX = 720
TALLEST = 3  # of a picture: its height by WIDTH_PX, however thin the slice
MARGIN_VOX = 4


@dataclass(frozen=True)
class Choice:
    """A case picked for a model by its Dice."""

    model: str
    rank: str
    case: str
    dice: float


def choose_cases(cases: pd.DataFrame) -> list[Choice]:
    """Best, median and worst case by Dice of each model, of the cases with lesions."""
    options = []
    for model in dict.fromkeys(cases["model"]):
        mine = cases[(cases["model"] == model) & (cases["num_reference"] > 0)].sort_values(
            ["dice", "case"], ascending=[False, True]
        )
        places = {"best": 0, "worst": len(mine) - 1, "median": (len(mine) - 1) // 2}
        by_place = {place: rank for rank, place in reversed(places.items()) if len(mine)}
        for place, rank in sorted(by_place.items()):
            row = mine.iloc[place]
            options.append(Choice(model, rank, str(row["case"]), float(row["dice"])))
    return options


def overlay(view: CaseView, model: str, colour: str) -> tuple[bytes, str]:
    """A PNG of the slice in which reference and prediction hold most voxels, and where it lies.

    The reference is outlined in yellow, the prediction in `colour`. Of several classes each has a
    colour: the reference is tinted in it, the prediction outlined.
    """
    axis, _, _ = geometry.slab_axes(view.spacing_mm)
    truth, found = view.reference, view.predictions[model]
    masks = truth > 0, found > 0
    others = tuple(a for a in range(3) if a != axis)
    index = int((masks[0] | masks[1]).sum(axis=others).argmax())
    image, window = view.shown
    plane = take_slice(image, axis, index)
    planes = [take_slice(mask, axis, index) for mask in masks]
    shown = (plane > plane.min()) | planes[0] | planes[1]
    rows, columns = (_extent(shown.any(axis=1 - a)) for a in (0, 1))
    across, down = (view.spacing_mm[a] for a in IN_PLANE[axis])
    width_mm, height_mm = (columns.stop - columns.start) * across, (rows.stop - rows.start) * down
    size = _size_px(height_mm / width_mm)
    tints: list[tuple[NDArray[np.bool_], str]] = []
    drawn = list(zip(planes, (REFERENCE_COLOUR, colour)))
    if len(view.classes) > 1:
        drawn = view.layers(take_slice(found, axis, index))
        tints = view.layers(take_slice(truth, axis, index))
    outlines = [
        Outline(mask[rows, columns], shade, turn, len(drawn))
        for turn, (mask, shade) in enumerate(drawn)
    ]
    tints = [(mask[rows, columns], shade) for mask, shade in tints]
    picture = draw_slice(plane[rows, columns], window, outlines, size, thickness=2, tints=tints)
    return png(picture), f"slice {_place(view, axis, index)}"


def _size_px(ratio: float) -> tuple[int, int]:
    """Height and width of a picture whose height is `ratio` times its width."""
    if ratio > TALLEST:
        return TALLEST * WIDTH_PX, max(1, round(TALLEST * WIDTH_PX / ratio))
    return max(1, round(WIDTH_PX * ratio)), WIDTH_PX


def _place(view: CaseView, axis: int, index: int) -> str:
    """World position of a slice along the axis it is nearest to: "S 22 mm"."""
    centre = [(n - 1) / 2 for n in view.reference.shape]
    centre[axis] = index
    position = view.affine[:3, :3] @ centre + view.affine[:3, 3]
    world = int(np.abs(view.affine[:3, axis]).argmax())
    return f"{'RAS'[world]} {position[world]:.0f} mm"


def _extent(used: NDArray[np.bool_]) -> slice:
    where = np.flatnonzero(used)
    if len(where) == 0:
        return slice(0, len(used))
    low, high = int(where[0]) - MARGIN_VOX, int(where[-1]) + 1 + MARGIN_VOX
    return slice(max(0, low), min(high, len(used)))
