"""overview.html: the lesions found in all scans as pictures on one page, without a reference."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesionseg import __version__, geometry
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import CaseError
from lesionseg.inference.cohort_tables import FILES, OVERVIEW, SCANS, Row, case_lesions
from lesionseg.inference.ensemble import Model
from lesionseg.inference.export_record import own_record
from lesionseg.io import read_volume
from lesionseg.lesion_classes import LesionClasses
from lesionseg.reporting.page.overview import Count, FoundLesion, Overview, overview_page
from lesionseg.reporting.page.viewer import pack_view
from lesionseg.reporting.pictures.atlas import draw_crops
from lesionseg.reporting.pictures.slices import class_colour
from lesionseg.reporting.pictures.views import CaseView
from lesionseg.reporting.plots.style import BRIGHT
from lesionseg.size_buckets import ALL_SIZES, SizeBuckets
from lesionseg.storage.atomic import write_text
from lesionseg.storage.own_files import announce_files
from lesionseg.structures import Volume

SHOWN = 200  # lesions with a picture: four to seven megabytes
VIEWED = 5  # scans in the slice viewer, one to two megabytes each
NOTED = 5  # scans whose notes stand on the page
TILE_PX = 104


def write_overview(
    folder: Path,
    model: Model,
    scans: Sequence[ScanFiles],
    said: Mapping[str, Sequence[str]],
) -> None:
    """Write the page of the scans that are exported in `folder`, from their files and images.

    said: case -> notes, of every scan that was asked for; of one that was rejected, why. At most
    SHOWN lesions and VIEWED scans are drawn; one scan is in memory at a time. Raises OutputError.
    """
    announce_files(folder, FILES, [OVERVIEW])
    classes = model.plan.lesion_classes
    by_case = {scan.case: scan for scan in scans if own_record(folder, scan.case)}
    chosen = _best_of_each(folder, sorted(by_case), classes)
    viewed = _fullest(folder, sorted(by_case), classes)
    pictures: dict[tuple[str, int], bytes] = {}
    packed: dict[str, dict[str, Any]] = {}
    warnings = _note_sentences(said)
    for case in sorted({one.case for one in chosen} | set(viewed)):
        try:
            view = _view(folder, by_case[case], model)
        except CaseError as error:
            warnings.append(f"No pictures of {error}.")
            continue
        for one in chosen:
            if one.case == case:
                pictures[case, one.number] = _crops(view, one, model)
        if case in viewed:
            lesions = case_lesions(folder, case, classes) or []
            packed[case] = pack_view(view, _judged_by_nobody(lesions, model.name), [model.name])
    buckets = SizeBuckets.from_edges(model.edges_mm)
    overview = Overview(
        model=model.name,
        colour=BRIGHT[0],
        classes=classes.names,
        buckets=buckets,
        counts=_counts(folder, sorted(by_case), classes, buckets),
        num_scans=len(by_case),
        lesions=chosen,
        pictures=pictures,
        viewer=[packed[case] for case in viewed if case in packed],
        warnings=warnings,
        provenance=_provenance(model, len(by_case), len(said)),
    )
    write_text(folder / OVERVIEW, overview_page(overview))


def _lesions(folder: Path, cases: Sequence[str], classes: LesionClasses) -> Iterator[FoundLesion]:
    """The lesions of all scans, those of a scan by falling score."""
    for case in cases:
        for row in case_lesions(folder, case, classes) or ():
            yield FoundLesion(
                case=case,
                number=int(row["id"]),
                lesion_class=str(row["class"]),
                bucket=str(row["bucket"]),
                volume_mm3=row["volume_mm3"],
                diameter_mm=row["diameter_mm"],
                score=row["score"],
                centre_mm=(row["centroid_r_mm"], row["centroid_a_mm"], row["centroid_s_mm"]),
            )


def _best_of_each(folder: Path, cases: Sequence[str], classes: LesionClasses) -> list[FoundLesion]:
    """At most SHOWN lesions, first the best of each scan, then the second best, and so on; ordered
    by score. Ids are by falling score."""
    found = _lesions(folder, cases, classes)
    best = heapq.nsmallest(SHOWN, found, key=lambda one: (one.number, -one.score, one.case))
    return sorted(best, key=lambda one: (-one.score, -one.volume_mm3, one.case, one.number))


def _fullest(folder: Path, cases: Sequence[str], classes: LesionClasses) -> list[str]:
    """The scans with the most lesions."""
    counts = ((len(case_lesions(folder, case, classes) or ()), case) for case in cases)
    most = heapq.nsmallest(VIEWED, counts, key=lambda one: (-one[0], one[1]))
    return [case for _, case in most]


def _counts(
    folder: Path, cases: Sequence[str], classes: LesionClasses, buckets: SizeBuckets
) -> dict[str, Count]:
    counts = dict.fromkeys((*buckets.names, ALL_SIZES), Count())
    for case in cases:
        seen = set()
        for one in _lesions(folder, [case], classes):
            for size in (one.bucket, ALL_SIZES):
                before = counts[size]
                counts[size] = dataclasses.replace(
                    before,
                    lesions=before.lesions + 1,
                    scans=before.scans + (size not in seen),
                    volume_mm3=before.volume_mm3 + one.volume_mm3,
                    best_score=max(one.score, before.best_score or 0.0),
                )
                seen.add(size)
    return counts


def _view(folder: Path, scan: ScanFiles, model: Model) -> CaseView:
    """The first channel of a scan and its lesions, in RAS. Raises CaseError."""
    image = scan.rule_of(0).read(scan.images[0], scan.case)
    ids = read_volume(folder / "instances" / f"{scan.case}.nii.gz", case=scan.case)
    if ids.array.shape != image.array.shape:
        raise CaseError(
            scan.case, f"its image has the shape {image.array.shape}, its lesions {ids.array.shape}"
        )
    found = ids.array
    classes = model.plan.lesion_classes
    if len(classes) > 1:
        found = _class_numbers(ids, case_lesions(folder, scan.case, classes) or [], classes)
    turned, affine = geometry.to_canonical(found, image.affine)
    return CaseView(
        case=scan.case,
        image=geometry.to_canonical(image.array, image.affine)[0],
        reference=np.zeros(turned.shape, np.uint8),
        predictions={model.name: turned},
        affine=affine,
        classes=classes,
    )


def _class_numbers(ids: Volume, lesions: Sequence[Row], classes: LesionClasses) -> Any:
    """The class of each voxel's lesion, numbered from 1."""
    numbers = np.zeros(int(ids.array.max(initial=0)) + 1, np.int32)
    for row in lesions:
        if row["id"] < len(numbers):
            numbers[row["id"]] = classes.names.index(row["class"]) + 1
    return numbers[ids.array]


