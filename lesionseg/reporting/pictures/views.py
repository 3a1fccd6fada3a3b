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
from lesionseg.lesion_classes import ONE_CLASS, LesionClasses
from lesionseg.reporting.pictures.slices import class_colour, grey_window
from lesionseg.reporting.scoring.class_numbers import in_class
from lesionseg.reporting.scoring.masks import (
    Reference,
    read_class_numbers,
    read_prediction,
    read_reference,
)
from lesionseg.reporting.scoring.probability_maps import read_on
from lesionseg.reporting.scoring.reading_options import reading_rule
from lesionseg.reporting.scoring.records import ReportCase, ScoringOptions
from lesionseg.structures import Affine


@dataclass(frozen=True, eq=False)
class CaseView:
    """What is shown of one case. All arrays are (X, Y, Z), canonical RAS, on one grid.

    image: None where there is none that lies on the reference's grid. reference and predictions:
    lesion ids, the same as in the tables, or the numbers of several classes. notes: why an image
    that is there is not shown.
    """

    case: str
    image: NDArray[Any] | None
    reference: NDArray[Any]
    predictions: Mapping[str, NDArray[Any]]
    affine: Affine
    notes: tuple[str, ...] = ()
    classes: LesionClasses = ONE_CLASS

    def of_class(self, mask: NDArray[Any], name: str) -> NDArray[np.bool_]:
        """Where a mask of this case, or a part of it, is of a class; of one class, everywhere."""
        if len(self.classes) == 1:
            return mask > 0
        return in_class(mask, self.classes.names.index(name) + 1, self.classes)

    def layers(self, mask: NDArray[Any]) -> list[tuple[NDArray[np.bool_], str]]:
        """Each class of such a mask and its colour, enclosing regions first."""
        return [
            (self.of_class(mask, name), class_colour(number))
            for number, name in enumerate(self.classes.names, 1)
        ]

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
                predictions[model] = _shown(reference, case, model, options)
            except CaseError:
                continue
    image = None
    notes: tuple[str, ...] = ()
    if case.image is not None:
        try:
            volume = reading_rule(options).read(case.image, case.case)
            image = read_on(volume, reference.grid, case.case, "image", options)
        except CaseError as error:
            notes = (f"pictures without the image: {error}",)
    several = len(options.classes) > 1
    ids = reference.array if several else _ids(reference.array, None, options)
    affine = reference.affine
    turned, canonical = geometry.to_canonical(ids, affine)
    return CaseView(
        case=case.case,
        image=None if image is None else geometry.to_canonical(image, affine)[0],
        reference=turned,
        predictions={m: geometry.to_canonical(p, affine)[0] for m, p in predictions.items()},
        affine=canonical,
        notes=notes,
        classes=options.classes,
    )


def _shown(
    reference: Reference, case: ReportCase, model: str, options: ScoringOptions
) -> NDArray[Any]:
    """A model's lesion ids, or the numbers of several classes. Raises CaseError."""
    files = case.predictions[model]
    if len(options.classes) > 1:
        return read_class_numbers(files, reference.grid, case.case, model, options).array
    found = read_prediction(files, reference, case.case, model, options)
    return _ids(found.array, found.instances, options)


def _ids(array: NDArray[Any], instances: bool | None, options: ScoringOptions) -> NDArray[np.int32]:
    values = array[array != 0]
    if instances is None:
        instances = len(values) > 0 and bool(values.min() != values.max())
    return array.astype(np.int32) if instances else label_components(array, options.connectivity)
