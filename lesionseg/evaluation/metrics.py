"""Every metric, one entry each: the tables, plots and definitions are made from this.

To add one, write its function and its entry, here or, where it is of a whole scan, in
`whole_scan_metrics`. Their order is that of the columns and rows of the CSV tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lesionseg.evaluation import case_values, lesion_values, whole_scan_metrics
from lesionseg.evaluation.calibration import calibration_error_draws
from lesionseg.evaluation.froc import FROC_TARGETS, average_precision_draws
from lesionseg.evaluation.matching import ONE_TO_ONE
from lesionseg.evaluation.metric import MEAN, POOLED, Average, Metric, Weights

BOTH: tuple[Average, ...] = (POOLED, MEAN)
MATCHED_RECALL = "froc_recall@matched"


def froc_metric(fp_per_scan: float) -> str:
    """Key of the recall at a rate of false positives: "froc_recall@0.5"."""
    return f"froc_recall@{fp_per_scan:g}"


def _ratio(
    key: str, label: str, numerator: Weights, denominator: Weights, definition: str, **more: Any
) -> Metric:
    return Metric(
        key, label, definition, numerator=numerator, denominator=denominator, averages=BOTH, **more
    )


def _ratio_of_case(
    key: str, label: str, numerator: Weights, denominator: Weights, definition: str, **more: Any
) -> Metric:
    """A ratio that is a metric of each scan too."""
    of_case = case_values.ratio_of_counts(numerator, denominator)
    return _ratio(key, label, numerator, denominator, definition, of_case=of_case, **more)


def _detection() -> Iterator[Metric]:
    yield _ratio_of_case(
        "recall",
        "Lesions found",
        {"found": 1},
        {"lesions": 1},
        "Reference lesions found over reference lesions.",
        unit="%",
        digits=0,
        short="found",
        shown={"terminal": 1, "sizes": 1, "plot": 1, "cases": 4},
        top=1,
        counts_things=True,
    )
    yield _ratio(
        "recall_any_overlap",
        "Lesions touched",
        {"touched": 1},
        {"lesions": 1},
        "Reference lesions with any prediction assigned to them over reference lesions.",
        unit="%",
        digits=0,
        top=1,
        counts_things=True,
    )
    yield _ratio_of_case(
        "precision",
        "Precision",
        {"found": 1},
        {"found": 1, "false_positives": 1},
        "Lesions found over lesions found plus false positives of the same bucket.",
        unit="%",
        digits=0,
        shown={"sizes": 4},
        top=1,
        counts_things=True,
    )
    yield _ratio_of_case(
        "f1",
        "F1",
        {"found": 2},
        {"found": 1, "lesions": 1, "false_positives": 1},
        "Harmonic mean of the share of lesions found and precision.",
        shown={"cases": 7},
        top=1,
    )


def _per_lesion() -> Iterator[Metric]:
    yield _ratio(
        "lesion_dice",
        "Lesion Dice",
        {"lesion_dice": 1},
        {"lesions": 1},
        "Dice of a reference lesion with the union of the predictions assigned to it; 0 when "
        "missed.",
        short="lesion Dice",
        of_lesions=lesion_values.lesion_dice,
        shown={"terminal": 2, "sizes": 3},
        top=1,
    )
    yield _ratio(
        "region_dice",
        "Region Dice",
        {"region_dice": 1},
        {"lesions": 1},
        "Every voxel belongs to its nearest reference lesion, in mm; Dice inside each lesion's "
        "region (Jaus et al., 2024). A voxel as near to k lesions counts 1/k in the region of "
        "each. How a prediction is cut into instances changes nothing, so it is the fair measure "
        "between a semantic and an instance model.",
        short="region Dice",
        of_lesions=lesion_values.dice_in_region,
        shown={"terminal": 3, "sizes": 2, "plot": 2},
        top=1,
    )
    yield _ratio(
        "fp_per_scan",
        "False positives a scan",
        {"false_positives": 1},
        {"scans": 1},
        "Over all scans, those without lesions too.",
        digits=1,
        short="false pos./scan",
        shown={"terminal": 4, "sizes": 5, "plot": 3},
    )
    yield _ratio(
        "finding_nothing_per_scan",
        "Touches, finds nothing, a scan",
        {"finding_nothing": 1},
        {"scans": 1},
        "Predicted lesions assigned to a reference lesion that is not found, over all scans, by "
        "their own volume: neither hits nor false positives. There are none where any overlap "
        "finds a lesion.",
        digits=1,
        short="finds nothing/scan",
        shown={"terminal": 5, "sizes": 6},
    )
    yield _ratio(
        "half_voxel_dice",
        "Half-voxel ceiling",
        {"half_voxel_dice": 1},
        {"lesions": 1},
        "Dice of a reference lesion with itself shifted by half a voxel along one axis, mean "
        "of the three axes: what annotation noise alone costs a lesion of that size and shape.",
        of_lesions=lesion_values.half_voxel_ceiling,
        top=1,
        of_reference=True,
    )


def _panoptic() -> Iterator[Metric]:
    """By bucket for each IoU; in the case table the first IoU has no suffix."""
    for name, iou in ONE_TO_ONE.items():
        pairs, found = f"{name}_pairs", f"{name}_sum"
        both = {"lesions": 1, pairs: 1, f"{name}_unpaired": 1}
        words = f"pairs of lesions matched one to one at IoU above {iou:g}"
        rates: dict[str, tuple[Weights, Weights, str]] = {
            "pq": ({found: 2}, both, f"Panoptic quality: SQ times RQ, over {words}."),
            "sq": (
                {found: 1},
                {pairs: 1},
                f"Segmentation quality: mean IoU of the {words}; undefined without a pair.",
            ),
            "rq": ({pairs: 2}, both, f"Recognition quality: F1 over {words}."),
        }
        is_main = name == next(iter(ONE_TO_ONE))
        by_bucket = _ratio if is_main else _ratio_of_case
        for rate, (top, bottom, definition) in rates.items():
            label = f"{rate.upper()}, IoU {iou:g}"
            yield by_bucket(f"{rate}_{name}", label, top, bottom, definition, top=1)
        for rate, (top, bottom, definition) in rates.items() if is_main else ():
            of_case = case_values.ratio_of_counts(top, bottom)
            shown = {"cases": 8} if rate == "pq" else {}
            yield Metric(rate, rate.upper(), definition, of_case=of_case, shown=shown, top=1)  # type: ignore[arg-type]


def _over_scores() -> Iterator[Metric]:
    yield Metric(
        MATCHED_RECALL,
        "Lesions found at matched false positives",
        "Lesions found at the lowest score threshold with at most `compare_at` false positives a "
        "scan, or where a model's curve ends earlier, the largest number that all reach.",
        unit="%",
        digits=0,
        averages=(POOLED,),
        top=1,
        counts_things=True,
    )
    for target in FROC_TARGETS:
        yield Metric(
            froc_metric(target),
            "FROC sensitivity",
            "Lesions found at the lowest score threshold with at most so many false positives a "
            "scan as the number after @ says.",
            averages=(POOLED,),
            top=1,
            counts_things=True,
        )
    for percent in (10, 50):
        yield Metric(
            f"ap_iou{percent}",
            f"Average precision, IoU .{percent // 10}",
            "Area under the curve of precision against recall over all score thresholds; a "
            f"candidate is right at IoU {percent / 100:g} or more with a lesion that is free.",
            averages=(POOLED,),
            of_scores=lambda scans, weights, iou=percent / 100: average_precision_draws(  # type: ignore[misc]
                scans, iou, weights
            ),
            shown={"whole_scan": 5 + percent // 10},
            top=1,
        )
    yield Metric(
        "calibration_error",
        "Expected calibration error",
        "Mean gap between the score of candidate lesions and the share of them that are lesions, "
        "over ten bins of score (Guo et al., 2017).",
        averages=(POOLED,),
        of_scores=calibration_error_draws,
        top=1,
    )


METRICS: dict[str, Metric] = {
    metric.key: metric
    for room in (
        whole_scan_metrics.agreement,
        whole_scan_metrics.numbers_of_lesions,
        whole_scan_metrics.splits_and_merges,
        _detection,
        _per_lesion,
        _panoptic,
        whole_scan_metrics.volumes,
        whole_scan_metrics.extents,
        _over_scores,
    )
    for metric in room()
}
