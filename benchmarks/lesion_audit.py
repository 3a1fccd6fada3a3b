"""Lesions that vanish, merge, split or change by more than 20 %, by size and resampling rule.

python benchmarks/lesion_audit.py MASKS [PATTERN]      a folder of masks; no images are needed

Rules: 1 mm in-plane; the spacing that the planner chooses; and nnU-Net's default for comparison:
median spacing in all axes, each mask interpolated linearly and cut at one half, and the same back.
Of lesionseg's rules the step "home" includes boxes and masks of 14 x 14 cells. The result is
compared with the lesions of the file.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import find_objects

from lesionseg import geometry
from lesionseg.datasets.dataset import Channel, MaskLabels
from lesionseg.io import read_volume
from lesionseg.lesion_kinds import of_one_class
from lesionseg.planning.fingerprint import CaseFingerprint, take_fingerprint
from lesionseg.planning.lesion_audit import (
    OUTCOMES,
    LesionAudit,
    audit_case,
    lesion_volumes,
    step_outcome,
)
from lesionseg.planning.plan import make_plan, spacing_candidates
from lesionseg.planning.spacing_losses import hardest_cases, scan_losses, try_spacings
from lesionseg.reading.lesion_ids import carry_ids, lesion_ids
from lesionseg.reading.scans import LoadedScan
from lesionseg.settings.plan import PlanOverrides
from lesionseg.size_buckets import SizeBuckets
from lesionseg.structures import Case, Grid

BUCKETS = SizeBuckets.from_edges((3, 5, 10))
LESION = MaskLabels()
MARGIN_MM = 15
Scan = tuple[np.ndarray, np.ndarray]  # lesion ids (X, Y, Z), canonical, and their affine


def load(path: Path) -> Scan:
    """The lesions of a mask file in canonical RAS, cut to a box around them."""
    mask = read_volume(path)
    found, _ = lesion_ids(mask, LESION, path.name)
    ids, affine = geometry.to_canonical(found, mask.affine)
    margin = [round(MARGIN_MM / step) for step in geometry.spacing(affine)]
    ids, affine = geometry.crop(ids, affine, *geometry.bounding_box(ids > 0, margin))
    return np.ascontiguousarray(ids), affine


def fingerprint(name: str, scan: Scan) -> CaseFingerprint:
    """What the planner asks of a scan; a bright box stands in for its image."""
    ids, affine = scan
    image = np.zeros(ids.shape, np.float32)
    image[2:-2, 2:-2, 2:-2] = 1 + np.linspace(0, 1, ids.shape[2] - 4, dtype=np.float32)
    grid = Grid(ids.shape, affine)
    loaded = LoadedScan(name, (image,), ids, affine, grid, kinds=of_one_class(ids))
    return take_fingerprint(loaded, ["mri"], "")


def planned_spacing(scans: dict[str, Scan]) -> tuple[float, str]:
    prints = [fingerprint(name, scan) for name, scan in scans.items()]
    hard = hardest_cases(prints)
    overrides = PlanOverrides()
    losses = try_spacings(
        spacing_candidates(prints, overrides),
        lambda spacing_mm: [
            scan_losses(scans[name][0], of_one_class(scans[name][0]), scans[name][1], spacing_mm)
            for name in hard
        ],
    )
    plan = make_plan(prints, [Channel(name="mask", modality="mri")], overrides, losses)
    return plan.in_plane_spacing_mm, plan.reasons["in_plane_spacing_mm"]


def in_plane(scan: Scan, spacing_mm: float) -> LesionAudit:
    """By lesionseg's preprocessing at an in-plane spacing."""
    ids, affine = scan
    slab_axis, _, _ = geometry.slab_axes(geometry.spacing(affine))
    grid = geometry.in_plane_grid(Grid(ids.shape, affine), spacing_mm, slab_axis)
    stored = carry_ids(ids, affine, grid)
    image = np.broadcast_to(np.float16(0), (1, *stored.shape))
    case = Case("", "", image, stored, grid.affine, slab_axis, Grid(ids.shape, affine), ("mask",))
    return audit_case(ids, of_one_class(ids), affine, case)


