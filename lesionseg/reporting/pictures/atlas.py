"""The miss atlas: of each size the worst false negatives and false positives, as crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg.reporting.pictures.slices import (
    PLANES,
    REFERENCE_COLOUR,
    Outline,
    draw_slice,
    png,
)
from lesionseg.reporting.pictures.views import CaseView

TILE_PX, GAP_PX, GAP_GREY = 232, 4, 110
MOST_VOX = 4 * TILE_PX + 1  # across a tile; of more some are left out
MIN_FIELD_MM, FIELD_DIAMETERS = 26.0, 2.4


@dataclass(frozen=True)
class Miss:
    """One lesion of the atlas. models: that missed it, or predicted it wrongly. score: None if
    unknown. lesion_class: its name."""

    case: str
    kind: str
    bucket: str
    lesion_id: int
    volume_mm3: float
    diameter_mm: float
    score: float | None
    centre_mm: tuple[float, float, float]
    models: tuple[str, ...]
    lesion_class: str = ""


def choose_misses(lesions: pd.DataFrame, names: Sequence[str], count: int) -> list[Miss]:
    """Up to `count` false negatives and as many false positives of each bucket in `names`.

    Worst first: lesions that most models missed, the largest of them first; false positives by
    score, by volume where there are no scores.
    """
    reference = lesions[lesions["kind"] == "reference"]
    missed = reference[~reference["found"].astype(bool)]
    by_lesion = missed.groupby(["case", "lesion_id"], sort=False)["model"].agg(tuple)
    first = missed.drop_duplicates(["case", "lesion_id"]).set_index(["case", "lesion_id"])
    first = first.assign(models=by_lesion, missed_by=by_lesion.map(len)).reset_index()
    negatives = first.sort_values(
        ["missed_by", "volume_mm3", "case", "lesion_id"], ascending=[False, False, True, True]
    )
    false_positives = lesions[lesions["kind"] == "false_positive"]
    false_positives = false_positives.assign(
        models=false_positives["model"].map(lambda model: (model,))
    )
    positives = false_positives.sort_values(
        ["score", "volume_mm3", "case", "lesion_id"], ascending=[False, False, True, True]
    )
    chosen = []
    for name in names:
        for kind, table in (("missed", negatives), ("false positive", positives)):
            rows = table[table["bucket"] == name].head(count)
            chosen += [
                Miss(
                    case=str(row["case"]),
                    kind=kind,
                    bucket=name,
                    lesion_id=int(row["lesion_id"]),
                    volume_mm3=float(row["volume_mm3"]),
                    diameter_mm=float(row["diameter_mm"]),
                    score=None if pd.isna(row["score"]) else float(row["score"]),
                    centre_mm=(
                        float(row["centroid_r_mm"]),
                        float(row["centroid_a_mm"]),
                        float(row["centroid_s_mm"]),
                    ),
                    models=row["models"],
                    lesion_class=str(row.get("class", "")),
                )
                for row in rows.to_dict("records")
            ]
    return chosen


def draw_miss(view: CaseView, miss: Miss, colours: Mapping[str, str]) -> bytes:
    """PNG of a lesion of the atlas, as `draw_crops` makes it."""
    place = (miss.centre_mm, miss.diameter_mm)
    return draw_crops(view, *place, colours, lesion_class=miss.lesion_class)


def draw_crops(
    view: CaseView,
    centre_mm: Sequence[float],
    diameter_mm: float,
    colours: Mapping[str, str],
    *,
    lesion_class: str = "",
    tile_px: int = TILE_PX,
) -> bytes:
    """PNG of axial, coronal and sagittal crops through a lesion, side by side.

    The reference is outlined in yellow, or of several classes tinted in the colour of each. What a
    model has of the lesion's class is outlined in the model's colour. centre_mm: RAS.
    """
    to_index = np.linalg.inv(view.affine)
    centre = to_index[:3, :3] @ np.asarray(centre_mm) + to_index[:3, 3]
    field = max(MIN_FIELD_MM, FIELD_DIAMETERS * diameter_mm)
    image, window = view.shown
    masks = [
        (view.of_class(view.predictions[m], lesion_class), colours[m]) for m in view.predictions
    ]
    if len(view.classes) == 1:
        masks.insert(0, (view.reference > 0, REFERENCE_COLOUR))
        tinted = []
    else:
        tinted = view.layers(view.reference)
    tiles = []
    for axis in PLANES:
        box = [_around(centre[a], field / view.spacing_mm[a], a == axis) for a in range(3)]
        outlines = [
            Outline(_cut(mask, box, axis) > 0, colour, turn, len(masks))
            for turn, (mask, colour) in enumerate(masks)
        ]
        tints = [(_cut(mask, box, axis) > 0, colour) for mask, colour in tinted]
        plane, size = _cut(image, box, axis), (tile_px, tile_px)
        tiles.append(draw_slice(plane, window, outlines, size, thickness=2, tints=tints))
    gap = np.full((tile_px, GAP_PX, 3), GAP_GREY, np.uint8)
    return png(np.concatenate([tiles[0], gap, tiles[1], gap, tiles[2]], axis=1))


def _around(centre: float, width: float, single: bool) -> NDArray[np.int64]:
    """Voxel indices around a centre, no more than are drawn; may lie outside the array."""
    if single:
        return np.array([round(centre)])
    half = max(1, round(width / 2))
    num = min(2 * half + 1, MOST_VOX)
    return round(centre) + np.rint(np.linspace(-half, half, num)).astype(np.int64)


def _cut(array: NDArray[Any], box: Sequence[NDArray[np.int64]], axis: int) -> NDArray[Any]:
    """The slice of `array` at the indices `box`, zero outside it, as rows from the top."""
    inside = [(b >= 0) & (b < n) for b, n in zip(box, array.shape)]
    clipped = [np.clip(b, 0, n - 1) for b, n in zip(box, array.shape)]
    values = array[np.ix_(*clipped)] * np.multiply.outer(
        np.multiply.outer(inside[0], inside[1]), inside[2]
    )
    return np.take(values, 0, axis=axis).T[::-1, ::-1]
