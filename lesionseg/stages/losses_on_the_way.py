"""Where the lesions of test scans are lost inside the detectors of a study, by size."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from lesionseg.datasets.dataset import Dataset
from lesionseg.errors import CaseError
from lesionseg.inference.ensemble import single
from lesionseg.inference.lesion_way import STAGES, lesion_way
from lesionseg.inference.model_store import LoadedModel
from lesionseg.preprocessing.case import prepare_loaded
from lesionseg.progress import with_progress
from lesionseg.reading.scans import load_scan
from lesionseg.settings.ablate import AblateSettings
from lesionseg.size_buckets import ALL_SIZES, SMALL_SIZES, SizeBuckets
from lesionseg.stages.prediction import test_scans
from lesionseg.stages.preparation import PREPARED
from lesionseg.stages.variants import trained_variants
from lesionseg.storage.csv_table import write_frame

NAME = "losses_on_the_way"


def print_losses(study: AblateSettings, dataset: Dataset) -> None:
    """Print how many lesions come so far, by variant and size; write losses_on_the_way.csv."""
    output = Path(study.output)
    trained = trained_variants(study, study.study.variants)
    models = {name: single(one.model, name) for name, one in trained.items()}
    table = _ways(models, dataset, output / PREPARED)
    write_frame(output / f"{NAME}.csv", table)
    buckets = SizeBuckets.from_edges(study.edges_mm or dataset.card.edges_mm)
    print("lesions of the test scans that come so far: an anchor fits, a proposal, a box with a")
    print("score that counts, left by suppression, drawn, linked, above the threshold; all classes")
    print("as one, voxels of a probability from 0.5 on\n")
    print(counts_by_stage(table, buckets).to_string(index=False))
    print(f"\n{output / NAME}.csv")


def _ways(models: Mapping[str, LoadedModel], dataset: Dataset, prepared: Path) -> pd.DataFrame:
    parts = []
    scans = [scan for scan in test_scans(dataset, prepared) if scan.mask or scan.raters]
    for name, model in models.items():
        for scan in with_progress(scans, name, "scan"):
            try:
                case = prepare_loaded(load_scan(scan, dataset.labels), scan, model.plan)
            except CaseError as error:
                print(f"left out: {error}", file=sys.stderr)
                continue
            parts.append(lesion_way(model, case).assign(variant=name))
    columns = ["variant", "case", "lesion", "volume_mm3", "diameter_mm", *STAGES]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def counts_by_stage(table: pd.DataFrame, buckets: SizeBuckets) -> pd.DataFrame:
    """One row a variant and size: how many lesions there are and how many reach each of STAGES."""
    rows = []
    for variant, own in table.groupby("variant", sort=False):
        for name in (SMALL_SIZES, *buckets.names, ALL_SIZES):
            low, high = buckets.volume_range_mm3(name)
            chosen = own[own["volume_mm3"].between(low, high, inclusive="left")]
            reached = {stage: int(chosen[stage].sum()) for stage in STAGES}
            size = {"variant": variant, "size": buckets.describe(name), "lesions": len(chosen)}
            rows.append(size | reached)
    return pd.DataFrame(rows, columns=["variant", "size", "lesions", *STAGES])
