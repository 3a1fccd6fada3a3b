"""The metrics of a whole scan, whatever the size of its lesions: part of `metrics.METRICS`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lesionseg.evaluation import case_values
from lesionseg.evaluation.brats import DILATION_VOX, MINIMUM_MM3, brats_lesion_dice
from lesionseg.evaluation.metric import MEAN, MEDIAN, Metric


def agreement() -> Iterator[Metric]:
    """How far two masks agree."""
    yield Metric(
        "dice",
        "Dice",
        "Of all lesion voxels of the scan.",
        averages=(MEAN,),
        of_case=case_values.dice,
        shown={"whole_scan": 1, "cases": 1},
        top=1,
    )
    yield Metric(
        "nsd_1mm",
        "Surface Dice, 1 mm",
        f"Share of both surfaces within {case_values.TOLERANCE_MM:g} mm of the other. The surface "
        "is the mask's voxels with a face to the outside, each counted once, and distances are "
        "between voxel centres; other tools measure on marching cubes and weigh by area.",
        short="NSD",
        averages=(MEAN,),
        of_case=case_values.surface_dice,
        shown={"whole_scan": 2, "cases": 9},
        top=1,
    )
    yield Metric(
        "hd95_mm",
        "HD95",
        "The larger of the two directed 95th percentiles of surface distance. It is infinite where "
        "one mask is empty, so a mean would say nothing and the median is given.",
        unit="mm",
        digits=1,
        averages=(MEDIAN,),
        of_case=case_values.hd95_mm,
        shown={"whole_scan": 3, "cases": 10},
    )


def numbers_of_lesions() -> Iterator[Metric]:
    """Of a scan's lesions and predictions."""
    yield Metric(
        "num_reference",
        "Reference lesions",
        "Lesions of the reference.",
        digits=0,
        short="lesions",
        of_case=lambda case: len(case.matched.reference),
        shown={"cases": 2},
    )
    yield Metric(
        "num_predicted",
        "Predicted lesions",
        "Lesions of the prediction.",
        digits=0,
        of_case=lambda case: len(case.matched.prediction),
    )
    yield Metric(
        "num_found",
        "Number of lesions found",
        "Reference lesions that were found.",
        digits=0,
        short="found",
        of_case=lambda case: case.counts["found"],
        shown={"cases": 3},
    )
    yield Metric(
        "num_false_positive",
        "Number of false positives",
        "Predicted lesions that share no voxel with a reference lesion.",
        digits=0,
        short="false pos.",
        of_case=lambda case: case.counts["false_positives"],
        shown={"cases": 5},
    )
    yield Metric(
        "num_on_ignored",
        "Predictions on ignored voxels",
        "Predicted lesions of which at least half lie on voxels that nobody judged: neither hits "
        "nor false positives, and in no other figure.",
        digits=0,
        short="on ignored",
        of_case=lambda case: case.matched.num_on_ignored,
        shown={"cases": 7},
    )
    yield Metric(
        "num_finding_nothing",
        "Number that touch and find nothing",
        "Predicted lesions assigned to a reference lesion that is not found.",
        digits=0,
        short="finds nothing",
        of_case=lambda case: case.counts["finding_nothing"],
        shown={"cases": 6},
    )


def splits_and_merges() -> Iterator[Metric]:
    """Lesions and predictions that are not one to one."""
    yield Metric(
        "num_split",
        "Lesions cut in parts",
        "Reference lesions to which several predicted lesions are assigned (splits).",
        digits=1,
        averages=(MEAN,),
        of_case=case_values.num_split,
        shown={"whole_scan": 11},
    )
    yield Metric(
        "num_merged",
        "Predictions over several lesions",
        "Predicted lesions that share voxels with several reference lesions (merges).",
        digits=1,
        averages=(MEAN,),
        of_case=case_values.num_merged,
        shown={"whole_scan": 12},
    )


def volumes() -> Iterator[Metric]:
    """Of all lesions together."""
    yield Metric(
        "brats_lesion_dice",
        "BraTS lesion-wise Dice",
        f"Reference lesions whose dilations by {DILATION_VOX} voxel touch are one lesion; "
        f"those up to {MINIMUM_MM3:g} mm³ are left out; false positives count as 0. As in the "
        "challenge's code the dilation is in voxels (faces and edges) and the volume in mm³, on "
        "whatever grid: the challenge's own is of 1 mm, and on a grid of thick slices the dilation "
        "reaches further between slices.",
        averages=(MEAN,),
        of_case=lambda case: brats_lesion_dice(case.matched),
        shown={"whole_scan": 4},
        top=1,
    )
    cubic: dict[str, Any] = {"unit": "mm³", "digits": 0}
    yield Metric(
        "reference_volume_mm3",
        "Reference volume",
        "Of all reference lesions together.",
        short="volume",
        of_case=lambda case: case.voxels[0] * case.matched.voxel_mm3,
        shown={"cases": 11},
        **cubic,
    )
    yield Metric(
        "predicted_volume_mm3",
        "Predicted volume",
        "Of all predicted lesions together.",
        short="predicted",
        of_case=lambda case: case.voxels[1] * case.matched.voxel_mm3,
        shown={"cases": 12},
        **cubic,
    )
    yield Metric(
        "volume_difference_mm3",
        "Volume difference",
        "Predicted less reference volume.",
        of_case=case_values.volume_difference_mm3,
        **cubic,
    )
    yield Metric(
        "absolute_volume_difference_mm3",
        "Volume off by",
        "Predicted less reference volume, without its sign.",
        averages=(MEAN,),
        of_cases=lambda cases: cases["volume_difference_mm3"].abs(),
        shown={"whole_scan": 5},
        **cubic,
    )
    yield Metric(
        "relative_volume_difference",
        "Relative volume difference",
        "Predicted less reference volume, over the reference volume.",
        averages=(MEAN,),
        of_case=case_values.relative_volume_difference,
    )


def extents() -> Iterator[Metric]:
    """Sizes of the scan and of its voxels."""
    yield Metric(
        "num_voxels",
        "Voxels",
        "Voxels of the whole scan.",
        digits=0,
        of_case=lambda case: case.num_voxels,
    )
    yield Metric(
        "voxel_mm3",
        "Voxel volume",
        "Volume of one voxel.",
        unit="mm³",
        of_case=lambda case: case.matched.voxel_mm3,
    )
