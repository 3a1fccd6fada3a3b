"""The best, median and worst case of each model, one telling slice each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.report.plot_style import Look
from lesionseg.report.slices import (
    REFERENCE_COLOUR,
    Outline,
    draw_slice,
    grey_window,
    png,
    take_slice,
)
from lesionseg.report.views import CaseView

WIDTH_PX = 560
RANKS = ("best", "median", "worst")
MARGIN_VOX = 4


@dataclass(frozen=True)
class Choice:
    """A case picked for a model by its Dice."""

    model: str
    rank: str
    case: str
    dice: float


def choose_cases(cases: pd.DataFrame) -> list[Choice]:
    """Best, median and worst case by Dice of each model; fewer where it has fewer cases."""
    choices = []
    for model in dict.fromkeys(cases["model"]):
        mine = cases[(cases["model"] == model) & cases["dice"].notna()].sort_values(
            ["dice", "case"], ascending=[False, True]
        )
        places = {"best": 0, "median": (len(mine) - 1) // 2, "worst": len(mine) - 1}
        seen = set()
        for rank, place in places.items():
            if len(mine) and place not in seen:
                seen.add(place)
                row = mine.iloc[place]
                choices.append(Choice(model, rank, str(row["case"]), float(row["dice"])))
    return choices


def overlay(view: CaseView, model: str, looks: Mapping[str, Look]) -> tuple[bytes, str]:
    """A PNG of the slice in which reference and prediction hold most voxels, and where it lies.

    The reference is outlined in white, the prediction in the model's colour.
    """
    axis, _, _ = geometry.slab_axes(view.spacing_mm)
    reference, predicted = view.reference > 0, view.predictions[model] > 0
    others = tuple(a for a in range(3) if a != axis)
    index = int((reference | predicted).sum(axis=others).argmax())
    picture = view_slice(
        view, axis, index, [(reference, REFERENCE_COLOUR), (predicted, looks[model].colour)]
    )
    centre = [n // 2 for n in view.reference.shape]
    centre[axis] = index
    position = view.affine[:3, :3] @ centre + view.affine[:3, 3]
    world = int(np.abs(view.affine[:3, axis]).argmax())
    return png(picture), f"slice at {'RAS'[world]} {position[world]:.0f} mm"


def view_slice(
    view: CaseView, axis: int, index: int, masks: Sequence[tuple[NDArray[np.bool_], str]]
) -> NDArray[np.uint8]:
    """A slice of a view, cropped to what is not background, with masks outlined."""
    image = view.image if view.image is not None else np.zeros(view.reference.shape, np.uint8)
    plane = take_slice(image, axis, index)
    shown = plane > plane.min()
    for mask, _ in masks:
        shown = shown | take_slice(mask, axis, index)
    rows, columns = (_extent(shown.any(axis=1 - a)) for a in (0, 1))
    across, down = (a for a in ((1, 2), (0, 2), (0, 1))[axis])
    spacing = view.spacing_mm
    fine = min(spacing[across], spacing[down])
    width = (columns.stop - columns.start) * spacing[across] / fine
    base = max(1, round(WIDTH_PX / width))
    scale = (
        max(1, round(base * spacing[down] / fine)),
        max(1, round(base * spacing[across] / fine)),
    )
    outlines = [
        Outline(take_slice(mask, axis, index)[rows, columns], colour, turn, len(masks))
        for turn, (mask, colour) in enumerate(masks)
    ]
    return draw_slice(plane[rows, columns], grey_window(plane), outlines, scale=scale)


def _extent(used: NDArray[np.bool_]) -> slice:
    where = np.flatnonzero(used)
    if len(where) == 0:
        return slice(0, len(used))
    return slice(max(0, int(where[0]) - MARGIN_VOX), int(where[-1]) + 1 + MARGIN_VOX)