def _crops(view: CaseView, one: FoundLesion, model: Model) -> bytes:
    names = model.plan.lesion_classes.names
    several = len(names) > 1
    colour = class_colour(names.index(one.lesion_class) + 1) if several else BRIGHT[0]
    return draw_crops(
        view,
        one.centre_mm,
        one.diameter_mm,
        {model.name: colour},
        lesion_class=one.lesion_class,
        tile_px=TILE_PX,
    )


def _judged_by_nobody(lesions: Sequence[Row], model: str) -> pd.DataFrame:
    """Lesions as rows that `pack_view` takes."""
    rows = [
        {**row, "kind": "found", "model": model, "lesion_id": row["id"], "found": True}
        for row in lesions
    ]
    return pd.DataFrame(rows)


def _note_sentences(said: Mapping[str, Sequence[str]]) -> list[str]:
    """What is to be known of the scans, of NOTED of them."""
    noted = [f"{case}: {'; '.join(notes)}." for case, notes in said.items() if notes]
    if len(noted) <= NOTED:
        return noted
    more = len(noted) - NOTED
    return [*noted[:NOTED], f"{more} more {'has' if more == 1 else 'have'} notes: see {SCANS}."]


def _provenance(model: Model, done: int, asked: int) -> dict[str, str]:
    points = [
        f"voxels from {point.voxel_threshold:g}, lesions from a score of {point.score_threshold:g}"
        for point in model.points
    ]
    names = model.plan.lesion_classes.names
    return {
        "Model": "; ".join(
            f"{one.name}, weights SHA-256 {one.weights_sha256}" for one in model.members
        ),
        "Thresholds": "; ".join(
            f"{name}: {point}" if len(names) > 1 else point for name, point in zip(names, points)
        ),
        "Scans": f"{done} of {asked}; those that could not be predicted stand in {SCANS}",
        "Version": f"lesionseg {__version__}",
    }
