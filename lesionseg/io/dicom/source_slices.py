"""The slices that a DICOM scan was read from, for objects that refer to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError, UsageError
from lesionseg.io.dicom.kinds import ENHANCED, object_kind
from lesionseg.io.dicom.quiet import quiet_pydicom
from lesionseg.io.dicom.series import enhanced_stack, series_stack
from lesionseg.structures import Affine

EXTRA = "writing DICOM SEG needs highdicom; install it with pip install 'lesionseg[dicom]'"
WAY_OUT = "leave out formats=[dicom_seg]"
WITHIN_MM = 0.1  # a slice's place from that of its plane in the volume
NEEDED = (
    *("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"),
    *("FrameOfReferenceUID", "Rows", "Columns", "Modality"),
)
MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"),
    *("StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)


@dataclass(frozen=True, eq=False)
class SourceSlices:
    """images: pydicom datasets without voxels, one a slice in the order of the volume's third axis,
    or a single one of an enhanced file. order: of its frames, by that axis."""

    images: Sequence[Any]
    order: NDArray[np.intp]


def require_highdicom() -> None:
    """Raise UsageError where it is not installed."""
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        raise UsageError(EXTRA) from error


def is_dicom_scan(path: Path) -> bool:
    """Whether a scan's path is a folder of DICOM slices or an enhanced DICOM file."""
    try:
        return path.is_dir() or object_kind(path) == ENHANCED
    except OSError:
        return False


def source_slices(
    path: Path,
    case: str,
    shape: tuple[int, int, int],
    affine: Affine,
    *,
    series: str | None = None,
) -> SourceSlices:
    """The slices of a scan that was read with this shape and affine to RAS+ mm.

    series: as of `read_dicom`. Raises CaseError for a scan of another format, where their grid is
    another, because they were resampled, and where they lack what a derived object takes from them;
    UsageError where highdicom is not installed.
    """
    if not is_dicom_scan(path):
        raise CaseError(
            case, f"{path.name} is not DICOM, so that no DICOM SEG can refer to it; {WAY_OUT}"
        )
    require_highdicom()
    from pydicom import dcmread

    if path.is_dir():
        paths, stack = series_stack(path, case, series)
    else:
        paths, stack = [path], enhanced_stack(path, case)
    _refuse_another_grid(stack.positions, shape, affine, path.name, case)
    try:
        with quiet_pydicom():
            images = [dcmread(one, stop_before_pixels=True, force=True) for one in paths]
            _complete(images, path.name, case)
    except CaseError:
        raise
    except Exception as error:  # a damaged file raises whatever it runs into
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CaseError(case, f"{path.name} cannot be read as DICOM: {reason}") from error
    own_files = len(paths) > 1  # they are in order; the frames of one file may not be
    return SourceSlices(images, np.arange(len(paths)) if own_files else stack.order)


def _refuse_another_grid(
    positions: NDArray[np.float64],
    shape: tuple[int, int, int],
    affine: Affine,
    name: str,
    case: str,
) -> None:
    """positions: (N, 3) of the slices' first voxels, LPS mm, in order."""
    along = np.arange(shape[2])[:, None] * affine[:3, 2] + affine[:3, 3]
    same = len(positions) == shape[2]
    if not same or np.abs(along * (-1, -1, 1) - positions).max() > WITHIN_MM:
        raise CaseError(
            case,
            f"{name} was resampled from slices that are not evenly stacked, so that its lesions "
            f"lie on no slice of it; {WAY_OUT}",
        )


def _complete(images: Sequence[Any], name: str, case: str) -> None:
    """Empty values for what may be empty and is not there. Raises CaseError for what must be."""
    for image in images:
        if missing := [key for key in NEEDED if not image.get(key)]:
            raise CaseError(
                case,
                f"slices in {name} have no {missing[0]}, which a DICOM SEG takes from them; "
                f"{WAY_OUT}",
            )
        for key in MAY_BE_EMPTY:
            if key not in image:
                setattr(image, key, "")
