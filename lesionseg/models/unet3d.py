"""A 3D U-Net on blocks of slices, after nnU-Net (Isensee et al. 2021)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from monai.networks.nets import DynUNet
from torch import Generator, Tensor

from lesionseg.models.interface import LossTerm
from lesionseg.models.losses import pixel_loss_terms
from lesionseg.models.pixel_classes import PixelClasses
from lesionseg.models.semantic import SemanticNetwork
from lesionseg.models.targets import Target

Steps = Sequence[Sequence[int]]  # of each level: along slices, rows and columns


class UNet3D(SemanticNetwork):
    """MONAI's DynUNet with instance normalisation and deep supervision.

    images: (N, in_channels * block_slices, window_px, window_px) float; targets are of blocks.
    kernels, strides: of each level, finest first. Raises ValueError where strides do not divide a
    block or leave one voxel of it, the finest level has a stride, or a kernel is even.
    """

    def __init__(
        self,
        in_channels: int,
        classes: PixelClasses,
        *,
        block_slices: int,
        window_px: int,
        kernels: Steps,
        strides: Steps,
        channels: Sequence[int],
        loss: str,
        scored_by: str,
    ) -> None:
        super().__init__(loss=loss, classes=classes, scored_by=scored_by)
        if not len(kernels) == len(strides) == len(channels):
            raise ValueError(
                f"{len(kernels)} kernels, {len(strides)} strides and {len(channels)} channels; "
                "want one of each a level"
            )
        shape = (block_slices, window_px, window_px)
        for size, steps in zip(shape, zip(*strides)):
            if size % math.prod(steps):
                raise ValueError(f"strides {steps} along an axis do not divide its {size} voxels")
        if max(strides[0]) > 1:
            raise ValueError(f"strides of the finest level are {list(strides[0])}; want 1, 1, 1")
        if math.prod(shape) == math.prod(itertools.chain(*strides)):
            raise ValueError(
                "the strides leave one voxel of a block; want fewer, or a larger block"
            )
        if even := [size for size in itertools.chain(*kernels) if size % 2 == 0]:
            raise ValueError(f"a kernel is {even[0]} voxels wide; want an odd number")
        self.in_channels, self.block_slices, self.window_px = in_channels, block_slices, window_px
        self.num_supervised = max(len(channels) - 3, 0)
        self.net = DynUNet(
            spatial_dims=3,
            in_channels=in_channels,
            out_channels=classes.num_maps,
            kernel_size=kernels,
            strides=strides,
            upsample_kernel_size=strides[1:],
            filters=list(channels),
            deep_supervision=self.num_supervised > 0,
            deep_supr_num=max(self.num_supervised, 1),
        )
        # its way through the levels holds the very same layers again; a file keeps each once
        object.__setattr__(self.net, "skip_layers", self.net._modules.pop("skip_layers"))

    def forward(self, images: Tensor) -> Tensor:
        """(N, C * D, H, W) -> logits (N, num_maps, D, H, W), in training (N, 1 + num_supervised,
        num_maps, D, H, W), finest first."""
        logits: Tensor = self.net(images.unflatten(1, (self.in_channels, -1)))
        return logits

    def loss_terms(
        self, images: Tensor, targets: Sequence[Target], generator: Generator | None = None
    ) -> dict[str, LossTerm]:
        """The terms of `loss` of the finest level, and in training those of each coarser one, at
        half the weight of the one before it."""
        logits = self(images).float()
        levels = logits.unbind(1) if self.training and self.num_supervised else (logits,)
        terms: dict[str, LossTerm] = {}
        for level, found in enumerate(levels):
            for name, term in pixel_loss_terms(found, targets, self.loss, self.classes).items():
                terms[f"{name}_{level}" if level else name] = weighted(term, 0.5**level)
        return terms

    @torch.no_grad()
    def predict(self, images: Tensor) -> list[Tensor]:
        """Probability of each class (K, D, H, W) float32 of each block, the network in evaluation
        mode."""
        return list(self.classes.probabilities(self(images)))


def weighted(term: LossTerm, weight: float) -> LossTerm:
    """The term times a number."""

    def again(other: Tensor) -> LossTerm:
        return weighted(term.again(other), weight)

    each = None if term.per_element is None else term.per_element * weight
    return LossTerm(term.value * weight, term.output, each, term.kind, again)
