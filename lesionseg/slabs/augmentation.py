"""One augmentation for both models: space first, image and lesion ids together, then intensity."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from lesionseg.settings.augmentation import AugmentationRule

Image = NDArray[np.float32]
Ids = NDArray[np.int32]


def augment(
    image: Image,
    ids: Ids,
    size: int,
    num_slices: int,
    rule: AugmentationRule,
    rng: np.random.Generator,
) -> tuple[Image, Ids]:
    """Cut the central size x size window after moving it in space, then vary the intensities.

    image: (channels * num_slices, h, w) float32, h and w at least size; ids: (..., h, w) int32.
    Image values are interpolated linearly, ids are those of the nearest pixel.
    """
    if rng.random() < rule.spatial:
        image, ids = _rotate_and_scale(image, ids, size, rule, rng)
    else:
        image, ids = _centre(image, size), _centre(ids, size)
    for axis in (-1, -2):
        if rng.random() < rule.flip:
            image, ids = np.flip(image, axis), np.flip(ids, axis)
    if rng.random() < rule.intensity:
        image = _vary_intensity(image, num_slices, rule, rng)
    return np.ascontiguousarray(image), np.ascontiguousarray(ids)


def _centre(array: NDArray, size: int) -> NDArray:
    row, column = ((n - size) // 2 for n in array.shape[-2:])
    return array[..., row : row + size, column : column + size]


def _rotate_and_scale(
    image: Image, ids: Ids, size: int, rule: AugmentationRule, rng: np.random.Generator
) -> tuple[Image, Ids]:
    angle = np.deg2rad(rng.uniform(-rule.rotation_degrees, rule.rotation_degrees))
    zoom = rule.scale ** rng.uniform(-1, 1)
    height, width = ids.shape[-2:]
    offset = np.arange(size) - (size - 1) / 2
    y, x = np.meshgrid(offset, offset, indexing="ij")
    source_x = (np.cos(angle) * x - np.sin(angle) * y) * zoom
    source_y = (np.sin(angle) * x + np.cos(angle) * y) * zoom
    # grid_sample's unit square spans the outer edges of the read window
    grid = np.stack([source_x * 2 / width, source_y * 2 / height], axis=-1)
    points = torch.from_numpy(grid[None].astype(np.float32))
    moved = F.grid_sample(
        torch.from_numpy(image[None]), points, padding_mode="border", align_corners=False
    )
    row = np.rint(source_y + (height - 1) / 2).astype(int)
    column = np.rint(source_x + (width - 1) / 2).astype(int)
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    taken = ids[..., row.clip(0, height - 1), column.clip(0, width - 1)]
    return moved[0].numpy(), np.where(inside, taken, 0).astype(np.int32)


def _vary_intensity(
    image: Image, num_slices: int, rule: AugmentationRule, rng: np.random.Generator
) -> Image:
    channels = image.reshape(-1, num_slices, *image.shape[1:]).copy()
    for channel in channels:  # all slices of a channel share one draw
        low, high = float(channel.min()), float(channel.max())
        if high > low and rng.random() < 0.5:
            gamma = np.exp(rng.uniform(-rule.gamma, rule.gamma))
            channel[:] = ((channel - low) / (high - low)) ** gamma * (high - low) + low
        channel *= 1 + rng.uniform(-rule.gain, rule.gain)
        channel += rng.uniform(-rule.shift, rule.shift)
        if rng.random() < 0.5:
            sigma = rng.uniform(0, rule.noise)
            channel += sigma * rng.standard_normal(channel.shape, dtype=np.float32)
    return channels.reshape(image.shape)
