"""The lesions of a prediction as files of medical viewers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.components import lesion_measures
from lesionseg.errors import CaseError
from lesionseg.inference.class_lesions import ScoredLesions
from lesionseg.inference.export_record import VIEWER_FILES, dicom_files
from lesionseg.inference.prediction import Prediction
from lesionseg.io.dicom.segmentation_writing import write_dicom_seg
from lesionseg.io.dicom.source_slices import SourceSlices
from lesionseg.io.segments.itk_snap import write_label_descriptions
from lesionseg.io.segments.segment import Segment, numbered_colour, shade
from lesionseg.io.segments.slicer import write_seg_nrrd
from lesionseg.lesion_classes import LesionClasses
from lesionseg.reporting.pictures.slices import class_colour, rgb
from lesionseg.structures import Affine, Volume

MOST_SEGMENTS = 65_535  # numbered in 16 bits


def write_viewer_files(
    folder: Path, case: str, found: Prediction, like: Volume, formats: Collection[str]
) -> None:
    """Write those of `formats` that viewers read. like: the scan. Raises OutputError."""
    wanted = [form for form in VIEWER_FILES if form in formats]
    if not wanted:
        return
    layers, segments = lesion_segments(found.kept, found.classes, like.affine)
    for form in wanted:
        path = folder / VIEWER_FILES[form].format(case=case)
        if form == "seg_nrrd":
            write_seg_nrrd(path, layers, segments, like.affine)
        elif form == "itk_snap":
            write_label_descriptions(path, segments)


def write_dicom(
    folder: Path,
    case: str,
    found: Prediction,
    like: Volume,
    source: SourceSlices,
    record: Mapping[str, Any],
) -> None:
    """Write the lesions as DICOM SEG and measurement report; of regions a pair for each, for the
    segments of one file do not overlap.

    source: the scan's slices. Raises CaseError where they do not fit together or there are more
    lesions than a SEG may hold, OutputError where a file cannot be written.
    """
    kept, classes = found.kept, found.classes
    _, segments = lesion_segments(kept, classes, like.affine)
    for number, (seg, report) in enumerate(dicom_files(case, classes), 1):
        own = [s for s in segments if not classes.regions or kept.kinds.classes[s.number] == number]
        if len(own) > MOST_SEGMENTS:
            raise CaseError(
                case, f"{len(own):,} lesions; a DICOM SEG holds at most {MOST_SEGMENTS:,}"
            )
        try:
            write_dicom_seg(
                folder / seg,
                folder / report,
                source,
                kept.kinds.of_class(kept.ids, number) if classes.regions else kept.ids,
                own,
                model=record["model"],
                weights=record["weights_sha256"],
            )
        # their words may quote a patient's header
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CaseError(
                case,
                f"highdicom makes no DICOM SEG of its slices ({type(error).__name__}): their "
                "headers do not fit together; leave out formats=[dicom_seg]",
            ) from error


def lesion_segments(
    lesions: ScoredLesions, classes: LesionClasses, affine: Affine
) -> tuple[list[NDArray[np.int32]], list[Segment]]:
    """Labelmaps that show every lesion whole, and a segment a lesion by rising id.

    Of several classes the lesions of one have shades of the same colour.
    """
    layers = list(lesions.kinds.layers(lesions.ids))
    segments = {}
    for place, layer in enumerate(layers):
        for number, measures in lesion_measures(layer, affine).items():
            of_class = int(lesions.kinds.classes[number])
            name, score = classes.names[of_class - 1], lesions.scores[number]
            several = len(classes) > 1
            segments[number] = Segment(
                number=number,
                name=f"{name} {number} ({score:.2f})",
                lesion_class=name,
                colour=shade(rgb(class_colour(of_class)), number)
                if several
                else numbered_colour(number),
                score=score,
                volume_mm3=measures["volume_mm3"],
                diameter_mm=measures["diameter_mm"],
                layer=place,
            )
    return layers, [segments[number] for number in sorted(segments)]
