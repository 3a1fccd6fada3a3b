"""The definition of each metric on the page, with the settings filled in."""

from __future__ import annotations

from lesionseg.evaluation.metric import Metric, Place
from lesionseg.evaluation.metrics import METRICS
from lesionseg.reporting.scoring.lookup import metrics_in
from lesionseg.reporting.scoring.records import ScoringOptions

ON_IGNORED = "num_on_ignored"


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
        *_on_classes(options),
        *_metrics(options),
        (
            "Pooled, mean over cases",
            "Pooled values sum over all lesions or scans before dividing; means over cases divide "
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
            "95 % intervals are over patients, not lesions. Shares of counted lesions: Wilson's "
            "interval with the number of lesions divided by the design effect and Student's "
            f"quantile. All else: expanded percentile bootstrap, {options.draws} draws, seed "
            f"{options.seed}; medians have none. One patient: no interval. Tests swap two models "
            "within patients, two-sided; no p-value where so few patients differ that it could not "
            "be 0.05.",
        ),
    ]


def column_descriptions() -> dict[str, str]:
    """What every metric's column, or row of summary.csv, holds: by its key in the tables."""
    return {m.key: f"{m.heading}. {m.definition}" for m in METRICS.values()}


def shown_metrics(place: Place | None, options: ScoringOptions) -> list[Metric]:
    """The metrics at a place, or all; that on ignored voxels where some may be ignored alone."""
    every = list(METRICS.values()) if place is None else metrics_in(place)
    return [metric for metric in every if options.ignore or metric.key != ON_IGNORED]


def _on_classes(options: ScoringOptions) -> list[tuple[str, str]]:
    found = []
    if len(options.classes) > 1:
        regions = (
            " The classes are regions that contain one another: a voxel is of each region around "
            "it, and a lesion of a region is a component of all its values. Together, it counts in "
            "each of them."
            if options.classes.regions
            else ""
        )
        found = [
            (
                "Lesion classes",
                f"{', '.join(one.words for one in options.classes.classes)}. Each is scored as if "
                "it were alone; lesions of two classes that touch are two lesions. A class that no "
                f"reference lesion has is undefined.{regions}",
            ),
            (
                "All classes together",
                "The lesions, false positives, voxels and surfaces of all classes, each of which "
                "meets its own class alone: a lesion counts as found only where it is found as its "
                "own class. A surface whose class the other mask lacks is infinitely far away.",
            ),
            (
                "Found as",
                "Each reference lesion is found as the class of the predicted lesion with which it "
                "shares most voxels, whatever the overlap; a predicted lesion that shares none "
                "with any class is a false positive.",
            ),
        ]
        found = found[:2] if options.classes.regions else found
    if options.ignore:
        values = ", ".join(map(str, options.ignore))
        found.append(
            (
                "Ignored voxels",
                f"Voxels that the reference marks with {values} were not judged. They are left out "
                "of every figure, in reference and prediction alike; a predicted lesion or "
                "candidate at least half of whose voxels are ignored, and that touches no "
                "reference lesion, is left out whole, neither hit nor false positive.",
            )
        )
    return found


def _metrics(options: ScoringOptions) -> list[tuple[str, str]]:
    """(labels, definition and keys) of every metric; those of one definition stand together."""
    together: dict[str, list[Metric]] = {}
    for metric in shown_metrics(None, options):
        together.setdefault(metric.definition, []).append(metric)
    return [
        (
            "; ".join(dict.fromkeys(metric.heading for metric in metrics)),
            f"{definition} In the tables: {', '.join(metric.key for metric in metrics)}.",
        )
        for definition, metrics in together.items()
    ]
