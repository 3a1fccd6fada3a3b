"""MetaImage (.mha, .mhd) and NRRD (.nrrd, .nhdr) by way of SimpleITK, brought to RAS+ mm."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError
from lesionseg.io.body_limits import body_fault
from lesionseg.io.formats import WANT_ONE
from lesionseg.io.itk.headers import check_header
from lesionseg.io.itk.process import ask
from lesionseg.io.nifti.affine_faults import affine_fault
from lesionseg.storage.memory import refuse_beyond_memory
from lesionseg.structures import Volume

UNIT_SLACK = 1e-3


def read_sitk(
    path: Path, case: str, *, volume: int | None = None, assume_affine: bool = False
) -> Volume:
    """One 3D scalar volume of a MetaImage or NRRD file. Raises CaseError, naming `case`.

    volume: which, from 0, where the file holds several. assume_affine: what a header lacks of the
    volume's place is what SimpleITK takes for it: 1 mm, straight axes, from the origin.
    """
    path = Path(path)
    try:
        stored = path.stat().st_size
        voxels = check_header(path, case)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CaseError(case, f"{path.name} cannot be read: {reason}") from error
    if voxels.unplaced and not assume_affine:
        raise CaseError(
            case,
            f"{path.name} has no usable position in the world: {voxels.unplaced} missing; add it, "
            "or read it with data.assume_affine=true",
        )
    refuse_beyond_memory(3 * voxels.length, path.name, case)  # the child's, the pipe's and ours
    request = {"do": "image", "path": str(path), "format": voxels.format}
    facts, body = ask(request, path.name, case, stored=stored + voxels.length)
    if "dtype" not in facts:
        raise CaseError(case, f"{path.name} holds a {facts['kind']} a voxel; want one real number")
    array = np.frombuffer(bytearray(body), np.dtype(facts["dtype"])).reshape(facts["shape"])
    array, notes = _one_volume(array.T, volume, path.name, case)
    dims = len(facts["size"])
    directions = np.reshape(facts["direction"], (dims, dims))[:3, :3]
    off = float(np.abs(np.linalg.norm(directions, axis=0) - 1).max())
    if not off <= UNIT_SLACK:
        problem = f"{path.name} has directions that are {off:.3g} longer or shorter than 1"
        raise CaseError(case, f"{problem}; want unit vectors, and voxel sizes in the spacing")
    affine = np.eye(4)
    affine[:3, :3] = directions * facts["spacing"][:3]
    affine[:3, 3] = facts["origin"][:3]
    affine[:2] *= -1  # LPS to RAS
    if fault := affine_fault(affine[:3]) or body_fault(array.shape, affine):
        raise CaseError(
            case, f"{path.name} has no usable position in the world: it {fault}; mend its header"
        )
    if voxels.unplaced:
        notes += (f"{path.name}: position assumed, as {voxels.unplaced} is missing",)
    return Volume(array, affine, notes=notes)


def _one_volume(
    array: NDArray[Any], volume: int | None, name: str, case: str
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """(X, Y, Z) of (X, Y, Z, ...), and a note of which it is."""
    shape = "x".join(map(str, array.shape))
    if array.ndim < 3:
        raise CaseError(case, f"{name} is {shape}; want one volume of three dimensions")
    count = math.prod(array.shape[3:])
    if volume is None and count > 1:
        raise CaseError(case, f"{name} holds several volumes ({shape}); {WANT_ONE}")
    if volume is not None and not 0 <= volume < count:
        raise CaseError(case, f"{name} has no volume {volume}; it holds {count}, counted from 0")
    index = volume or 0
    chosen = array.reshape(*array.shape[:3], -1, order="F")[..., index]
    notes = (f"{name} holds {count} volumes; number {index} is read",) if count > 1 else ()
    return chosen, notes
