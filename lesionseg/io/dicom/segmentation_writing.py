"""Lesions as a DICOM SEG, a segment each, and as a measurement report that refers to it (TID 1500).

Both belong to the patient and the study of the scan, as every derived object does. Needs the extra
dicom.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg import __version__
from lesionseg.io.dicom.quiet import quiet_pydicom
from lesionseg.io.dicom.source_slices import SourceSlices
from lesionseg.io.segments.segment import Segment
from lesionseg.storage.atomic import replacing

SEG_SERIES, SR_SERIES = 9001, 9002  # series numbers, beyond those of scanners
LONGEST = 64  # letters of a DICOM LO, like a segment's label
OWN_CODES = "99LESIONSEG"  # a private coding scheme begins with 99
NOTHING = Segment(1, "no lesion found", "lesion", (128, 128, 128), 0.0, 0.0, 0.0)
UTF8 = "ISO_IR 192"


def write_dicom_seg(
    seg_path: Path,
    report_path: Path,
    source: SourceSlices,
    lesions: NDArray[np.int32],
    segments: Sequence[Segment],
    *,
    model: str,
    weights: str,
) -> None:
    """Write both files.

    lesions: (X, Y, Z) of the scan, segment numbers in it. segments: those in it, which DICOM
    numbers anew from 1; a scan without any has one segment without voxels, "no lesion found", and a
    report that says 0 lesions. weights: of the model, as a serial number. Raises OutputError.
    """
    with quiet_pydicom():
        found = list(segments) or [NOTHING]
        uids = [_new_uid() for _ in found]
        seg = _segmentation(source, lesions, found, uids, model, weights)
        report = _report(source, seg, list(zip(segments, uids)), model, weights)
        for path, made in ((seg_path, seg), (report_path, report)):
            with replacing(path) as partial:
                made.save_as(partial)


def _segmentation(
    source: SourceSlices,
    lesions: NDArray[np.int32],
    segments: Sequence[Segment],
    uids: Sequence[str],
    model: str,
    weights: str,
) -> Any:
    import highdicom as hd

    new = np.zeros(max(int(lesions.max(initial=0)), *(s.number for s in segments)) + 1, np.uint16)
    new[[segment.number for segment in segments]] = np.arange(1, len(segments) + 1)
    frames = np.empty(lesions.shape[::-1], np.uint16)
    frames[source.order] = new[lesions.transpose(2, 1, 0)]
    return hd.seg.Segmentation(
        source_images=source.images,
        pixel_array=frames,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _described(number, segment, uid, model)
            for number, (segment, uid) in enumerate(zip(segments, uids), 1)
        ],
        series_instance_uid=_new_uid(),
        series_number=SEG_SERIES,
        sop_instance_uid=_new_uid(),
        instance_number=1,
        manufacturer="lesionseg",
        manufacturer_model_name=model[:LONGEST],
        software_versions=__version__,
        device_serial_number=weights[:LONGEST],
        content_label="LESIONS",
        content_description=f"Lesions found by {model}"[:LONGEST],
        series_description=f"Lesions found by {model}"[:LONGEST],
        specific_character_set=UTF8,
    )


def _described(number: int, segment: Segment, uid: str, model: str) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    described = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=segment.name[:LONGEST],
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=f"lesionseg {model}"[:LONGEST],
            family=codes.DCM.ArtificialIntelligence,
            version=__version__,
        ),
        tracking_uid=uid,
        tracking_id=segment.name[:LONGEST],
        display_color=hd.color.CIELabColor.from_rgb(*segment.colour),
    )
    described.SegmentDescription = (
        f"{segment.lesion_class}, score {segment.score:.4g}" if segment is not NOTHING else ""
    )
    return described


def _report(
    source: SourceSlices, seg: Any, found: Sequence[tuple[Segment, str]], model: str, weights: str
) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    device = hd.sr.DeviceObserverIdentifyingAttributes(
        uid=_new_uid(),
        name="lesionseg",
        manufacturer_name="lesionseg",
        model_name=model,
        serial_number=weights[:LONGEST],
    )
    observer = hd.sr.ObserverContext(codes.DCM.Device, device)
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=hd.sr.CodedConcept("363679005", "SCT", "Imaging procedure"),
        imaging_measurements=[
            _measured(segment, uid, seg, number) for number, (segment, uid) in enumerate(found, 1)
        ]
        or [_none_found()],
    )
    return hd.sr.Comprehensive3DSR(
        evidence=[seg, *source.images],
        content=content,
        series_instance_uid=_new_uid(),
        series_number=SR_SERIES,
        sop_instance_uid=_new_uid(),
        instance_number=1,
        manufacturer="lesionseg",
        is_complete=True,
        series_description=f"Measurements by {model}"[:LONGEST],
        specific_character_set=UTF8,
    )


def _measured(segment: Segment, uid: str, seg: Any, number: int) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    series = seg.ReferencedSeriesSequence[0].SeriesInstanceUID
    sphere = hd.sr.CodedConcept("sphere", OWN_CODES, "Diameter of the sphere of equal volume")
    score = hd.sr.CodedConcept("score", OWN_CODES, "Confidence of the model, 0 to 1")
    kind = hd.sr.CodedConcept("class", OWN_CODES, "Lesion class")
    value = hd.sr.CodedConcept(
        segment.lesion_class[:16].strip(), OWN_CODES, segment.lesion_class[:LONGEST]
    )
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid, segment.name[:LONGEST]),
        referenced_segment=hd.sr.ReferencedSegment(
            seg.SOPClassUID,
            seg.SOPInstanceUID,
            number,
            source_series=hd.sr.SourceSeriesForSegmentation(series),
        ),
        finding_type=codes.SCT.Lesion,
        measurements=[
            hd.sr.Measurement(codes.SCT.Volume, segment.volume_mm3, codes.UCUM.CubicMillimeter),
            hd.sr.Measurement(
                codes.SCT.Diameter, segment.diameter_mm, codes.UCUM.Millimeter, method=sphere
            ),
            hd.sr.Measurement(score, segment.score, codes.UCUM.NoUnits),
        ],
        qualitative_evaluations=[hd.sr.QualitativeEvaluation(kind, value)],
    )


def _none_found() -> Any:
    """What a report says that would be empty otherwise, which TID 1500 does not allow."""
    import highdicom as hd
    from pydicom.sr.codedict import codes

    number = hd.sr.CodedConcept("number", OWN_CODES, "Number of lesions found")
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(_new_uid(), NOTHING.name),
        finding_type=codes.SCT.Lesion,
        measurements=[hd.sr.Measurement(number, 0, codes.UCUM.NoUnits)],
    )


def _new_uid() -> str:
    import highdicom as hd

    return str(hd.UID())
