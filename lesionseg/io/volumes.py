"""Any volume file in, NIfTI out: the two functions through which the other parts meet files."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError, UsageError
from lesionseg.io.dicom.kinds import ENHANCED, object_kind
from lesionseg.io.dicom.series import DicomIrregular, read_dicom, read_enhanced
from lesionseg.io.formats import FREESURFER, ITK, NIFTI, strip_suffix
from lesionseg.io.freesurfer import read_freesurfer
from lesionseg.io.itk.formats import read_sitk
from lesionseg.io.nifti.file import is_nifti, read_nifti, write_nifti
from lesionseg.storage.text_file import open_regular
from lesionseg.structures import Volume


def read_volume(
    path: Path | str,
    *,
    case: str | None = None,
    volume: int | None = None,
    assume_affine: bool = False,
    dicom_irregular: DicomIrregular = "refuse",
    dicom_series: str | None = None,
) -> Volume:
    """Read NIfTI (.nii, .nii.gz), MetaImage (.mha, .mhd) or NRRD, told apart by content, or
    FreeSurfer's .mgz and .mgh, told by their names.

    path: a file, or a folder, which is read as a DICOM series. case: what messages call
    it; by default the file's name. volume: which volume of a file that holds several, from 0.
    assume_affine: where a NIfTI header has no position in the world, take its voxel sizes alone.
    dicom_irregular: "refuse" or "resample" slices that are not evenly stacked. dicom_series: which
    series of a folder that holds several, by its number, description or UID.

    Returns a Volume: array (X, Y, Z) of real numbers, affine (4, 4) to world RAS+ mm. What was
    mended, or accepted with a warning, stands in its `notes`.

    Raises CaseError where the file is missing, damaged, without position in the world, or anything
    but one 3D volume of real numbers.

    >>> import lesionseg
    >>> volume = lesionseg.read_volume(FLAIR)
    >>> volume.array.ndim, volume.affine.shape, volume.notes
    (3, (4, 4), ())
    """
    path = Path(path)
    case = strip_suffix(path.name) if case is None else case
    if path.is_dir():
        return read_dicom(path, case, irregular=dicom_irregular, series=dicom_series)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            raise CaseError(case, f"{path.name} is no regular file; copy the scan itself there")
        with open_regular(path) as raw:
            start = raw.read(540)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise CaseError(case, f"{path.name} cannot be read: {reason}") from error
    if start[128:132] == b"DICM":
        if object_kind(path) == ENHANCED:
            return read_enhanced(path, case, irregular=dicom_irregular)
        raise CaseError(case, f"{path.name} is one DICOM file; give the folder of its series")
    if start.startswith(b"NRRD") or (not is_nifti(start) and path.suffix.lower() in ITK):
        return read_sitk(path, case, volume=volume, assume_affine=assume_affine)
    if path.suffix.lower() in FREESURFER:
        return read_freesurfer(path, case, volume=volume, assume_affine=assume_affine)
    return read_nifti(path, case, volume=volume, assume_affine=assume_affine)


def write_mask(path: Path | str, array: NDArray[Any], like: Volume) -> None:
    """Write a mask or lesion ids as NIfTI, on the grid of `like`.

    path: ending in .nii or .nii.gz. array: (X, Y, Z) booleans or integers from 0; booleans and
    uint8 are stored as uint8, wider integers, which are ids, as uint16, or as int32 where the
    largest is beyond 65,535. like: the scan; shape, affine, qform, sform, codes, units and pixdim
    are its own, nothing else of its header is copied.

    Raises ValueError for another shape, fractions or negative values, UsageError for a name that
    does not end in .nii or .nii.gz, OutputError where it cannot be written.
    """
    if array.dtype.kind not in "bui":
        raise ValueError(f"a mask of {array.dtype}; want integers")
    top = int(array.max(initial=0))
    if int(array.min(initial=0)) < 0 or top > np.iinfo(np.int32).max:
        raise ValueError(f"a mask with values {array.min()} to {top}; want 0 to 2**31 - 1")
    is_mask = array.dtype.itemsize == 1 and top <= 255
    dtype = np.uint8 if is_mask else np.uint16 if top <= 65535 else np.int32
    _write(Path(path), array.astype(dtype), like)


def write_probability(path: Path | str, array: NDArray[Any], like: Volume) -> None:
    """Write real values (X, Y, Z) as float32 NIfTI on the grid of `like`; raises as write_mask."""
    _write(Path(path), array.astype(np.float32), like)


def _write(path: Path, array: NDArray[Any], like: Volume) -> None:
    if array.shape != like.array.shape:
        raise ValueError(f"voxels of shape {array.shape} for a grid of shape {like.array.shape}")
    if not path.name.endswith(NIFTI):
        raise UsageError(f"cannot write {path.name}: want a name ending in .nii.gz or .nii")
    write_nifti(path, array, like.affine, like.forms)
