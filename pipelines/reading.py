"""The configuration's answer to what may be mended while reading."""

from __future__ import annotations

import dataclasses

from omegaconf import DictConfig

from lesionseg.datasets.dataset import Dataset
from lesionseg.errors import UsageError
from lesionseg.io.reading import ReadingRule


def reading_rule(config: DictConfig) -> ReadingRule:
    """From `config.data` and `config.dicom`. Raises UsageError for an answer it does not know."""
    irregular = str(config.dicom.irregular)
    if irregular not in ("refuse", "resample"):
        raise UsageError(f"dicom.irregular is '{irregular}'; want refuse or resample")
    threshold = config.data.get("mask_threshold")
    if threshold is not None and float(threshold) <= 0:
        raise UsageError(
            f"data.mask_threshold is {threshold}, at which every voxel is lesion; want above 0"
        )
    return ReadingRule(
        assume_affine=_yes(config, "assume_affine"),
        dicom_irregular="resample" if irregular == "resample" else "refuse",
        fix_grid=_yes(config, "fix_grid"),
        mask_threshold=None if threshold is None else float(threshold),
    )


def _yes(config: DictConfig, key: str) -> bool:
    answer = config.data[key]
    if not isinstance(answer, bool):  # "no" is a text, and a text is true
        raise UsageError(f"data.{key} is '{answer}'; want true or false")
    return answer


def read_by(dataset: Dataset, rule: ReadingRule) -> Dataset:
    """The dataset with all its scans read by this rule."""
    scans = tuple(dataclasses.replace(scan, rule=rule) for scan in dataset.scans)
    return dataclasses.replace(dataset, scans=scans)
