"""Enhanced multi-frame DICOM: all slices of a scan in one file (PS3.3, C.7.6.16). Needs pydicom.

Each frame has a place and an intensity scaling of its own, which are taken as those of a slice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError, UsageError
from lesionseg.io.dicom.quiet import quiet_pydicom
from lesionseg.io.dicom.slice_headers import Header
from lesionseg.storage.memory import refuse_beyond_memory

EXTRA = (
    "reading enhanced multi-frame DICOM needs pydicom; install it with "
    "pip install 'lesionseg[dicom]', or convert the file, as with dcm2niix"
)
OF_FILE = {  # Header's names of what all frames have in common
    "study": "StudyInstanceUID",
    "series": "SeriesInstanceUID",
    "series_number": "SeriesNumber",
    "description": "SeriesDescription",
    "modality": "Modality",
    "samples": "SamplesPerPixel",
    "rows": "Rows",
    "columns": "Columns",
    "stored_bits": "BitsStored",
    "high_bit": "HighBit",
    "contrast": "PhotometricInterpretation",
}
OF_FRAME = {  # and of what each may have of its own: functional group, attribute
    "position": ("PlanePositionSequence", "ImagePositionPatient"),
    "orientation": ("PlaneOrientationSequence", "ImageOrientationPatient"),
    "spacing": ("PixelMeasuresSequence", "PixelSpacing"),
    "slope": ("PixelValueTransformationSequence", "RescaleSlope"),
    "intercept": ("PixelValueTransformationSequence", "RescaleIntercept"),
}


def open_enhanced(path: Path, case: str) -> Any:
    """The pydicom dataset of a file. Raises CaseError where it cannot be read, UsageError where
    pydicom is not installed."""
    try:
        from pydicom import dcmread
    except ImportError as error:
        raise UsageError(EXTRA) from error
    try:
        with quiet_pydicom():
            return dcmread(path, force=True)  # files without preamble, too
    except Exception as error:  # a damaged file raises whatever it runs into
        raise _unreadable(path, case, error) from error


def frame_headers(dataset: Any, path: Path, case: str) -> list[Header]:
    """What the headers of slices say, of each frame. Raises CaseError for a garbled file."""
    try:
        with quiet_pydicom():
            shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])
            frames = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
            count = int(dataset.get("NumberOfFrames") or 1)
            of_file = {name: _text(dataset, key) for name, key in OF_FILE.items()}
            headers: list[Header] = [
                {name: text for name, text in (*of_file.items(), *_of_frame(frame, shared)) if text}
                for frame in frames
            ]
    except Exception as error:  # values are decoded when they are asked for
        raise _unreadable(path, case, error) from error
    if len(headers) != count:
        raise CaseError(
            case,
            f"{path.name} holds {count} frames and the places of {len(headers)}; copy it again",
        )
    return headers


def frame_voxels(
    dataset: Any, headers: Sequence[Header], order: NDArray[np.intp], path: Path, case: str
) -> NDArray[Any]:
    """(columns, rows, N), the frames in this order, rescaled where their headers say so. Raises
    CaseError where they cannot be decoded or do not fit into memory."""
    rows, columns = int(headers[0]["rows"]), int(headers[0]["columns"])
    refuse_beyond_memory(3 * 4 * rows * columns * len(headers), path.name, case)
    try:
        with quiet_pydicom():
            stored = dataset.pixel_array
    except Exception as error:
        raise _unreadable(path, case, error) from error
    if stored.shape != (len(headers), rows, columns):
        raise CaseError(
            case,
            f"{path.name} holds voxels of shape {stored.shape}, its header says "
            f"{(len(headers), rows, columns)}; copy it again",
        )
    scales = np.array([float(header.get("slope", "1")) for header in headers], np.float32)
    shifts = np.array([float(header.get("intercept", "0")) for header in headers], np.float32)
    array = stored[order].transpose(2, 1, 0)
    if (scales == 1).all() and (shifts == 0).all():
        return np.ascontiguousarray(array)
    return np.asarray(array * scales[order] + shifts[order], np.float32)


def _of_frame(frame: Any, shared: list[Any]) -> Iterator[tuple[str, str]]:
    """A frame's own groups come before those that all share."""
    for name, (group, key) in OF_FRAME.items():
        holders = [item for one in (frame, *shared) for item in one.get(group) or []]
        yield name, next((text for item in holders if (text := _text(item, key))), "")


def _text(item: Any, key: str) -> str:
    value = item.get(key)
    if value is None:
        return ""
    several = value if not isinstance(value, str) and hasattr(value, "__iter__") else [value]
    return "\\".join(str(one) for one in several)


def _unreadable(path: Path, case: str, error: Exception) -> CaseError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return CaseError(
        case,
        f"{path.name} cannot be read as enhanced DICOM: {reason}; copy it again, or convert it to "
        ".nii.gz, as with dcm2niix",
    )
