"""Masks that do not say plainly what is lesion, or lie elsewhere than their scan."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from bad_input_rows import ACCEPTED, AFFINE, FIXED, REJECTED, VOXELS, Row, save

from lesionseg.datasets.dataset import MaskLabels
from lesionseg.io import read_volume
from lesionseg.io.reading import STRICT
from lesionseg.lesion_classes import named_classes
from lesionseg.reading.masks_on_grid import read_lesions

MASK = (VOXELS > 90).astype(np.uint8)
IDS = np.zeros((40, 40, 40), np.int32)  # 400 lesions of one voxel, none beside another
IDS[::4, ::4, ::10] = np.arange(1, 401).reshape(10, 10, 4)


def as_lesions(path, *, labels=(1,), instances=False, **rule):
    """Lesions of a mask beside its scan, as preprocessing reads them: where they are, and notes."""
    image = path.with_name("image.nii.gz")
    rule = dataclasses.replace(STRICT, **rule)
    known = MaskLabels(frozenset(labels), named_classes({"lesion": labels}), instances)
    grid = read_volume(image).grid
    ids, _, _, notes = read_lesions(path, known, "case7", rule, grid)
    return (ids if instances else ids > 0), notes


def beside(mask, affine=AFFINE, image=VOXELS):
    def build(folder):
        save(folder / "image.nii.gz", image)
        return save(folder / "mask.nii.gz", mask, affine)

    return build


def moved(by):
    affine = AFFINE.copy()
    affine[0, 3] += by
    return affine


def row(name, mask, outcome, words=(), *, affine=AFFINE, expected=MASK > 0, image=VOXELS, **how):
    use = functools.partial(as_lesions, **how)
    return Row(name, beside(mask, affine, image), outcome, words, use, expected)


def with_value(value, dtype=np.float32):
    mask = MASK.astype(dtype)
    mask[0, 0, 0] = value
    return mask


SOFT = np.where(MASK, np.float32(0.7), np.float32(0.2))
SHIFTED = np.zeros_like(MASK)
SHIFTED[2:] = MASK[:-2]

ROWS = [
    row(
        "a mask with one fraction",
        with_value(0.5),
        REJECTED,
        ("non-integer value 0.5", "data.mask_threshold=0.5"),
    ),
    row(
        "a mask of probabilities", SOFT, REJECTED, ("away from integers", "data.mask_threshold=0.5")
    ),
    row("a mask of probabilities, threshold given", SOFT, ACCEPTED, mask_threshold=0.5),
    row(
        "a mask of per cents, threshold 0.5 given",
        SOFT * 100 + np.float32(0.25),
        REJECTED,
        ("values from 20.25 to 70.25, no probabilities from 0 to 1",),
        mask_threshold=0.5,
    ),
    row(
        "labels with a fraction between them, threshold given",
        with_value(1.5),
        REJECTED,
        ("values from 0 to 1.5, no probabilities",),
        mask_threshold=0.5,
    ),
    row("a mask of floats 0.0005 off", MASK + np.float32(5e-4), ACCEPTED),
    row(
        "a mask with a NaN", with_value(np.nan), REJECTED, ("not finite (NaN or infinite, 0.48 %)",)
    ),
    row("a mask with an infinite voxel", with_value(np.inf), REJECTED, ("not finite",)),
    row(
        "a mask with unknown labels",
        with_value(7, np.int16),
        REJECTED,
        ("unknown labels 7; want 0, 1",),
    ),
    row("a mask with a negative label", with_value(-1, np.int16), REJECTED, ("unknown labels -1",)),
    row("a mask of 0 and 255", MASK * np.uint8(255), ACCEPTED),
    row("a mask of 0, 1 and 255", with_value(255, np.uint8), REJECTED, ("unknown labels 255",)),
    row(
        "a mask with value 10^12",
        with_value(10**12, np.int64),
        REJECTED,
        ("values from 0 to", "want 0 to 2147483647"),
    ),
    row(
        "a mask of 400 lesion ids",
        IDS,
        ACCEPTED,
        expected=IDS,
        image=np.zeros(IDS.shape, np.int16),
        instances=True,
    ),
    row(
        "400 lesion ids, taken for labels",
        IDS,
        REJECTED,
        ("unknown labels 2, 3, 4, 5, 6, 7, 8, 9 and 391 more",),
        image=np.zeros(IDS.shape, np.int16),
    ),
    row("an empty mask", MASK * 0, ACCEPTED, expected=MASK < 0),
    row(
        "a mask 0.004 mm beside its scan",
        MASK,
        FIXED,
        ("mask grid is 0.004 mm off by rounding; mended",),
        affine=moved(0.004),
    ),
    row(
        "a mask 7 mm beside its scan",
        MASK,
        REJECTED,
        ("mask grid differs", "up to 7 mm apart, at most 0.005 allowed", "data.fix_grid=true"),
        affine=moved(7),
    ),
    row(
        "a mask 1 mm beside its scan, resampled when asked",
        MASK,
        FIXED,
        ("mask carried to the scan's grid lesion by lesion, its corners were up to 1 mm away",),
        affine=moved(1),
        expected=SHIFTED > 0,
        fix_grid=True,
    ),
    row(
        "a mask of another shape",
        MASK[:-1],
        REJECTED,
        ("mask grid differs: got 4x6x7 voxels", "want 5x6x7"),
    ),
]
