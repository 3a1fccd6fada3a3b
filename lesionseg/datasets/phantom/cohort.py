"""The phantom cohort: heads with small lesions as ordinary files, an nnU-Net raw folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from lesionseg import geometry
from lesionseg.datasets.phantom.anatomy import HEAD_MM, draw_anatomy, smooth_noise
from lesionseg.datasets.phantom.lesions import (
    draw_distractors,
    draw_lesions,
    draw_shadows,
    reference_mask,
    render,
)
from lesionseg.datasets.phantom.variants import Variant, mark_cores, with_classes, with_cores
from lesionseg.errors import LesionsegError
from lesionseg.io import write_mask
from lesionseg.io.nifti.file import write_nifti
from lesionseg.settings.data import PhantomSettings
from lesionseg.storage.atomic import write_text
from lesionseg.storage.memory import refuse_settings_beyond_memory
from lesionseg.storage.process_pool import available_cores, case_pool, for_each_case
from lesionseg.storage.provenance import read_record, withdraw
from lesionseg.structures import Grid, Volume
from lesionseg.wording import counted

VERSION = 1  # raise it where the same seed gives other files
CHANNELS = ("FLAIR", "T1")
PARTS = ("Tr", "Ts")
GRIDS = ("isotropic", "isotropic", "oblique", "isotropic", "thick")  # of scans, in turn
CLEAN_EVERY = 8  # one scan in so many has no lesion
NUM_LESIONS = (5, 60)
PLAIN = Variant()
NUM_SHADOWS = 8
SCAN_BYTES = 120  # of a voxel of 1 mm while a scan is drawn, measured at the peak


@dataclass(frozen=True)
class _ScanTask:
    root: Path
    case: str
    part: str  # Tr or Ts
    grid: str
    clean: bool
    seed: tuple[int, ...]
    size: float
    variant: Variant


def write_cohort(
    root: Path,
    settings: PhantomSettings,
    *,
    workers: int | None = 0,
    progress: bool = True,
) -> Path:
    """Write scans, masks and dataset.json below `root`, unless they are there, and return it.

    Every fifth scan is 0.5 x 0.5 x 3 mm, every fifth oblique LAS of 1 x 1 x 1.5 mm, the others are
    1 mm isotropic; one in eight has no lesion. Same settings, same bytes. Raises OutputError
    where it cannot be written, LesionsegError where a scan takes too much memory, and UsageError,
    before any is drawn, where the size alone says that those drawn at a time will.
    """
    root = Path(root)
    variant = Variant(settings.classes, settings.nested, settings.ignored)
    made_by: dict[str, Any] = {"version": VERSION, "seed": settings.seed, "size": settings.size}
    made_by |= {"num_train": settings.num_train, "num_test": settings.num_test}
    made_by |= {
        name: value for name, value in asdict(variant).items() if value != getattr(PLAIN, name)
    }
    if _made_by(root) == made_by:
        return root
    at_a_time = max(1, available_cores() if workers is None else workers)
    refuse_settings_beyond_memory(
        int(at_a_time * SCAN_BYTES * np.prod(HEAD_MM) * settings.size**3),
        f"{counted(at_a_time, 'scan')} of data.phantom.size={settings.size:g} drawn at a time",
        "a smaller data.phantom.size, or fewer workers",
    )
    _withdraw_cohort(root)
    tasks = {}
    for part, count in zip(PARTS, (settings.num_train, settings.num_test)):
        for index in range(count):
            case = f"phantom_{'train' if part == 'Tr' else 'test'}{index:03d}"
            tasks[case] = _ScanTask(
                root=root,
                case=case,
                part=part,
                grid=GRIDS[index % len(GRIDS)],
                clean=index % CLEAN_EVERY == CLEAN_EVERY - 3,
                seed=(settings.seed, part == "Ts", index),
                size=settings.size,
                variant=variant,
            )
    with case_pool(workers) as pool:
        _, failed = for_each_case(pool, _write_scan, tasks, title="phantom", progress=progress)
    if failed:
        raise LesionsegError(f"the phantom cohort cannot be made: {next(iter(failed.values()))}")
    content = {
        "name": "phantom",
        "channel_names": {str(index): name for index, name in enumerate(CHANNELS)},
        **variant.dataset_json,
        "numTraining": settings.num_train,
        "file_ending": ".nii.gz",
        "made_by": made_by,
    }
    write_text(root / "dataset.json", json.dumps(content, indent=1) + "\n")
    return root


def draw_scan(
    rng: np.random.Generator,
    *,
    grid: str = "isotropic",
    clean: bool = False,
    size: float = 1.0,
    variant: Variant = PLAIN,
) -> tuple[NDArray[np.int16], NDArray[np.uint8], Grid]:
    """One scan: image (2, X, Y, Z) int16, FLAIR-like and T1-like; mask uint8, values as the
    variant's dataset.json says; grid. A scan with lesions has one of each class at least."""
    anatomy = draw_anatomy(rng, size)
    place = scan_grid(grid, rng, size)
    low, high = (np.log(count * size**3) for count in NUM_LESIONS)
    count = 0 if clean else max(variant.classes, round(float(np.exp(rng.uniform(low, high)))))
    lesions = draw_lesions(anatomy, count, rng)
    distractors = draw_distractors(anatomy, round(30 * size**3), rng)
    image = geometry.resample_to(anatomy.image, anatomy.affine, place, order=1, fill=4)

    own = rng.spawn(1)[0]  # so that variants differ in nothing but what they add
    values = [1] * len(lesions)
    if variant.classes > 1:
        lesions, values = with_classes(lesions, variant.classes, anatomy, own)
    cores = with_cores(lesions, own) if variant.nested else []
    num_shadows = max(1, round(NUM_SHADOWS * size**3)) if variant.ignored else 0
    shadows = draw_shadows(anatomy, lesions, num_shadows, own)

    image = render([*distractors, *lesions, *shadows], image, place)
    image = _scanned(render(cores, image, place), place, rng)
    marked = [*values, *[variant.ignored_value] * len(shadows)]
    mask = reference_mask([*lesions, *shadows], place, marked)
    return image, mark_cores(mask, cores, place), place


