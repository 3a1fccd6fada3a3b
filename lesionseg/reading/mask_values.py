"""What the values of a mask file mean: one rule for training, prediction and reports."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError

INTEGER_SLACK = 1e-3  # floats this near to a whole number are that number
LARGEST_ID = int(np.iinfo(np.int32).max)
BEYOND = 0.1  # what resampling with splines may leave of probabilities outside 0 to 1
BINARY_WHITE = 255  # what image editors write for 1


def whole_numbers(
    array: NDArray[Any],
    case: str,
    role: str,
    *,
    threshold: float | None = None,
    key: str = "data.mask_threshold",
) -> NDArray[Any]:
    """A mask's voxels (X, Y, Z) as integers or booleans.

    Floats within 1e-3 of whole numbers are rounded. With other fractions the mask is taken for
    probabilities: voxels at or above `threshold` become True. Raises CaseError, naming `role`, for
    fractions without a threshold (`key` sets it) or of another scale than it, for NaN, and for
    numbers that no id can have.
    """
    if array.dtype.kind == "f":
        finite = np.isfinite(array)
        if not finite.all():
            share = 100 * float(1 - finite.mean())
            raise CaseError(
                case,
                f"{role} has voxels that are not finite (NaN or infinite, {share:.2g} %); a mask "
                "holds integers",
            )
        whole = np.rint(array)
        off = np.abs(array - whole)
        if float(off.max(initial=0)) > INTEGER_SLACK:
            if threshold is not None:
                _refuse_other_scales(array, threshold, case, role)
                return np.asarray(array >= threshold)
            value = float(array.flat[off.argmax()])
            raise CaseError(
                case,
                f"{role} has non-integer value {value:.4g}, {off.max():.3g} away from integers; a "
                f"mask holds integers: set {key}=0.5 (or another) if these are probabilities",
            )
        array = whole
    low, high = array.min(initial=0), array.max(initial=0)
    if low < -LARGEST_ID or high > LARGEST_ID:
        problem = f"{role} has values from {low:.6g} to {high:.6g}"
        raise CaseError(case, f"{problem}; want 0 to {LARGEST_ID}")
    return array.astype(np.int32) if array.dtype.kind == "f" else array


def _refuse_other_scales(array: NDArray[Any], threshold: float, case: str, role: str) -> None:
    """CaseError for what no probability can be: per cents would all be above a threshold of 0.5.

    A threshold outside 0 to 1, like 50 for per cents or 0 for logits, is taken as given.
    """
    if not 0 < threshold <= 1:
        return
    low, high = float(array.min()), float(array.max())
    if low < -BEYOND or high > 1 + BEYOND:
        raise CaseError(
            case,
            f"{role} has values from {low:.4g} to {high:.4g}, no probabilities from 0 to 1 for the "
            f"threshold of {threshold:g}; scale them",
        )


def distinct_values(array: NDArray[Any]) -> set[int]:
    """The distinct values of an array of whole numbers; 0 is always among them."""
    if array.dtype.kind in "bu" and array.dtype.itemsize == 1:
        seen = np.flatnonzero(np.bincount(array.view(np.uint8).ravel(), minlength=1))
        return {0, *seen.tolist()}
    return {0, *(int(value) for value in np.unique(array[array != 0]))}
