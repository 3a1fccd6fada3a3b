"""The prediction of one scan: masks, instances, probability and a table, on its own grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg.components import lesion_measures
from lesionseg.io import write_mask, write_probability
from lesionseg.io.formats import strip_suffix
from lesionseg.settings.defaults import EDGES_MM
from lesionseg.size_buckets import SizeBuckets
from lesionseg.storage.csv_table import write_csv
from lesionseg.structures import Affine, Grid, NiftiForms, Volume

COLUMNS = (
    "id",
    "volume_mm3",
    "diameter_mm",
    "centroid_r_mm",
    "centroid_a_mm",
    "centroid_s_mm",
    "score",
    "bucket",
)


@dataclass(frozen=True, eq=False)
class Prediction:
    """The lesions found in one scan, on the scan's own grid.

    instances: (X, Y, Z) int32, lesion ids 1.. by falling score, 0 = background. scores: confidence
    in [0, 1] by id. candidate_instances, candidate_scores: the same before the score threshold.
    probability: (X, Y, Z) float32 in [0, 1], of the voxel being lesion. grid: of the scan. forms:
    its NIfTI geometry fields, None for other formats. edges_mm: diameters between size buckets.
    """

    instances: NDArray[np.int32]
    scores: Mapping[int, float]
    candidate_instances: NDArray[np.int32]
    candidate_scores: Mapping[int, float]
    probability: NDArray[np.float32]
    grid: Grid
    forms: NiftiForms | None = None
    edges_mm: tuple[float, ...] = EDGES_MM

    @property
    def mask(self) -> NDArray[np.uint8]:
        """(X, Y, Z) uint8: 1 in lesions, 0 elsewhere."""
        return (self.instances > 0).astype(np.uint8)

    @property
    def lesions(self) -> pd.DataFrame:
        """One row a lesion: id, volume_mm3, diameter_mm, centroid_{r,a,s}_mm, score, bucket."""
        affine = self.grid.affine
        rows = lesion_rows(self.instances, self.scores, affine, self.edges_mm)
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def save(self, path: Path | str) -> None:
        """Write NIfTI with the scan's own shape, affine, qform, sform and units.

        path: a file ending in .nii.gz or .nii receives the mask; any other name is a folder, which
        receives mask.nii.gz, instances.nii.gz, probability.nii.gz and lesions.csv. Raises
        OutputError where they cannot be written.
        """
        path, like = Path(path), Volume(self.instances, self.grid.affine, self.forms)
        if strip_suffix(path.name) != path.name:
            write_mask(path, self.mask, like)
            return
        write_mask(path / "mask.nii.gz", self.mask, like)
        write_mask(path / "instances.nii.gz", self.instances, like)
        write_probability(path / "probability.nii.gz", self.probability, like)
        rows = lesion_rows(self.instances, self.scores, self.grid.affine, self.edges_mm)
        write_csv(path / "lesions.csv", COLUMNS, rows, float_format=".6g")


def lesion_rows(
    ids: NDArray[np.int32],
    scores: Mapping[int, float],
    affine: Affine,
    edges_mm: Sequence[float],
) -> list[list[object]]:
    """The values of COLUMNS, one row a lesion in the order of their ids; positions in RAS mm."""
    buckets = SizeBuckets.from_edges(edges_mm)
    return [
        [lesion, *found.values(), scores[lesion], str(buckets.assign(found["volume_mm3"]))]
        for lesion, found in lesion_measures(ids, affine).items()
    ]
