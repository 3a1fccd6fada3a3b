"""Scores by lesion and by size, and their intervals over patients. No torch."""

from lesionseg.components import label_components
from lesionseg.evaluation.candidates import Candidates, match_candidates
from lesionseg.evaluation.case import CaseScores, evaluate_case
from lesionseg.evaluation.classes import evaluate_classes
from lesionseg.evaluation.froc import (
    FROC_TARGETS,
    OperatingCurve,
    average_precision,
    operating_curve,
    recall_at,
)
from lesionseg.evaluation.paired import Difference, paired_difference
from lesionseg.evaluation.statistics import Estimate, bootstrap_ratio, pooled_share
from lesionseg.size_buckets import SizeBuckets, diameter_mm

__all__ = [
    "FROC_TARGETS",
    "Candidates",
    "CaseScores",
    "Difference",
    "Estimate",
    "OperatingCurve",
    "SizeBuckets",
    "average_precision",
    "bootstrap_ratio",
    "diameter_mm",
    "evaluate_case",
    "evaluate_classes",
    "label_components",
    "match_candidates",
    "operating_curve",
    "paired_difference",
    "pooled_share",
    "recall_at",
]