def scan_grid(kind: str, rng: np.random.Generator, size: float = 1.0) -> Grid:
    """A grid over the whole head: "isotropic" 1 mm RAS, "thick" 0.5 x 0.5 x 3 mm LPS, or "oblique"
    1 x 1 x 1.5 mm, LAS turned by some degrees about each axis."""
    steps = {"isotropic": (1, 1, 1), "thick": (0.5, 0.5, 3), "oblique": (1, 1, 1.5)}[kind]
    signs = {"isotropic": (1, 1, 1), "thick": (-1, -1, 1), "oblique": (-1, 1, 1)}[kind]
    x, y, z = (round(round(side * size) / step) for side, step in zip(HEAD_MM, steps))
    affine = np.diag([*np.multiply(steps, signs), 1.0])
    if kind == "oblique":
        degrees = rng.uniform((4, -9, -12), (9, -4, 12))
        turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
        affine[:3, :3] = turn @ affine[:3, :3]
    middle = rng.uniform(-0.4, 0.4, 3) if kind != "isotropic" else np.zeros(3)
    affine[:3, 3] = middle - affine[:3, :3] @ ((np.array([x, y, z]) - 1) / 2)
    return Grid((x, y, z), affine.round(6).astype(np.float64))


def _scanned(image: NDArray[np.float32], grid: Grid, rng: np.random.Generator) -> NDArray[np.int16]:
    """Bias field, gain and Rician noise of the scanner, then whole numbers."""
    out = np.empty(image.shape, np.int16)
    voxel = geometry.voxel_volume(grid.affine)
    for channel in range(2):
        small = tuple(-(-n // 4) for n in grid.shape)
        bias = np.exp(0.07 * smooth_noise(small, 9, rng) + _tilt(small, rng))
        for axis, size in enumerate(grid.shape):
            bias = np.repeat(bias, 4, axis=axis).take(np.arange(size), axis=axis)
        noise = rng.uniform(3.0, 5.0) / voxel**0.25
        real = image[channel] * bias
        real += noise * rng.standard_normal(grid.shape, dtype=np.float32)
        imaginary = noise * rng.standard_normal(grid.shape, dtype=np.float32)
        gain = rng.uniform(2.5, 6)
        out[channel] = np.rint(gain * np.hypot(real, imaginary))
    return out


def _tilt(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    slopes = rng.uniform(-0.09, 0.09, 3)
    axes = np.ogrid[tuple(slice(-1, 1, complex(0, n)) for n in shape)]
    return np.asarray(sum(slope * axis for slope, axis in zip(slopes, axes)))


def _write_scan(task: _ScanTask) -> None:
    rng = np.random.default_rng(task.seed)
    image, mask, grid = draw_scan(
        rng, grid=task.grid, clean=task.clean, size=task.size, variant=task.variant
    )
    for index in range(len(CHANNELS)):
        path = task.root / f"images{task.part}" / f"{task.case}_{index:04d}.nii.gz"
        write_nifti(path, image[index], grid.affine, None)
    path = task.root / f"labels{task.part}" / f"{task.case}.nii.gz"
    write_mask(path, mask, like=Volume(mask, grid.affine))


def _withdraw_cohort(root: Path) -> None:
    """Remove an earlier cohort, whose scans would otherwise stay beside those of this one."""
    scans = (f"{kind}{part}/phantom_*.nii.gz" for kind in ("images", "labels") for part in PARTS)
    withdraw([root / "dataset.json", *(path for scan in scans for path in root.glob(scan))])


def _made_by(root: Path) -> Mapping[str, Any] | None:
    made_by = (read_record(root / "dataset.json") or {}).get("made_by")
    return made_by if isinstance(made_by, dict) else None
