"""What each figure on the page means, in words, with the settings filled in."""

from __future__ import annotations

from lesionseg.evaluation.brats import DILATION_VOX, MINIMUM_MM3
from lesionseg.report.scoring.records import ScoringOptions


def criterion(options: ScoringOptions) -> str:
    """When a lesion counts as found, in a sentence."""
    if options.found_iou > 0:
        return (
            "A lesion is found when its IoU with the predictions assigned to it is at least "
            f"{options.found_iou:g}. In small print: 95 % intervals over patients."
        )
    return (
        "A lesion is found when any prediction assigned to it overlaps it. In small print: 95 % "
        "intervals over patients."
    )


def definitions(options: ScoringOptions) -> list[tuple[str, str]]:
    """(term, meaning) in the order of the page."""
    edges = ", ".join(f"{e:g}" for e in options.edges_mm)
    return [
        (
            "Lesions",
            "Instance ids where a mask holds them, else "
            f"{options.connectivity}-connected components of it.",
        ),
        (
            "Size buckets",
            f"By volume of the reference lesion, between spheres of {edges} mm diameter; a volume "
            "equal to an edge is in the upper bucket. A false positive is in the bucket of its own "
            "volume.",
        ),
        (
            "Assignment",
            "Each predicted lesion belongs to the reference lesion with which it shares most "
            "voxels (ties: larger IoU, then smaller id); one that shares none is a false positive.",
        ),
        ("Found", criterion(options).split(" In small")[0]),
        ("Precision", "Lesions found over lesions found plus false positives of the same bucket."),
        (
            "Lesion Dice",
            "Dice of a reference lesion with the union of the predictions assigned to it; 0 when "
            "missed.",
        ),
        (
            "Region Dice",
            "Every voxel belongs to its nearest reference lesion, in mm; Dice inside each lesion's "
            "region (Jaus et al., 2024). How a prediction is cut into instances changes nothing, "
            "so it is the fair measure between a semantic and an instance model.",
        ),
        (
            "False positives a scan",
            "Over all scans, those without lesions too.",
        ),
        (
            "PQ, SQ, RQ",
            "Panoptic quality and its factors, one-to-one, at IoU above 0.5 and above 0.1; in "
            "summary.csv by bucket.",
        ),
        (
            "NSD, HD95",
            "Share of both surfaces within 1 mm of the other, and the larger of the two directed "
            "95th percentiles of surface distance; surfaces are voxels with a face to the outside.",
        ),
        (
            "BraTS lesion-wise Dice",
            f"Reference lesions whose dilations by {DILATION_VOX} voxel touch are one lesion; "
            f"those up to {MINIMUM_MM3:g} mm³ are left out; false positives count as 0.",
        ),
        (
            "Half-voxel ceiling",
            "Dice of a reference lesion with itself shifted by half a voxel along one axis, mean "
            "of the three axes: what annotation noise alone costs a lesion of that size and shape.",
        ),
        (
            "Pooled, mean over cases",
            "Pooled figures sum over all lesions or scans before dividing; means over cases divide "
            "in each case first. summary.csv holds both.",
        ),
        (
            "Nothing",
            "Reference and prediction both empty: Dice, F1 and PQ are undefined and left out of "
            "means; num_undefined in summary.csv says how often. Reference empty only: Dice 0 and "
            "the false positives count. Prediction empty only: recall and Dice 0, HD95 infinite.",
        ),
        (
            "Intervals and tests",
            f"95 % intervals by bootstrap over patients, not lesions, {options.draws} draws, seed "
            f"{options.seed}. Two models: paired permutation test over patients, two-sided. Fewer "
            "than 6 patients: no p-value.",
        ),
    ]
