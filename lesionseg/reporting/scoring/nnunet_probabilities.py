"""The probabilities that nnU-Net writes as CASE.npz beside its masks (`--save_probabilities`).

An array `probabilities` (version 2) or `softmax` (version 1) of shape (classes, Z, Y, X): nnU-Net
holds volumes as SimpleITK gives them, with the axes of the file the other way round. Channel i is
label i, 0 the background.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError
from lesionseg.storage.memory import refuse_beyond_memory
from lesionseg.storage.text_file import check_regular

NPZ = ".npz"
ARRAYS = ("probabilities", "softmax")
WORK_BYTES = 16  # of a voxel, beside the channels, while they are summed
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
    array = _array(path, tuple(int(n) for n in reversed(list(shape))), case, role)
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


def _array(path: Path, want: tuple[int, ...], case: str, role: str) -> NDArray[Any]:
    """The array of (classes, *want), of which the header is judged before it is read."""
    try:
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            members = {f"{name}.npy" for name in ARRAYS} & set(archive.namelist())
            if not members:
                raise CaseError(
                    case, f"{role} {path.name} holds no array {' or '.join(ARRAYS)}, as of nnU-Net"
                )
            with archive.open(min(members)) as member:
                shape, dtype = _header(member)
            if len(shape) != 4 or shape[1:] != want:
                raise CaseError(
                    case,
                    f"{role} {path.name} has shape {shape}; want (classes, "
                    f"{', '.join(map(str, want))}), the axes of the mask reversed",
                )
            if dtype.kind != "f":
                raise CaseError(case, f"{role} {path.name} has dtype {dtype}; want fractions")
            wanted = math.prod(shape) * dtype.itemsize + WORK_BYTES * math.prod(want)
            refuse_beyond_memory(wanted, path.name, case)
            with archive.open(min(members)) as member:
                array: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
                return array
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, MemoryError) as error:
        raise CaseError(
            case, f"{role} {path.name} cannot be read as .npz; write it anew"
        ) from error


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type that a .npy says it has. Raises ValueError."""
    if np.lib.format.read_magic(member) == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(member)
    if dtype.hasobject:
        raise ValueError("a pickle")
    return shape, dtype
