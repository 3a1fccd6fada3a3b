"""What of ours is compared with what of another tool's, and on which cases both mean the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from independent.cases import FULL, Case
from numpy.typing import NDArray
from scipy import ndimage

from lesionseg.evaluation import (
    OperatingCurve,
    average_precision,
    evaluate_case,
    match_candidates,
    operating_curve,
)
from lesionseg.evaluation.calibration import calibration_error_draws
from lesionseg.evaluation.candidates import Candidates
from lesionseg.slack import SLACK, slack_mm

THRESHOLDS = {"": 0.5, "_iou10": 0.1}  # suffix of panoptic figures and the IoU a pair must exceed
SIMPLE = "every touched lesion in one pair"
PANOPTIC = ("pq", "sq", "rq")


@dataclass(frozen=True)
class Row:
    """theirs: the name of a figure of the tool; ours: of our own, where it is another.

    where: words of `meanings` that a case must have. note: what differs, and by whose definition.
    """

    tool: str
    theirs: str
    label: str
    ours: str = ""
    where: tuple[str, ...] = ()
    note: str = ""


def our_figures(case: Case) -> dict[str, Any]:
    """By name, as evaluate_case and the report's curves give them."""
    reference, prediction, spacing = case.reference, case.prediction, case.spacing_mm
    masks = evaluate_case(reference > 0, prediction > 0, spacing, affine=case.affine)
    ids = {"reference_instances": True, "prediction_instances": True}
    lesions = evaluate_case(reference, prediction, spacing, affine=case.affine, **ids)
    figures: dict[str, Any] = lesions.case | {
        name: masks.case[name]
        for name in ("dice", "nsd_1mm", "hd95_mm", "brats_lesion_dice", "reference_volume_mm3")
    }
    figures["absolute_volume_difference"] = abs(masks.case["relative_volume_difference"])
    truth = lesions.lesions[lesions.lesions["kind"] == "reference"]
    figures["lesion_dice"] = float(truth["lesion_dice"].mean())
    regions = masks.lesions[masks.lesions["kind"] == "reference"]
    figures["region_dice"] = regions["region_dice"].tolist()
    scores = dict(enumerate(case.scores, 1))
    found = match_candidates(reference, prediction, scores, spacing, reference_instances=True)
    figures["calibration_error"] = float(calibration_error_draws([found], np.ones((1, 1)))[0])
    return figures


def froc_of_points(case: Case) -> OperatingCurve:
    """The curve where the first voxel of each predicted lesion is a candidate of its own."""
    points = np.zeros_like(case.prediction)
    ids, first = np.unique(case.prediction, return_index=True)
    points.ravel()[first[ids > 0]] = ids[ids > 0]
    scores = dict(enumerate(case.scores, 1))
    found = match_candidates(
        case.reference, points, scores, case.spacing_mm, reference_instances=True
    )
    return operating_curve([found], found_iou=0.0)


def our_precision(cases: Sequence[Case]) -> dict[str, float]:
    """Average precision of one data set; also with scores rounded so that many are equal."""

    def candidates(case: Case, digits: int) -> Candidates:
        scores = dict(enumerate(np.round(case.scores, digits), 1))
        return match_candidates(case.reference, case.prediction, scores, reference_instances=True)

    figures = {}
    for suffix, digits in (("", 16), ("_equal_scores", 1)):
        scans = [candidates(case, digits) for case in cases]
        for percent in (10, 50):
            figures[f"ap_iou{percent}{suffix}"] = average_precision(scans, percent / 100)
    return figures


def meanings(case: Case) -> set[str]:
    """Words for what is so in a case, found by slow loops that share nothing with the package."""
    iou, shared = _pairs(case.reference, case.prediction)
    words = set()
    if case.reference.any() and case.prediction.any():
        words.add("both")
    if np.ptp(case.spacing_mm) < SLACK:
        words.add("cubic voxels")
    if not case.family.startswith("rotated"):
        words.add("not rotated")
    if ((shared > 0).sum(axis=0) <= 1).all():
        words.add("no prediction on two lesions")
    for threshold in THRESHOLDS.values():
        pairs = iou > threshold
        if pairs.any():
            words.add(f"a pair at IoU > {threshold:g}")
        if (pairs.sum(axis=0) <= 1).all() and (pairs.sum(axis=1) <= 1).all():
            words.add(f"no lesion in two pairs at IoU > {threshold:g}")
    touched = shared > 0
    if (touched == (iou > 0.1)).all() and touched.sum(axis=1).max(initial=0) <= 1:
        words.add(SIMPLE)
    if not _tied(case):
        words.add("no tie")
    if _lesion_over_2_mm3(case):
        words.add("a lesion over 2 mm³")
    return words


