"""The prediction of one scan: masks, instances, probability and a table, on its own grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesionseg.components import lesion_measures
from lesionseg.inference.class_lesions import ScoredLesions
from lesionseg.io import write_mask, write_probability
from lesionseg.io.formats import strip_suffix
from lesionseg.lesion_classes import ONE_CLASS, LesionClasses
from lesionseg.lesion_kinds import written_values
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
    "class",
)
INSIDE = "inside"  # a column more where classes are regions
TEXTS = ("bucket", "class")  # columns that hold no numbers


@dataclass(frozen=True, eq=False)
class Prediction:
    """The lesions found in one scan, on the scan's own grid.

    kept: those that are reported. candidates: the same before the score threshold.
    class_probabilities: (X, Y, Z) float32 in [0, 1] for each class, of the voxel being lesion of
    it. grid: of the scan. classes: what was told apart. forms: the scan's NIfTI geometry fields,
    None for other formats. edges_mm: diameters between size buckets.
    """

    kept: ScoredLesions
    candidates: ScoredLesions
    class_probabilities: tuple[NDArray[np.float32], ...]
    grid: Grid
    classes: LesionClasses = ONE_CLASS
    forms: NiftiForms | None = None
    edges_mm: tuple[float, ...] = EDGES_MM

    @property
    def instances(self) -> NDArray[np.int32]:
        """(X, Y, Z) int32: lesion ids 1.. by falling score, 0 = background; of lesions inside one
        another the innermost."""
        return self.kept.ids

    @property
    def scores(self) -> Mapping[int, float]:
        """Confidence in [0, 1] by lesion id."""
        return self.kept.scores

    @property
    def mask(self) -> NDArray[Any]:
        """(X, Y, Z) uint8, wider only for larger labels: in lesions the value of their class, of
        the innermost where they are regions; 0 elsewhere."""
        return written_values(self.kept.kinds.classes[self.kept.ids], self.classes)

    @property
    def probability(self) -> NDArray[np.float32]:
        """(X, Y, Z) float32 in [0, 1], of the voxel being lesion: of its most probable class."""
        return np.maximum.reduce(self.class_probabilities)

    @property
    def lesions(self) -> pd.DataFrame:
        """One row a lesion: id, volume_mm3, diameter_mm, centroid_{r,a,s}_mm, score, bucket, class;
        of regions also inside, the id of the lesion around it."""
        rows = lesion_rows(self.kept, self.classes, self.grid.affine, self.edges_mm)
        return pd.DataFrame(rows, columns=list(lesion_columns(self.classes)))

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
        rows = lesion_rows(self.kept, self.classes, self.grid.affine, self.edges_mm)
        write_csv(path / "lesions.csv", lesion_columns(self.classes), rows, float_format=".6g")


def lesion_columns(classes: LesionClasses) -> tuple[str, ...]:
    """The columns of `lesion_rows`."""
    return (*COLUMNS, INSIDE) if classes.regions else COLUMNS


def lesion_rows(
    lesions: ScoredLesions, classes: LesionClasses, affine: Affine, edges_mm: Sequence[float]
) -> list[list[object]]:
    """The values of `lesion_columns`, one row a lesion by rising id; positions in RAS mm."""
    buckets, kinds = SizeBuckets.from_edges(edges_mm), lesions.kinds
    rows: dict[int, list[object]] = {}
    for layer in kinds.layers(lesions.ids):
        for lesion, found in lesion_measures(layer, affine).items():
            rows[lesion] = [
                lesion,
                *found.values(),
                lesions.scores[lesion],
                str(buckets.assign(found["volume_mm3"])),
                classes.names[int(kinds.classes[lesion]) - 1],
                *([int(kinds.inside[lesion])] if classes.regions else []),
            ]
    return [rows[lesion] for lesion in sorted(rows)]
