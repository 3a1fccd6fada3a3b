"""What of ours is compared with what of another tool's, and on which cases both mean the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from independent_cases import FULL, Case
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
PANOPTIC = ("pq", "sq", "rq")


@dataclass(frozen=True)
class Row:
    """ours, theirs: names of figures. where: words of `meanings` that a case must have.

    note: what differs, or on which cases the definitions are the same.
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
    found = match_candidates(case.reference, points, scores, case.spacing_mm, reference_instances=True)
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
        words.add("cubes")
    if not case.family.startswith("rotated"):
        words.add("upright")
    if ((shared > 0).sum(axis=0) <= 1).all():
        words.add("no prediction on two lesions")
    for suffix, threshold in THRESHOLDS.items():
        pairs = iou > threshold
        if pairs.any():
            words.add(f"a pair{suffix}")
        if (pairs.sum(axis=0) <= 1).all() and (pairs.sum(axis=1) <= 1).all():
            words.add(f"one pairing{suffix}")
    touched = shared > 0
    if (touched == (iou > 0.1)).all() and touched.sum(axis=1).max(initial=0) <= 1:
        words.add("touched is found")
    if not _tied(case):
        words.add("no tie")
    if not _on_limit(case):
        words.add("not 2 mm³")
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
        ndimage.distance_transform_edt(components != i + 1, sampling=case.spacing_mm)[tuple(voxels.T)]
        for i in range(number)
    ]
    nearest = np.sort(distances, axis=0)
    return bool((nearest[1] - nearest[0] <= slack_mm(case.spacing_mm)).any())


def _on_limit(case: Case) -> bool:
    """Whether lesions that BraTS takes as one are of 2 mm³ on paper."""
    grown = ndimage.binary_dilation(case.reference > 0, ndimage.generate_binary_structure(3, 2))
    groups, number = ndimage.label(grown, FULL)
    voxels = ndimage.sum_labels(case.reference > 0, groups, np.arange(1, number + 1))
    volumes = voxels * abs(np.linalg.det(case.affine[:3, :3].astype(np.float64)))
    return bool((np.abs(volumes - 2) <= 2 * SLACK).any())


def _whole_scan(tool: str, *figures: tuple[str, str]) -> list[Row]:
    return [Row(tool, name, label) for name, label in figures]


def _panoptic(tool: str, reason: str) -> list[Row]:
    rows = []
    for suffix, iou in THRESHOLDS.items():
        for name in PANOPTIC:
            label = f"{name.upper()} at IoU > {iou:g}"
            where = (f"a pair{suffix}",) if name == "sq" else ()
            pairs = "with a pair" if name == "sq" else ""
            if suffix and reason:
                rows.append(Row(tool, name + suffix, label, where=where, note=reason))
                where, pairs = (*where, f"one pairing{suffix}"), "no lesion in two such pairs"
            rows.append(Row(tool, name + suffix, label, where=where, note=pairs))
    return rows


EXACTLY = "equal to 1 mm only within rounding counts as farther in the tool"
POINTS = "candidates of one voxel; at every threshold of the tool"
SIMPLE = "every touched lesion in one pair"
ROWS: tuple[Row, ...] = (
    *_whole_scan("MONAI", ("dice", "Dice"), ("hd95_mm", "HD95"), ("nsd_1mm", "surface Dice")),
    Row("MONAI", "nsd_1mm_exactly", "surface Dice", "nsd_1mm", note=EXACTLY),
    Row("MONAI", "nsd_1mm_exactly", "surface Dice", "nsd_1mm", ("upright",), "grids not rotated"),
    *_panoptic("MONAI", "the tool maximises the sum of IoU, ours takes the largest first"),
    Row("MONAI, FROC", "froc_recall", "FROC, recall", note=POINTS),
    Row("MONAI, FROC", "froc_fp_per_scan", "FROC, false positives", note=POINTS),
    *_whole_scan("panoptica", ("num_reference", "lesions"), ("num_predicted", "predictions")),
    Row("panoptica", "dice", "Dice"),
    *_panoptic("panoptica", ""),
    Row("panoptica", "lesion_dice", "lesion Dice", note="the tool assigns to the largest IoU"),
    Row(
        *("panoptica", "lesion_dice", "lesion Dice", "", ("no prediction on two lesions",)),
        note="no prediction on two lesions",
    ),
    Row("panoptica", "recall", "recall", where=("touched is found",), note=SIMPLE),
    Row("panoptica", "precision", "precision", where=("touched is found",), note=SIMPLE),
    Row("panoptica", "f1", "F1", where=("touched is found",), note=SIMPLE),
    Row("panoptica", "hd95_mm", "HD95", note="the tool pools both directions"),
    Row("MetricsReloaded", "dice", "Dice"),
    Row("MetricsReloaded", "dice_by_f_beta", "Dice as F-beta of voxels", "dice"),
    *_whole_scan("MetricsReloaded", ("hd95_mm", "HD95"), ("nsd_1mm", "surface Dice")),
    Row("MetricsReloaded", "nsd_1mm_exactly", "surface Dice", "nsd_1mm", note=EXACTLY),
    Row(
        *("MetricsReloaded", "nsd_1mm_exactly", "surface Dice", "nsd_1mm", ("upright",)),
        note="grids not rotated",
    ),
    Row("MetricsReloaded", "absolute_volume_difference", "relative volume difference"),
    *_panoptic("MetricsReloaded, lesions", "the tool takes the smallest IoU first"),
    Row(
        *("MetricsReloaded, lesions", "rq_iou10", "F1", "f1", ("touched is found",)), note=SIMPLE
    ),
    Row("MetricsReloaded, scores", "calibration_error", "expected calibration error"),
    Row("CC-Metrics", "region_dice", "region Dice", note="a tie goes to one lesion in the tool"),
    Row("CC-Metrics", "region_dice", "region Dice", "", ("no tie",), "no ties"),
    Row(
        *("CC-Metrics", "region_dice_in_voxels", "region Dice", "region_dice", ("no tie",)),
        note="as the tool is called by default: nearest in voxels, not mm; no ties",
    ),
    Row(
        *("CC-Metrics", "region_dice_in_voxels", "region Dice", "region_dice"),
        where=("no tie", "cubes"),
        note="the same, voxels are cubes",
    ),
    Row("BraTS 2023", "brats_lesion_dice", "lesion-wise Dice", note="2 mm³ within rounding"),
    Row("BraTS 2023", "brats_lesion_dice", "lesion-wise Dice", "", ("not 2 mm³",), "no 2 mm³"),
    *_whole_scan("BraTS 2023", ("dice", "Dice"), ("reference_volume_mm3", "reference volume")),
    Row("surface-distance", "nsd_1mm", "surface Dice", note="marching cubes, weighed by area"),
    Row("surface-distance", "hd95_mm", "HD95", note="marching cubes, weighed by area"),
    *(
        Row("pycocotools", f"ap_iou{p}{end}", f"average precision, IoU {p / 100:g}", ours, (), note)
        for p in (10, 50)
        for end, ours, note in (
            ("", "", "at every step of recall"),
            ("_101_points", f"ap_iou{p}", "the tool reads precision at 101 recalls"),
            ("_equal_scores", "", "scores rounded to 0.1: the tool counts equal ones one by one"),
        )
    ),
)
