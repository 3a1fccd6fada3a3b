"""What of bodies and lesions preprocessing keeps, in scans of all parts of the body and all makes.

python benchmarks/foreground.py [OPEN_MS] [DICOM_FOLDER]
    OPEN_MS: a folder that `lesionseg check` reads, with masks; DICOM_FOLDER: folders of CT series

The scans are those of tests/bodies.py, each with one round lesion, dark, middling or bright. A
lesion's intensity is kept where the stored value is the scan's own, shifted and scaled.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.datasets.dataset import Channel, find_scans
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import CaseError
from lesionseg.io import read_volume
from lesionseg.lesion_kinds import of_one_class
from lesionseg.planning.fingerprint import take_fingerprint
from lesionseg.planning.plan import make_plan
from lesionseg.preprocessing.case import prepare_loaded
from lesionseg.reading.foreground import find_foreground
from lesionseg.reading.scans import LoadedScan, load_scan
from lesionseg.settings.plan import PlanOverrides
from lesionseg.structures import Grid

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from bodies import AFFINE, SCANS, SHAPE, ellipsoid

PLACES = {"MRI of breasts": (16, 44, 25), "CT of two legs": (14, 28, 25), "cut-out": (6, 6, 6)}


def kept_percent(scan: LoadedScan, channels: Sequence[Channel]) -> float:
    """Of the lesion voxels of all channels, those whose intensity arrives; on the scan's grid."""
    modalities = [channel.modality for channel in channels]
    rows = min(geometry.spacing(scan.affine)[:2])
    fingerprint = take_fingerprint(scan, modalities, "")
    plan = make_plan(
        [fingerprint],
        channels,
        PlanOverrides(in_plane_spacing_mm=rows),
    )
    case = prepare_loaded(scan, ScanFiles(scan.case, "p", "train", (), None), plan)
    shift = np.linalg.solve(scan.affine, case.affine)[:3, 3]
    window = tuple(slice(a, a + n) for a, n in zip(np.rint(shift).astype(int), case.shape))
    assert scan.lesion_ids is not None
    lesion = scan.lesion_ids[window] > 0
    shares = []
    for number, channel in enumerate(scan.channels):
        got = np.asarray(case.image[number], np.float64)[lesion]
        wanted = channel[window][lesion].astype(np.float64)
        planned, (mean, std) = plan.channels[number], fingerprint.middles[number]
        if planned.normalisation == "cohort":
            mean, std = planned.mean or 0.0, planned.std or 1.0
        same = np.isclose(got, (wanted - mean) / std, rtol=2**-10, atol=1e-3)  # half floats
        shares.append(same.mean() * lesion.sum() / np.count_nonzero(scan.lesion_ids))
    return 100 * float(np.mean(shares))


def drawn(image: NDArray[np.float64], level: float, place: Sequence[int]) -> LoadedScan:
    places = np.indices(SHAPE) - np.reshape(place, (3, 1, 1, 1))
    weight = np.clip(4 - np.sqrt((places**2).sum(axis=0)), 0, 1)
    ids = ellipsoid(place, (3, 3, 3)).astype(np.int32)
    blended = (image * (1 - weight) + level * weight).astype(np.float32)
    grid = Grid(SHAPE, AFFINE)
    return LoadedScan("scan", (blended,), ids, AFFINE, grid, kinds=of_one_class(ids))


def synthetic() -> None:
    print(f"{'scan':34s} {'body in':>8s} {'volume':>7s}   lesion intensities kept, %")
    print(f"{'':34s} {'it, %':>8s} {'kept, %':>7s}   {'dark':>6s} {'middle':>6s} {'bright':>6s}")
    for name, make in SCANS.items():
        image, body, modality = make()
        channels = (Channel(name="image", modality=modality),)
        found = find_foreground([image.astype(np.float32)], AFFINE, [modality], name)
        low, high = np.percentile(image[body], (2, 98))
        place = PLACES.get(name, (18, 28, 34) if modality == "ct" else (36, 30, 25))
        shares = [
            kept_percent(drawn(image, level, place), channels)
            for level in (low, (low + high) / 2, high + 3 * (high - low))
        ]
        print(
            f"{name:34s} {100 * found.inside[body].mean():8.2f} {100 * found.inside.mean():7.1f}   "
            + " ".join(f"{share:6.1f}" for share in shares)
        )


def real(root: Path) -> None:
    dataset = find_scans(None, root)
    for files in dataset.scans:
        scan = load_scan(files, dataset.labels)
        modalities = [channel.modality for channel in dataset.channels]
        found = find_foreground(scan.channels, scan.affine, modalities, scan.case)
        share = kept_percent(scan, dataset.channels)
        print(
            f"{scan.case}: {100 * found.inside.mean():.1f} % of the volume kept, "
            f"{share:.2f} % of {np.count_nonzero(scan.lesion_ids):,} lesion voxels as they were"
        )


def real_ct(root: Path) -> None:
    """Body of CT without a mask: voxels above -300 HU in the largest piece, as a reference."""
    from lesionseg.components import label_components

    for folder in sorted({path.parent for path in root.rglob("*") if path.is_file()}):
        try:
            volume = read_volume(folder, dicom_irregular="resample")
        except CaseError:
            continue
        array, affine = geometry.to_canonical(volume.array, volume.affine)
        pieces = label_components(array > -300, 6)
        body = pieces == np.bincount(pieces[pieces > 0]).argmax()
        found = find_foreground([array], affine, ["ct"], folder.name)
        print(
            f"{folder.name}: {100 * found.inside.mean():.1f} % of the volume kept, "
            f"{100 * found.inside[body].mean():.2f} % of the body's voxels in it"
        )


if __name__ == "__main__":
    synthetic()
    if len(sys.argv) > 1:
        real(Path(sys.argv[1]))
    if len(sys.argv) > 2:
        real_ct(Path(sys.argv[2]))
