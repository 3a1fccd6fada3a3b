"""The geometry fields of a NIfTI header to an affine, and an affine to such fields."""

from __future__ import annotations

import math

import numpy as np
from nibabel.quaternions import mat2quat, quat2mat
from numpy.typing import NDArray

from lesionseg.errors import CaseError
from lesionseg.geometry import corner_distance
from lesionseg.io.nifti.affine_faults import affine_fault, by_sizes
from lesionseg.structures import Affine, Grid, NiftiForms

MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
SAME_PLACE_MM = 0.01  # at any corner of the volume


def affine_of(
    forms: NiftiForms, shape: tuple[int, int, int], name: str, case: str, *, assume: bool = False
) -> tuple[Affine, Affine | None, tuple[str, ...]]:
    """The (4, 4) affine to RAS+ mm that the header means, another that it gives besides, if the two
    differ, and what is doubtful about it.

    The sform, where its code is above 0 and its matrix is finite and at right angles within 1e-3;
    else the qform, where its code is above 0 and it is as sound. With neither, CaseError, or the
    voxel sizes alone where `assume` is set. shape: of the volume, whose corners the forms place.
    """
    unit = MM_PER_UNIT.get(forms.xyzt_units & 7)
    if unit is None:
        problem = f"{name} has length unit code {forms.xyzt_units & 7}"
        raise CaseError(case, f"{problem}; want 1 (m), 2 (mm) or 3 (micron)")
    found: list[tuple[str, Affine]] = []
    faults = []
    for form, code, rows in (
        ("sform", forms.sform_code, np.asarray(forms.srow, np.float64)),
        ("qform", forms.qform_code, _qform(forms)),
    ):
        fault = affine_fault(rows) if code > 0 else f"has code {code}"
        if fault is None:
            found.append((form, np.vstack([rows * unit, [0, 0, 0, 1]])))
        else:
            faults.append(f"{form} {fault}")
    sizes = np.asarray(forms.pixdim[1:4], np.float64) * unit
    if found:
        other = found[1][1] if _apart(found, shape) > SAME_PLACE_MM else None
        return found[0][1], other, _doubts(found, faults, forms, shape, sizes, name)
    told = " and ".join(faults)
    if not assume:
        raise CaseError(
            case,
            f"{name} has no usable position in the world: {told}; set one of them, or read it "
            "with data.assume_affine=true",
        )
    if not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise CaseError(
            case, f"{name} has no usable position ({told}) nor voxel size: {by_sizes(sizes)}"
        )
    note = f"{name}: position assumed, voxels of {by_sizes(sizes)} mm from the origin, as {told}"
    return np.diag([*sizes, 1.0]), None, (note,)


def forms_of(affine: Affine) -> NiftiForms:
    """Header fields that place a grid at `affine`: sform and qform alike, code 1, mm.

    The qform cannot hold shear; it is then the nearest rotation.
    """
    zooms = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    left, _, right = np.linalg.svd(affine[:3, :3] / zooms)
    rotation = left @ right
    qfac = 1.0
    if np.linalg.det(rotation) < 0:
        rotation[:, 2] *= -1
        qfac = -1.0
    _, b, c, d = mat2quat(rotation)
    x, y, z = (float(value) for value in affine[:3, 3])
    return NiftiForms(
        qform_code=1,
        sform_code=1,
        quatern=(float(b), float(c), float(d)),
        qoffset=(x, y, z),
        srow=affine[:3].astype(np.float32),
        pixdim=np.array([qfac, *zooms, 0, 0, 0, 0], np.float32),
        xyzt_units=2,
    )


def _doubts(
    found: list[tuple[str, Affine]],
    faults: list[str],
    forms: NiftiForms,
    shape: tuple[int, int, int],
    sizes: NDArray[np.float64],
    name: str,
) -> tuple[str, ...]:
    """What another reader might see otherwise: a form set aside, one that differs, other sizes."""
    form, affine = found[0]
    if form == "qform" and forms.sform_code > 0:
        return (f"{name}: {faults[0]}; the qform is taken",)
    if len(found) == 2:
        apart = _apart(found, shape)
        if apart > SAME_PLACE_MM:
            return (f"{name}: sform and qform are up to {apart:.3g} mm apart; sform is taken",)
        return ()
    steps = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    off = np.abs(steps - np.abs(sizes)) * shape
    if not off.max() <= SAME_PLACE_MM:  # NaN among them
        return (
            f"{name}: voxels are {by_sizes(steps)} mm by its {form}, {by_sizes(sizes)} by pixdim",
        )
    return ()


def _apart(found: list[tuple[str, Affine]], shape: tuple[int, int, int]) -> float:
    """Distance in mm between the two forms, at the corner where it is largest; 0 for one form."""
    one, *others = (Grid(shape, affine) for _, affine in found)
    return max((corner_distance(one, other) for other in others), default=0.0)


def _qform(forms: NiftiForms) -> NDArray[np.float64]:
    """(3, 4) rows of the quaternion form, NIfTI-1 standard, method 2.

    The first number of the quaternion is found here: nibabel's `fillpositive` takes small ones for
    zero, or refuses what 32-bit floats have rounded.
    """
    b, c, d = forms.quatern
    square = 1 - (b * b + c * c + d * d)
    if not square > -1e-5:
        return np.full((3, 4), np.nan)
    a = math.sqrt(max(square, 0))
    rotation = quat2mat([a, b, c, d])
    zooms = np.asarray(forms.pixdim[1:4], np.float64)
    if not ((zooms > 0) & np.isfinite(zooms)).all() or math.isnan(forms.pixdim[0]):
        return np.full((3, 4), np.nan)
    qfac = -1 if forms.pixdim[0] < 0 else 1
    return np.column_stack([rotation * zooms * [1, 1, qfac], forms.qoffset])
