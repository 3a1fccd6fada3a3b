"""The memory that a training takes at the least, known before any of it is taken.

A network far too wide, or a batch far too large, would else end in the system's kill, after minutes
and without a word.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from lesionseg.models.device import torch_device, training_precision
from lesionseg.models.interface import Network
from lesionseg.models.targets import block_target, slice_target
from lesionseg.models.unet3d import UNet3D
from lesionseg.storage.memory import refuse_settings_beyond_memory

WEIGHT_BYTES = 16  # of a weight: itself, its gradient and two moments of AdamW, 32 bits each
TRIED_PX = (32, 64)  # sides of the windows on which a network is measured
WINDOWS = 2  # in each trial: batch normalisation needs several values of a channel


def refuse_training_beyond_memory(
    build: Callable[[], Network],
    in_channels: int,
    *,
    name: str,
    batch_size: int,
    window_px: int,
    precision: str,
    device: str,
) -> None:
    """Raise UsageError where the network's weights, or what one training step keeps for its
    gradients, are more than most of the memory that is free.

    build: makes the network; its random numbers are given back. in_channels: of a slab, slices
    included; those of a block are the network's own. precision: as in `training_precision`.
    """
    where = torch_device(device)
    free = _free_on_gpu(where) if where.type == "cuda" else None
    with torch.random.fork_rng(devices=[]), torch.device("meta"):  # takes no memory
        weights = sum(weight.numel() for weight in build().parameters())
    refuse_settings_beyond_memory(
        WEIGHT_BYTES * weights,
        f"{name}: training {weights:,} weights",
        f"smaller widths in network.{name}",
        free,
    )
    with torch.random.fork_rng(devices=[]):
        network = build()
        try:
            kept = kept_bytes(network, in_channels, window_px)
        except (RuntimeError, ValueError):  # a network that small windows are too small for
            return
    share = 0.5 if "16" in training_precision(precision, where) else 1.0
    what, mend = "slabs", "a smaller sampling.batch_size or sampling.size, fewer slices"
    if isinstance(network, UNet3D):
        what = f"blocks of {network.block_slices} slices"
        mend = f"a smaller batch_size, window_px or block_slices of network.{name}"
    refuse_settings_beyond_memory(
        int(share * batch_size * kept),
        f"{name}: a step of {batch_size} {what} of {window_px} x {window_px} px and "
        f"{in_channels} channels",
        f"{mend}, or network.{name} narrower",
        free,
    )


def _free_on_gpu(device: torch.device) -> int:
    """What the device has left, and what torch keeps there without using it."""
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0]) + unused


def kept_bytes(network: Network, in_channels: int, window_px: int) -> float:
    """What a 32-bit training step keeps for the gradients of one square window with one lesion.

    Measured on small windows and carried to larger ones: a part grows with the area, another, of
    the RoIs, does not.
    """
    small, large = (_kept(network, in_channels, side) for side in TRIED_PX)
    low, high = (side**2 for side in TRIED_PX)
    by_area = (large - small) / (high - low)
    return max(small + by_area * (window_px**2 - low), 0.0) / WINDOWS


def _kept(network: Network, in_channels: int, side: int) -> int:
    """Bytes that are kept of a step on WINDOWS windows of one side, weights left out."""
    own = {weight.data_ptr() for weight in network.parameters()}
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in own:
            kept[place] = tensor.untyped_storage().nbytes()
        return tensor

    ids = np.zeros((side, side), np.int32)
    ids[side // 2 : side // 2 + 4, side // 2 : side // 2 + 4] = 1
    target = slice_target(ids)
    if isinstance(network, UNet3D):
        in_channels = network.in_channels * network.block_slices
        target = block_target(np.repeat(ids[None], network.block_slices, 0))
    images = torch.randn(WINDOWS, in_channels, side, side)
    network.train()
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        terms = network.losses(images, [target] * WINDOWS, torch.Generator())
    assert terms  # alive until here, so that no storage was given away and counted as another's
    return sum(kept.values())
