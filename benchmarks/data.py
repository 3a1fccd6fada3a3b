"""How long the data side takes: reading, preparing, slabs out of the case store, a phantom scan.

python benchmarks/data.py [COHORT]      COHORT: an nnU-Net raw folder to preprocess as well
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from lesionseg.datasets.dataset import find_scans, load_card
from lesionseg.datasets.phantom.cohort import draw_scan
from lesionseg.io import read_volume, write_mask
from lesionseg.io.case_store import open_case, write_case
from lesionseg.planning.channel_plan import ChannelPlan
from lesionseg.planning.plan import Plan
from lesionseg.preprocessing.case import prepare_image
from lesionseg.preprocessing.stage import build_dataset
from lesionseg.settings.data import SplitRule
from lesionseg.settings.plan import PlanOverrides
from lesionseg.structures import Case, Grid, Volume


def best_ms(work: Callable[[], Any], repeats: int = 7) -> float:
    """Shortest of several runs, in ms: what other work on the machine disturbs least."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def smooth_scan(shape: tuple[int, int, int]) -> np.ndarray:
    rng = np.random.default_rng(0)
    axes = np.ogrid[tuple(slice(-1, 1, complex(0, n)) for n in shape)]
    ball = sum(axis**2 for axis in axes) < 0.8
    return (ball * rng.normal(900, 60, shape)).astype(np.int16)


def reading(folder: Path) -> None:
    path = folder / "scan.nii.gz"
    nib.save(nib.Nifti1Image(smooth_scan((192, 240, 240)), np.eye(4)), path)
    ours = best_ms(lambda: read_volume(path))
    theirs = best_ms(lambda: np.asarray(nib.load(path).dataobj))
    print(
        f"read 192x240x240 int16 .nii.gz: {ours:.0f} ms, nibabel {theirs:.0f} ms "
        f"({ours / theirs:.2f} of it; at most 1.1)"
    )
    scan = read_volume(path)
    written = best_ms(lambda: write_mask(folder / "mask.nii.gz", scan.array > 900, like=scan))
    print(f"write its mask: {written:.0f} ms")


def reading_by_child(folder: Path) -> None:
    path = folder / "scan.mha"
    sitk.WriteImage(sitk.GetImageFromArray(smooth_scan((192, 240, 240))), str(path))
    ours = best_ms(lambda: read_volume(path))
    theirs = best_ms(lambda: sitk.GetArrayFromImage(sitk.ReadImage(str(path))))
    print(f"read 192x240x240 int16 .mha: {ours:.0f} ms in a child, SimpleITK {theirs:.0f} ms")


def slabs(folder: Path) -> None:
    shape = (180, 200, 150)
    scan = smooth_scan(shape)
    image = np.stack([scan, scan]).astype(np.float32) / 300 - 3
    ids = (scan > 1050).astype(np.int32)
    case = Case(
        "c", "p", image.astype(np.float16), ids, np.eye(4), 2, Grid(shape, np.eye(4)), ("a", "b")
    )
    write_case(folder, case)
    stored = open_case(folder, "c")
    rng = np.random.default_rng(0)

    def whole() -> Any:
        z = int(rng.integers(1, 149))
        return stored.image[:, :, :, z - 1 : z + 2], stored.lesion_ids[:, :, z]

    def cropped() -> Any:
        x, y, z = (int(n) for n in rng.integers(1, (84, 104, 149)))
        window = (slice(x, x + 96), slice(y, y + 96))
        return stored.image[(slice(None), *window, slice(z - 1, z + 2))], stored.lesion_ids[
            (*window, z)
        ]

    for name, read in (("whole slices", whole), ("96x96 crops", cropped)):
        mean = best_ms(lambda read=read: [read() for _ in range(100)], 3) / 100
        print(f"slab of 3 slices, 2 channels, with ids, {name} of 180x200: {mean:.2f} ms")


def preparing() -> None:
    scan = Volume(smooth_scan((135, 168, 134)), np.eye(4))
    channels = (ChannelPlan("FLAIR", "mri", "zscore"), ChannelPlan("T1", "mri", "zscore"))
    for spacing in (1.0, 0.7):
        plan = Plan(channels, in_plane_spacing_mm=spacing)
        taken = best_ms(lambda plan=plan: prepare_image([scan, scan], plan), 3)
        print(f"prepare 2 x 135x168x134 at {spacing} mm in-plane: {taken:.0f} ms")


def phantom() -> None:
    for kind in ("isotropic", "thick", "oblique"):
        taken = best_ms(lambda kind=kind: draw_scan(np.random.default_rng(0), grid=kind), 3)
        print(f"phantom scan, {kind}: {taken / 1000:.2f} s")


def preprocessing(root: Path, folder: Path) -> None:
    dataset = find_scans(load_card("nnunet"), root)
    for run in ("first", "second"):
        start = time.perf_counter()
        outcome = build_dataset(
            dataset,
            folder,
            overrides=PlanOverrides(),
            split=SplitRule(allow_look_alikes=True),  # brains of a made cohort recur
            seed=0,
            workers=None,
            progress=False,
        )
        taken = time.perf_counter() - start
        print(
            f"preprocess, {run} run: {taken:.1f} s for {len(outcome.done)} cases made, "
            f"{len(outcome.skipped)} there, fingerprint and plan included"
        )


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reading(folder)
        reading_by_child(folder)
        slabs(folder)
        preparing()
        phantom()
        if len(sys.argv) > 1:
            preprocessing(Path(sys.argv[1]), folder / "cases")


if __name__ == "__main__":
    main()
