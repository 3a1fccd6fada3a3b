"""A whole case through a 3D network, in blocks that overlap."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from numpy.typing import NDArray
from torch import Tensor

from lesionseg.models.device import flushed_denormals
from lesionseg.models.threads import ThreadChooser
from lesionseg.models.unet3d import UNet3D
from lesionseg.slabs.slab import read_block, slab_shape
from lesionseg.structures import Case

OVERLAP = 0.5  # of neighbouring blocks, along each axis


def block_probabilities(
    model: UNet3D,
    case: Case,
    device: torch.device,
    *,
    threads: ThreadChooser | None = None,
    progress: Callable[[int], object] | None = None,
) -> NDArray[np.float32]:
    """Probability of each class (K, D, H, W), slices first, rows and columns of the case.

    Blocks count most in their middle (a Gaussian), as in nnU-Net. threads, progress: as in
    predict_lesion_maps.
    """
    depth, height, width = slab_shape(case)
    window = model.window_px
    whole = read_block(case, 0, depth).image.reshape(model.in_channels, depth, height, width)
    seen = 0

    def predicted(blocks: Tensor) -> Tensor:
        nonlocal seen
        seen += 1
        with flushed_denormals(), _working(threads, blocks):
            return torch.stack(model.predict(blocks.flatten(1, 2)))

    with torch.no_grad():
        found = sliding_window_inference(
            torch.from_numpy(whole)[None],
            (model.block_slices, window, window),
            1,
            predicted,
            overlap=OVERLAP,
            mode="gaussian",
            padding_mode="replicate",
            sw_device=device,
            device="cpu",
        )
    assert isinstance(found, Tensor)
    if progress:
        progress(depth)
    probabilities: NDArray[np.float32] = found[0].numpy()
    return probabilities


def _working(
    threads: ThreadChooser | None, blocks: Tensor
) -> contextlib.AbstractContextManager[object]:
    return threads.working(blocks[0, 0].numel()) if threads else contextlib.nullcontext()
