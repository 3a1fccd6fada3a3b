"""The records that travel between the stages. All are frozen: a stage returns a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.lesion_kinds import LesionKinds, kinds_of

Knots = tuple[tuple[float, float], ...]  # of a curve: places and values, both rising
Affine = NDArray[np.float64]  # (4, 4), voxel index -> world RAS+ mm


@dataclass(frozen=True, eq=False)
class Grid:
    """A sampling grid in the world: `shape` voxels (X, Y, Z) and the affine that places them.

    other: where the file's header places the same voxels too, by its other form; None: nowhere.
    """

    shape: tuple[int, int, int]
    affine: Affine
    other: Affine | None = None


@dataclass(frozen=True, eq=False)
class NiftiForms:
    """The geometry fields of a NIfTI header, verbatim, so that a mask can be given the same."""

    qform_code: int
    sform_code: int
    quatern: tuple[float, float, float]
    qoffset: tuple[float, float, float]
    srow: NDArray[np.float32]  # (3, 4)
    pixdim: NDArray[np.float32]  # (8,)
    xyzt_units: int
    num_dims: int = 3  # more where the file has further dimensions, each of one


@dataclass(frozen=True, eq=False)
class Volume:
    """One 3D image as it stood in its file.

    array: (X, Y, Z), any real dtype, intensity scaling applied. affine: (4, 4) to world RAS+ mm.
    forms: the NIfTI header's geometry fields, None for other formats.
    notes: what was mended, or accepted with a warning, while reading; a sentence each.
    other_affine: where the header's other form places the voxels; None where it agrees.
    num_volumes: that the file holds, of which this is one.
    """

    array: NDArray[Any]
    affine: Affine
    forms: NiftiForms | None = None
    notes: tuple[str, ...] = ()
    other_affine: Affine | None = None
    num_volumes: int = 1

    @property
    def grid(self) -> Grid:
        x, y, z = self.array.shape
        return Grid((x, y, z), self.affine, self.other_affine)


@dataclass(frozen=True, eq=False)
class Case:
    """One preprocessed scan, canonical RAS, in-plane spacing as planned, intensities normalised.

    image: array-like (C, X, Y, Z) float16 that may decompress on slicing.
    lesion_ids: array-like (X, Y, Z) int32, the innermost lesion of each voxel, 0 = background,
    IGNORED where nobody judged; None where there is no reference mask.
    lesions: measures by lesion id, its `class` and the lesion that it lies `inside` among them.
    slab_axis: the through-plane axis, 0-2, of the three spatial axes.
    original: grid of the scan's own file, on which masks are written.
    """

    name: str
    patient: str
    image: Any
    lesion_ids: Any | None
    affine: Affine
    slab_axis: int
    original: Grid
    channels: tuple[str, ...]
    lesions: Mapping[int, Mapping[str, float]] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int, int]:
        _, x, y, z = self.image.shape
        return x, y, z

    @cached_property
    def kinds(self) -> LesionKinds:
        """Class of each lesion, and the lesion that it lies inside."""
        return kinds_of(self.lesions)


@dataclass(frozen=True, eq=False)
class Slab:
    """2k+1 neighbouring slices as channels, and the lesion ids of the centre slice; or a block of D
    slices with the ids of all of them.

    image: (C * (2k+1), H, W) float32, channel-major. lesion_ids: (H, W) int32, of a block
    (D, H, W), or None, as those of a case. kinds: of the case's lesions.
    """

    image: NDArray[np.float32]
    lesion_ids: NDArray[np.int32] | None
    case: str
    index: int
    kinds: LesionKinds


@dataclass(frozen=True, eq=False)
class LesionMap:
    """Where lesions of one class may be in one scan: the record in which both models meet.

    probability: (X, Y, Z) float32 in [0, 1]. lesion_ids: (X, Y, Z) int32, 0 = none.
    scores: confidence in [0, 1] by lesion id.
    conditional: True where `probability` is that of a voxel GIVEN that its lesion exists, as
    detectors have it; False where it is that of the voxel itself, as semantic models have it.
    scored_by: how the lesions of a semantic model are scored, see `components.component_scores`.
    """

    probability: NDArray[np.float32]
    lesion_ids: NDArray[np.int32]
    scores: Mapping[int, float]
    affine: Affine
    conditional: bool
    scored_by: str = "peak"


@dataclass(frozen=True)
class OperatingPoint:
    """Chosen on validation: at or above, a voxel is in a lesion and a lesion is reported.

    calibration: from the network's score to the score that is told, on which score_threshold is;
    none: they are the same.
    """

    voxel_threshold: float
    score_threshold: float
    calibration: Knots = ()

    @property
    def as_data(self) -> dict[str, Any]:
        """As it stands in a JSON file."""
        return {
            "voxel_threshold": self.voxel_threshold,
            "score_threshold": self.score_threshold,
            "calibration": [list(knot) for knot in self.calibration],
        }
