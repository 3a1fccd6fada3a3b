"""The data of the slice viewer on the page: cropped volumes of a few cases, compressed."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg.geometry import bounding_slices
from lesionseg.reporting.pictures.slices import grey_window
from lesionseg.reporting.pictures.views import CaseView

BUDGET_VOX = 3_200_000  # a volume of so many voxels adds one to two megabytes to the page
MARGINS_MM = (1000.0, 40.0, 25.0, 15.0, 8.0)
MAX_MODELS = 7  # one bit of a byte each, and one for the reference
HEADROOM = 1.25  # intensities above the window that can still be told apart


def choose_worst(cases: pd.DataFrame, count: int) -> list[str]:
    """The cases with the lowest Dice, mean over models; those without lesions come last."""
    by_case = cases.groupby("case").agg(dice=("dice", "mean"), lesions=("num_reference", "max"))
    by_case = by_case.assign(empty=by_case["lesions"] == 0).dropna(subset="dice")
    worst = by_case.sort_values(["empty", "dice"], kind="stable")
    return [str(case) for case in worst.index[:count]]


def pack_view(view: CaseView, lesions: pd.DataFrame, models: Sequence[str]) -> dict[str, Any]:
    """One case for the viewer, ready for JSON.

    image: gzip of uint8 voxels, 0-255 over the window and some above. masks: gzip of uint8, bit 0
    the reference, bit i + 1 model i. Both are base64 of (X, Y, Z) in C order. affine: of the crop
    to RAS mm, row by row. lesions: a record a reference lesion and false positive, with its voxel;
    of kind `found` where there is no reference to judge them by.
    """
    bits = (view.reference > 0).astype(np.uint8)
    for i, model in enumerate(models[:MAX_MODELS]):
        if model in view.predictions:
            bits |= (view.predictions[model] > 0).astype(np.uint8) << (i + 1)
    image = bits * 0 if view.image is None else view.image
    box = _crop(bits, image, view.spacing_mm)
    step = _step([s.stop - s.start for s in box])
    affine = view.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ np.array([s.start for s in box])
    bits, image = _coarser(bits[box], step, np.bitwise_or.reduce), image[box]
    image = _coarser(image, step, np.mean) if step > 1 else image
    affine[:3, 3] += affine[:3, :3] @ np.full(3, (step - 1) / 2)
    affine[:3, :3] *= step
    low, high = grey_window(view.image) if view.image is not None else (0.0, 1.0)
    grey = np.clip((image.astype(np.float32) - low) / (HEADROOM * (high - low)), 0, 1)
    return {
        "case": view.case,
        "shape": list(bits.shape),
        "affine": [float(f"{v:.7g}") for v in affine[:3].ravel()],
        "step": step,
        "white": round(255 / HEADROOM),
        "image": _packed((255 * np.nan_to_num(grey)).astype(np.uint8) & 0xFE)
        if view.image is not None
        else "",
        "masks": _packed(bits),
        "lesions": _lesion_records(lesions, affine, bits.shape, several=len(view.classes) > 1),
    }


def _lesion_records(
    lesions: pd.DataFrame, affine: NDArray[np.float64], shape: Sequence[int], *, several: bool
) -> list[dict[str, Any]]:
    to_index = np.linalg.inv(affine)
    records: dict[tuple[str, str, int], dict[str, Any]] = {}
    for row in lesions.to_dict("records"):
        judged = row["kind"] == "reference"
        key = (row["kind"], "" if judged else row["model"], row["lesion_id"])
        if key not in records:
            centre = np.array([row[f"centroid_{a}_mm"] for a in "ras"])
            index = np.rint(to_index[:3, :3] @ centre + to_index[:3, 3]).astype(int)
            records[key] = {
                "kind": key[0],
                "id": int(row["lesion_id"]),
                "bucket": row["bucket"],
                "mm": round(float(row["diameter_mm"]), 1),
                "ras": [round(float(c), 1) for c in centre],
                "at": [int(np.clip(i, 0, n - 1)) for i, n in zip(index, shape)],
                "by": {},
                **({"class": row["class"]} if several else {}),
            }
        score = None if pd.isna(row["score"]) else round(float(row["score"]), 3)
        dice = round(float(row["region_dice"]), 2) if judged else None
        records[key]["by"][row["model"]] = {
            "found": bool(row["found"]),
            "dice": dice,
            "score": score,
        }
    order = {"reference": 0, "found": 0, "false_positive": 1}
    return sorted(records.values(), key=lambda r: (order[r["kind"]], -r["mm"], r["id"]))


def _crop(
    bits: NDArray[np.uint8], image: NDArray[Any], spacing: Sequence[float]
) -> tuple[slice, ...]:
    """The largest box around all lesions, with one of MARGINS_MM, that keeps within the budget."""
    wanted = bits > 0
    whole = tuple(slice(0, n) for n in wanted.shape)
    content = bounding_slices(_shown(image) | wanted) or whole
    lesions = bounding_slices(wanted) or content
    for margin in MARGINS_MM:
        box = tuple(
            slice(max(c.start, s.start - int(margin / mm)), min(c.stop, s.stop + int(margin / mm)))
            for s, c, mm in zip(lesions, content, spacing)
        )
        if np.prod([s.stop - s.start for s in box]) <= BUDGET_VOX:
            break
    return box


def _shown(image: NDArray[Any]) -> NDArray[np.bool_]:
    """Where an image is finite and brighter than its darkest voxel; what is not finite is air."""
    finite = np.isfinite(image)
    darkest = image[finite].min() if finite.any() else np.inf
    return np.asarray(finite & (image > darkest))


def _step(shape: Sequence[int]) -> int:
    """By how much a crop must be made coarser to keep within the budget."""
    return max(1, int(np.ceil((np.prod(shape) / BUDGET_VOX) ** (1 / 3))))


def _coarser(array: NDArray[Any], step: int, reduce: Any) -> NDArray[Any]:
    """Blocks of step^3 voxels as one; the last ones are padded with their edge."""
    if step == 1:
        return array
    padded = np.pad(array, [(0, -n % step) for n in array.shape], mode="edge")
    x, y, z = (n // step for n in padded.shape)
    blocks = padded.reshape(x, step, y, step, z, step)
    for axis in (5, 3, 1):
        blocks = reduce(blocks, axis=axis)
    return blocks


def _packed(array: NDArray[np.uint8]) -> str:
    return base64.b64encode(
        gzip.compress(np.ascontiguousarray(array).tobytes(), 6, mtime=0)
    ).decode()
