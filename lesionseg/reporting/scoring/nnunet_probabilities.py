"""The probabilities that nnU-Net writes as CASE.npz beside its masks (`--save_probabilities`).

An array `probabilities` (version 2) or `softmax` (version 1) of shape (classes, Z, Y, X): nnU-Net
holds volumes as SimpleITK gives them, with the axes of the file the other way round. Channel i is
label i, 0 the background.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError
from lesionseg.storage.text_file import check_regular

NPZ = ".npz"
ARRAYS = ("probabilities", "softmax")
SUM_SLACK = 0.02  # float16 of several channels


def is_nnunet_npz(path: Path) -> bool:
    """Whether a file is a .npz with one of nnU-Net's arrays; its array is not read."""
    try:
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            return any(f"{name}.npy" in archive.namelist() for name in ARRAYS)
    except (OSError, zipfile.BadZipFile):
        return False


def read_nnunet_npz(
    path: Path, labels: Sequence[int] | None, shape: Sequence[int], case: str, role: str
) -> NDArray[np.float32]:
    """Probability of lesion, (X, Y, Z) float32: the sum over the channels of the lesion labels.

    labels: None takes all but the background. shape: (X, Y, Z) of the mask that it belongs to.
    Raises CaseError for a file without such an array, of another shape, with channels that are no
    softmax, and for a label without a channel.
    """
    array = _array(path, case, role)
    want = tuple(int(n) for n in reversed(list(shape)))
    if array.ndim != 4 or array.shape[1:] != want:
        raise CaseError(
            case,
            f"{role} {path.name} has shape {array.shape}; want (classes, "
            f"{', '.join(map(str, want))}), the axes of the mask reversed",
        )
    total = array.sum(axis=0, dtype=np.float32)
    off = float(np.abs(total - 1).max(initial=0))
    if not off <= SUM_SLACK:  # NaN too
        raise CaseError(
            case,
            f"{role} {path.name} has channels that do not sum to 1 (off by {off:.3g}), as those of "
            "regions; convert the channel of lesions to NIfTI and give that",
        )
    lesions = list(range(1, len(array))) if labels is None else sorted(labels)
    if not lesions or max(lesions) >= len(array):
        raise CaseError(
            case,
            f"{role} {path.name} has {len(array)} channels, background first; none is of label "
            f"{max(lesions, default=1)}",
        )
    lesion = array[lesions].sum(axis=0, dtype=np.float32)
    return np.ascontiguousarray(np.clip(lesion, 0, 1).transpose(2, 1, 0))


def _array(path: Path, case: str, role: str) -> NDArray[Any]:
    try:
        check_regular(path)
        with np.load(path, allow_pickle=False) as content:
            for name in ARRAYS:
                if name in content.files:
                    array: NDArray[Any] = content[name]
                    break
            else:
                raise CaseError(
                    case, f"{role} {path.name} holds no array {' or '.join(ARRAYS)}, as of nnU-Net"
                )
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, MemoryError) as error:
        raise CaseError(
            case, f"{role} {path.name} cannot be read as .npz; write it anew"
        ) from error
    if array.dtype.kind != "f":
        raise CaseError(case, f"{role} {path.name} has dtype {array.dtype}; want fractions")
    return array
