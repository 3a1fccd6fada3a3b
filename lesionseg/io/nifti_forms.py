"""The geometry fields of a NIfTI header to an affine, and an affine to such fields."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import CaseError
from lesionseg.structures import Affine, NiftiForms

MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}


def affine_of(forms: NiftiForms, name: str, case: str) -> Affine:
    """The (4, 4) affine to RAS+ mm that the header means; CaseError where it means none."""
    affine: Affine | None = None
    if forms.sform_code > 0:
        affine = _usable(np.asarray(forms.srow, np.float64))
    if affine is None and forms.qform_code > 0:
        affine = _usable(_qform(forms))
    if affine is None:
        raise CaseError(
            case,
            f"{name} has no usable position in the world (sform code {forms.sform_code}, "
            f"qform code {forms.qform_code}); set its sform or qform",
        )
    unit = MM_PER_UNIT.get(forms.xyzt_units & 7)
    if unit is None:
        problem = f"{name} has length unit code {forms.xyzt_units & 7}"
        raise CaseError(case, f"{problem}; want 1 (m), 2 (mm) or 3 (micron)")
    affine[:3] *= unit
    return affine


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
    x, y, z = (float(value) for value in affine[:3, 3])
    return NiftiForms(
        qform_code=1,
        sform_code=1,
        quatern=_quaternion(rotation),
        qoffset=(x, y, z),
        srow=affine[:3].astype(np.float32),
        pixdim=np.array([qfac, *zooms, 0, 0, 0, 0], np.float32),
        xyzt_units=2,
    )


def _usable(rows: NDArray[np.float64]) -> Affine | None:
    """The (4, 4) affine of (3, 4) rows, or None where it is not finite or flattens a dimension."""
    if not np.isfinite(rows).all():
        return None
    sizes = np.sqrt((rows[:, :3] ** 2).sum(axis=0))
    if sizes.min() <= 0 or abs(np.linalg.det(rows[:, :3] / sizes)) < 1e-3:
        return None
    return np.vstack([rows, [0, 0, 0, 1]])


def _qform(forms: NiftiForms) -> NDArray[np.float64]:
    """(3, 4) rows of the quaternion form, NIfTI-1 standard, method 2."""
    b, c, d = forms.quatern
    square = 1 - (b * b + c * c + d * d)
    if not square > -1e-5:
        return np.full((3, 4), np.nan)
    a = math.sqrt(max(square, 0))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    zooms = np.asarray(forms.pixdim[1:4], np.float64)
    if not (zooms > 0).all():
        return np.full((3, 4), np.nan)
    qfac = -1 if forms.pixdim[0] < 0 else 1
    return np.column_stack([rotation * zooms * [1, 1, qfac], forms.qoffset])


def _quaternion(rotation: NDArray[np.float64]) -> tuple[float, float, float]:
    """(b, c, d) of the unit quaternion with a >= 0 that makes this (3, 3) rotation."""
    r = rotation
    symmetric = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], 0, 0, 0],
            [r[0, 1] + r[1, 0], r[1, 1] - r[0, 0] - r[2, 2], 0, 0],
            [r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], r[2, 2] - r[0, 0] - r[1, 1], 0],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], r[0, 0] + r[1, 1] + r[2, 2]],
        ]
    )
    _, vectors = np.linalg.eigh(symmetric)  # Bar-Itzhack 2000; reads the lower triangle
    b, c, d, a = (float(value) for value in vectors[:, -1])
    return (-b, -c, -d) if a < 0 else (b, c, d)
