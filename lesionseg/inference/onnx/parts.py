"""The parts of a network that compute with weights, each with tensors in and tensors out.

A network that judges pixels is one part. A detector is several, because what joins them (anchors,
non-maximum suppression, RoIAlign) picks boxes by their values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from lesionseg.errors import UsageError
from lesionseg.models.detect_then_segment import DetectThenSegment
from lesionseg.models.fcn import PyramidFCN
from lesionseg.models.interface import Network
from lesionseg.models.mask_rcnn.model import MaskRCNN
from lesionseg.models.semantic import SemanticNetwork
from lesionseg.models.unet import UNetBaseline

NETWORK, BACKBONE, BOX_CODES, BOX_HEAD, MASK_HEAD, SEGMENTER = (
    *("network", "backbone_and_proposals", "box_codes", "box_head", "mask_head"),
    "crop_segmenter",
)
ROIS, ANCHORS = 2, 500  # in an example

# A size that may vary is named: "N" any number, "16*h" any multiple of 16. None: as in the example.
Sizes = tuple[str | None, ...]


@dataclass(frozen=True)
class Example:
    """The size of what a part is tried with. cells: of the coarsest grid, high and wide."""

    images: int = 2
    cells: tuple[int, int] = (3, 4)


@dataclass(frozen=True, eq=False)
class Part:
    """One ONNX file.

    module: takes as many tensors as `example` has and returns one or several. inputs, outputs: by
    name, which sizes may vary.
    """

    module: nn.Module
    example: tuple[Tensor, ...]
    inputs: Mapping[str, Sizes]
    outputs: Mapping[str, Sizes]


TRACED, CHECKED = Example(), Example(images=1, cells=(4, 3))


class Called(nn.Module):
    """A function of tensors as a module. within: the modules whose weights it uses."""

    def __init__(self, function: Callable[..., Any], *within: nn.Module) -> None:
        super().__init__()
        self.function, self.within = function, nn.ModuleList(within)

    def forward(self, *tensors: Tensor) -> Any:
        return self.function(*tensors)


def network_parts(
    network: Network, in_channels: int, generator: Generator, example: Example = TRACED
) -> dict[str, Part]:
    """The parts of one network, by name, in the order of computing.

    in_channels: of a slab. generator: draws the examples. Raises UsageError for a network that has
    none, as a fusion, whose members have.
    """
    stride = coarsest_stride(network)
    images = torch.randn(
        (example.images, in_channels, *(stride * cells for cells in example.cells)),
        generator=generator,
    )
    if isinstance(network, SemanticNetwork):
        return {NETWORK: _pixel_part(network, images)}
    if isinstance(network, MaskRCNN):
        return _detector_parts(network, images, generator)
    if isinstance(network, DetectThenSegment):
        shape = ROIS, in_channels, network.cells, network.cells
        crops = torch.randn(shape, generator=generator)
        sizes: Sizes = ("R", None, None, None)
        segmenter = Part(network.segmenter, (crops,), {"crops": sizes}, {"map_logits": sizes})
        return _detector_parts(network.detector, images, generator) | {SEGMENTER: segmenter}
    raise AssertionError(f"no parts of a {type(network).__name__}")


def coarsest_stride(network: Network) -> int:
    """Of what heights and widths of images have to be multiples."""
    if isinstance(network, DetectThenSegment):
        network = network.detector
    if isinstance(network, UNetBaseline):
        return network.stride
    if isinstance(network, MaskRCNN | PyramidFCN):
        return network.backbone.strides[-1]
    raise UsageError(f"a {type(network).__name__} cannot be exported; want a network of slabs")


def _pixel_part(network: SemanticNetwork, images: Tensor) -> Part:
    sizes = ("N", None, *_grid(coarsest_stride(network)))
    module = Called(lambda images: network.classes.probabilities(network(images)), network)
    return Part(module, (images,), {"images": sizes}, {"probabilities": sizes})


def _detector_parts(network: MaskRCNN, images: Tensor, generator: Generator) -> dict[str, Part]:
    backbone, rpn, heads = network.backbone, network.rpn, network.roi_heads
    with torch.no_grad():
        pyramid = list(backbone(images))
        num_anchors = rpn(pyramid)[0].shape[1]
    levels: dict[str, Sizes] = {
        f"level_{place}": ("N", None, *_grid(backbone.strides[-1] // stride))
        for place, stride in enumerate(backbone.strides)
    }

    def first(images: Tensor) -> tuple[Tensor, ...]:
        found = list(backbone(images))
        return (*found, rpn(found)[0])

    def codes(*tensors: Tensor) -> Tensor:
        *pyramid, image, anchor = tensors
        at: Tensor = rpn(pyramid)[1](image, anchor)
        return at

    anchor = torch.linspace(0, num_anchors - 1, ANCHORS).long()  # of every level
    image = torch.arange(ANCHORS) % len(images)
    parts = {
        BACKBONE: Part(
            Called(first, backbone, rpn),
            (images,),
            {"images": ("N", None, *_grid(backbone.strides[-1]))},
            {**levels, "objectness_logits": ("N", "anchors")},
        ),
        BOX_CODES: Part(
            Called(codes, rpn),
            (*pyramid, image, anchor),
            {**levels, "image": ("K",), "anchor": ("K",)},
            {"codes": ("K", None)},
        ),
        BOX_HEAD: _roi_part(
            heads.box_head,
            _pooled(pyramid[0], heads.box_head.bins, generator),
            {"class_logits": ("R", None), "codes": ("R", None, None)},
        ),
    }
    if heads.mask_head is not None:
        masks: dict[str, Sizes] = {"maps": ("R", None, None, None)}
        pooled = _pooled(pyramid[0], heads.mask_head.bins, generator)
        parts[MASK_HEAD] = _roi_part(heads.mask_head, pooled, masks)
    return parts


def _roi_part(head: nn.Module, pooled: Tensor, outputs: Mapping[str, Sizes]) -> Part:
    return Part(head, (pooled,), {"pooled": ("R", None, None, None)}, outputs)


def _pooled(finest: Tensor, bins: int, generator: Generator) -> Tensor:
    return torch.randn((ROIS, finest.shape[1], bins, bins), generator=generator)


def _grid(factor: int) -> Sequence[str]:
    return [f"{factor}*h", f"{factor}*w"] if factor > 1 else ["h", "w"]