def _pairs(
    reference: NDArray[np.int32], prediction: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """IoU and shared voxels of every two lesions, each (R, P)."""
    shared = np.zeros((int(reference.max()), int(prediction.max())), np.int64)
    iou = np.zeros(shared.shape)
    for r in range(shared.shape[0]):
        for p in range(shared.shape[1]):
            one, other = reference == r + 1, prediction == p + 1
            shared[r, p] = (one & other).sum()
            iou[r, p] = shared[r, p] / (one | other).sum()
    return iou, shared


def _tied(case: Case) -> bool:
    """Whether a predicted voxel is as near to two reference components."""
    components, number = ndimage.label(case.reference, FULL)
    voxels = np.argwhere((case.prediction > 0) & (case.reference == 0))
    if number < 2 or len(voxels) == 0:
        return False
    distances = [
        ndimage.distance_transform_edt(components != i + 1, sampling=case.spacing_mm)[
            tuple(voxels.T)
        ]
        for i in range(number)
    ]
    nearest = np.sort(distances, axis=0)
    return bool((nearest[1] - nearest[0] <= slack_mm(case.spacing_mm)).any())


def _lesion_over_2_mm3(case: Case) -> bool:
    """Whether lesions that BraTS takes as one hold more than its minimum volume."""
    grown = ndimage.binary_dilation(case.reference > 0, ndimage.generate_binary_structure(3, 2))
    groups, number = ndimage.label(grown, FULL)
    voxels = ndimage.sum_labels(case.reference > 0, groups, np.arange(1, number + 1))
    voxel_mm3 = abs(np.linalg.det(case.affine[:3, :3].astype(np.float64)))
    return bool((voxels * voxel_mm3 > 2 * (1 + SLACK)).any())


def _panoptic(tool: str, order: str) -> list[Row]:
    """order: in which the tool pairs lesions below IoU 0.5, where that is not ours."""
    rows = []
    for suffix, iou in THRESHOLDS.items():
        for name in PANOPTIC:
            row = Row(tool, name + suffix, f"{name.upper()} at IoU > {iou:g}")
            where = (f"a pair at IoU > {iou:g}",) if name == "sq" else ()
            if suffix and order:
                rows.append(replace(row, where=where, note=order))
                where = (*where, f"no lesion in two pairs at IoU > {iou:g}")
            rows.append(replace(row, where=where))
    return rows


ROUNDING = "1 mm within rounding counts as farther in the tool"
POINTS = "candidates of one voxel, at every threshold of the tool"
CUBES = "marching cubes weighed by area in the tool"
ONE_BY_ONE = "scores rounded to 0.1: equal ones count one by one in the tool"
ROWS: tuple[Row, ...] = (
    Row("MONAI", "dice", "Dice"),
    Row("MONAI", "hd95_mm", "HD95", note="torch.quantile in float32 in the tool"),
    Row("MONAI", "nsd_1mm", "surface Dice"),
    *_panoptic("MONAI", "the largest sum of IoU in the tool, the largest IoU first in ours"),
    Row("MONAI, FROC", "froc_recall", "FROC: recall", note=POINTS),
    Row("MONAI, FROC", "froc_fp_per_scan", "FROC: false positives", note=POINTS),
    Row("panoptica", "num_reference", "reference lesions"),
    Row("panoptica", "num_predicted", "predicted lesions"),
    Row("panoptica", "dice", "Dice"),
    *_panoptic("panoptica", ""),
    Row("panoptica", "lesion_dice", "lesion Dice", note="assigned to the largest IoU in the tool"),
    Row("panoptica", "lesion_dice", "lesion Dice", where=("no prediction on two lesions",)),
    Row("panoptica", "recall", "recall", where=(SIMPLE,)),
    Row("panoptica", "precision", "precision", where=(SIMPLE,)),
    Row("panoptica", "f1", "F1", where=(SIMPLE,)),
    Row("panoptica", "hd95_mm", "HD95", note="both directions pooled in the tool"),
    Row("MetricsReloaded", "dice", "Dice"),
    Row("MetricsReloaded", "dice_by_f_beta", "F-beta of voxels", "dice"),
    Row("MetricsReloaded", "hd95_mm", "HD95"),
    Row("MetricsReloaded", "nsd_1mm", "surface Dice", note="asked for 1 mm and our slack"),
    Row("MetricsReloaded", "nsd_1mm_exactly", "surface Dice", "nsd_1mm", note=ROUNDING),
    Row("MetricsReloaded", "nsd_1mm_exactly", "surface Dice", "nsd_1mm", ("not rotated",)),
    Row("MetricsReloaded", "absolute_volume_difference", "relative volume difference"),
    *_panoptic("MetricsReloaded, lesions", "the smallest IoU first in the tool"),
    Row("MetricsReloaded, lesions", "rq_iou10", "F1", "f1", (SIMPLE,)),
    Row("MetricsReloaded, scores", "calibration_error", "expected calibration error"),
    Row("CC-Metrics", "region_dice", "region Dice", note="a tie goes to one lesion in the tool"),
    Row("CC-Metrics", "region_dice", "region Dice", where=("no tie",)),
    Row(
        *("CC-Metrics", "region_dice_in_voxels", "region Dice", "region_dice", ("no tie",)),
        note="as the tool is by default: nearest in voxels, not in mm",
    ),
    Row(
        *("CC-Metrics", "region_dice_in_voxels", "region Dice", "region_dice"),
        where=("no tie", "cubic voxels"),
    ),
    Row(
        "BraTS 2023",
        "brats_lesion_dice",
        "lesion-wise Dice",
        note="1 of nothing in the tool, NaN in ours",
    ),
    Row("BraTS 2023", "brats_lesion_dice", "lesion-wise Dice", where=("a lesion over 2 mm³",)),
    Row("BraTS 2023", "dice", "Dice"),
    Row("BraTS 2023", "reference_volume_mm3", "reference volume"),
    Row("surface-distance", "nsd_1mm", "surface Dice", note=CUBES),
    Row("surface-distance", "hd95_mm", "HD95", note=CUBES),
    *(
        Row(
            "pycocotools",
            f"ap_iou{p}{end}",
            f"average precision at IoU {p / 100:g}",
            ours,
            (),
            note,
        )
        for p in (10, 50)
        for end, ours, note in (
            ("", "", "asked for every step of recall"),
            ("_101_points", f"ap_iou{p}", "precision at 101 recalls in the tool"),
            ("_equal_scores", "", ONE_BY_ONE),
        )
    ),
)
SHOWN_EMPTY = ("Dice", "HD95", "surface Dice", "PQ at IoU > 0.5", "region Dice", "lesion-wise Dice")