def linear(volume: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Point samples by linear interpolation, outer corners aligned, edges repeated: order 1."""
    for axis, size in enumerate(shape):
        old = volume.shape[axis]
        where = ((np.arange(size) + 0.5) * old / size - 0.5).clip(0, old - 1)
        low = np.floor(where).astype(int)
        part = (where - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        high = np.minimum(low + 1, old - 1)
        volume = np.take(volume, low, axis) * (1 - part) + np.take(volume, high, axis) * part
    return volume


def owners(ids: np.ndarray, shape: Sequence[int], cut: np.ndarray) -> np.ndarray:
    """The lesion that has the largest share of each voxel at or above one half."""
    out = np.zeros(shape, np.int32)
    best = np.zeros(shape, np.float32)
    scale = np.asarray(shape) / np.asarray(ids.shape)
    for lesion, box in enumerate(find_objects(ids), 1):
        if box is None:
            continue
        # the box and what surrounds it, as a whole number of voxels of both grids is not to be had
        low = [max(0, int((s.start - 2) * f) - 2) for s, f in zip(box, scale)]
        high = [min(n, int((s.stop + 2) * f) + 3) for s, f, n in zip(box, scale, shape)]
        window = tuple(slice(a, b) for a, b in zip(low, high))
        share = sampled((ids[box] == lesion).astype(np.float32), box, ids.shape, shape, low, high)
        wins = cut[window] & (share > best[window])
        out[window][wins] = lesion
        best[window][wins] = share[wins]
    return out


def sampled(
    piece: np.ndarray,
    box: Sequence[slice],
    old_shape: Sequence[int],
    shape: Sequence[int],
    low: Sequence[int],
    high: Sequence[int],
) -> np.ndarray:
    """`linear` of one lesion alone, inside a window of the new grid."""
    for axis in range(3):
        at = (np.arange(low[axis], high[axis]) + 0.5) * old_shape[axis] / shape[axis] - 0.5
        at = at.clip(0, old_shape[axis] - 1)
        centres = np.arange(box[axis].start, box[axis].stop)
        weights = np.maximum(0, 1 - np.abs(at[:, None] - centres)).astype(np.float32)
        piece = np.moveaxis(np.tensordot(weights, piece, (1, axis)), 0, axis)
    return piece


def nnunet(scan: Scan, spacing_mm: Sequence[float]) -> LesionAudit:
    """By order-1 resampling of the segmentation to a spacing in all axes, and back."""
    ids, affine = scan
    spacing = geometry.spacing(affine)
    shape = [max(1, round(n * old / new)) for n, old, new in zip(ids.shape, spacing, spacing_mm)]
    cut = linear((ids > 0).astype(np.float32), shape) >= 0.5
    there = owners(ids, shape, cut)
    back = linear((there > 0).astype(np.float32), ids.shape) >= 0.5
    home = owners(there, ids.shape, back)
    volumes = lesion_volumes(ids, affine)
    voxel = geometry.voxel_volume(affine)
    scaled = voxel * float(np.prod(ids.shape) / np.prod(shape))
    return LesionAudit(
        volumes,
        {
            "resample": step_outcome(volumes, there, scaled),
            "home": step_outcome(volumes, home, voxel),
        },
    )


def table(title: str, results: Sequence[LesionAudit]) -> None:
    print(f"\n{title}")
    names = BUCKETS.ranges
    print(f"{'':22}" + "".join(f"{name:>16}" for name in names) + f"{'all':>10}")
    totals = Counter(BUCKETS.number(v) for one in results for v in one.volumes_mm3.values())
    print(f"{'lesions':22}" + "".join(f"{totals[n]:>16}" for n in range(len(names))), end="")
    print(f"{sum(totals.values()):>10}")
    for step in ("resample", "box target", "home"):
        if step not in results[0].steps:
            continue
        for outcome in OUTCOMES:
            counts = Counter(
                BUCKETS.number(one.volumes_mm3[lesion])
                for one in results
                for lesion in one.steps[step][outcome]
            )
            line = "".join(f"{counts[n]:>16}" for n in range(len(names)))
            print(f"{step + ': ' + outcome:22}{line}{sum(counts.values()):>10}")


def main() -> None:
    folder, pattern = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "*.nii.gz"
    scans = {path.name: load(path) for path in sorted(folder.glob(pattern))}
    spacings = np.array([geometry.spacing(affine) for _, affine in scans.values()])
    planned, why = planned_spacing(scans)
    median = [round(float(mm), 4) for mm in np.median(spacings, axis=0)]
    rules: list[tuple[str, Callable[[Scan], LesionAudit]]] = [
        ("1 mm in-plane", lambda scan: in_plane(scan, 1.0)),
        (f"planned: {planned:g} mm in-plane. {why}", lambda scan: in_plane(scan, planned)),
        (f"nnU-Net's rule: {median} mm, order 1", lambda scan: nnunet(scan, median)),
    ]
    print(f"{len(scans)} masks, spacings {np.unique(spacings.round(3), axis=0).tolist()} mm")
    for title, rule in rules:
        table(title, [rule(scan) for scan in scans.values()])


if __name__ == "__main__":
    main()
