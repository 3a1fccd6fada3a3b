"""One case read again for pictures: image, reference and every model's lesions, in RAS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.errors import CaseError
from lesionseg.evaluation import label_components
from lesionseg.reporting.pictures.slices import grey_window
from lesionseg.reporting.scoring.masks import read_on, read_prediction, read_reference
from lesionseg.reporting.scoring.reading_options import reading_rule
from lesionseg.reporting.scoring.records import ReportCase, ScoringOptions
from lesionseg.structures import Affine


@dataclass(frozen=True, eq=False)
class CaseView:
    """What is shown of one case. All arrays are (X, Y, Z), canonical RAS, on one grid.

    image: None where there is none that lies on the reference's grid. reference and predictions:
    lesion ids, the same as in the tables. notes: why an image that is there is not shown.
    """

    case: str
    image: NDArray[Any] | None
    reference: NDArray[np.int32]
    predictions: Mapping[str, NDArray[np.int32]]
    affine: Affine
    notes: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[NDArray[Any], tuple[float, float]]:
        """The image and its window; the reference in dark grey on black where there is no image."""
        if self.image is None:
            return (self.reference > 0).astype(np.uint8), (0.0, 4.0)
        return self.image, grey_window(self.image)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        return geometry.spacing(self.affine)


def read_view(case: ReportCase, models: Sequence[str], options: ScoringOptions) -> CaseView:
    """Read a case that was scored before; a model without a usable prediction is left out."""
    reference = read_reference(case, options)
    predictions = {}
    for model in models:
        if model in case.predictions:
            try:
                found = read_prediction(
                    case.predictions[model], reference, case.case, model, options
                )
            except CaseError:
                continue
            predictions[model] = _ids(found.array, found.instances, options)
    image = None
    notes: tuple[str, ...] = ()
    if case.image is not None:
        try:
            volume = reading_rule(options).read(case.image, case.case)
            image = read_on(volume, reference.grid, case.case, "image", options)
        except CaseError as error:
            notes = (f"pictures without the image: {error}",)
    ids = _ids(reference.array, None, options)
    affine = reference.affine
    turned, canonical = geometry.to_canonical(ids, affine)
    return CaseView(
        case=case.case,
        image=None if image is None else geometry.to_canonical(image, affine)[0],
        reference=turned,
        predictions={m: geometry.to_canonical(p, affine)[0] for m, p in predictions.items()},
        affine=canonical,
        notes=notes,
    )


def _ids(array: NDArray[Any], instances: bool | None, options: ScoringOptions) -> NDArray[np.int32]:
    values = array[array != 0]
    if instances is None:
        instances = len(values) > 0 and bool(values.min() != values.max())
    return array.astype(np.int32) if instances else label_components(array, options.connectivity)
