"""A network whose parts run in onnxruntime, while what joins them is the network's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lesionseg.inference.onnx.graphs import require_onnx
from lesionseg.inference.onnx.parts import (
    BACKBONE,
    BOX_CODES,
    BOX_HEAD,
    MASK_HEAD,
    NETWORK,
    SEGMENTER,
    coarsest_stride,
)
from lesionseg.models.blocks import padded
from lesionseg.models.detect_then_segment import DetectThenSegment
from lesionseg.models.interface import Network
from lesionseg.models.mask_rcnn.anchors import pyramid_anchors
from lesionseg.models.mask_rcnn.model import MaskRCNN
from lesionseg.models.semantic import SemanticNetwork

ERRORS = 3  # onnxruntime's level of what it logs

Run = Callable[..., list[Tensor]]


class Pyramid(list[Tensor]):
    """The levels, and the objectness logits (N, A) that were computed with them."""

    objectness: Tensor


def session(source: Path | bytes) -> Run:
    """An ONNX file as a function of tensors, in the order of its inputs, on the CPU.

    It runs on as many threads as torch does. Raises UsageError where onnxruntime is not installed.
    """
    require_onnx()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = ERRORS
    where = str(source) if isinstance(source, Path) else source
    opened = onnxruntime.InferenceSession(where, options, providers=["CPUExecutionProvider"])
    names = [one.name for one in opened.get_inputs()]

    def run(*tensors: Tensor) -> list[Tensor]:
        fed = {name: one.contiguous().numpy() for name, one in zip(names, tensors, strict=True)}
        return [torch.from_numpy(one) for one in opened.run(None, fed)]

    return run


def run_by_sessions(network: Network, runs: Mapping[str, Run]) -> None:
    """Let the parts of a network compute by what `session` made of their files, by part.

    Weights of the network are not read again; it cannot be trained on.
    """
    if isinstance(network, SemanticNetwork):
        _replace(network, "predict", _pixels(runs[NETWORK], coarsest_stride(network)))
    if isinstance(network, DetectThenSegment):
        _replace(network.segmenter, "forward", _of_rois(runs[SEGMENTER]))
        network = network.detector
    if isinstance(network, MaskRCNN):
        rpn, heads = network.rpn, network.roi_heads
        _replace(network.backbone, "forward", _pyramid(runs[BACKBONE]))
        _replace(rpn, "forward", _proposed(runs[BOX_CODES], rpn.levels, rpn.strides))
        _replace(heads.box_head, "forward", _of_rois(runs[BOX_HEAD]))
        if heads.mask_head is not None:
            _replace(heads.mask_head, "forward", _of_rois(runs[MASK_HEAD]))


def _replace(module: nn.Module, name: str, function: Callable[..., Any]) -> None:
    setattr(module, name, function)


def _pixels(run: Run, stride: int) -> Callable[[Tensor], list[Tensor]]:
    def predict(images: Tensor) -> list[Tensor]:
        height, width = images.shape[2:]
        return list(run(padded(images, stride))[0][..., :height, :width])

    return predict


def _pyramid(run: Run) -> Callable[[Tensor], Pyramid]:
    def forward(images: Tensor) -> Pyramid:
        *levels, objectness = run(images)
        pyramid = Pyramid(levels)
        pyramid.objectness = objectness
        return pyramid

    return forward


def _proposed(run: Run, levels: Any, strides: Sequence[int]) -> Callable[[Pyramid], Any]:
    def forward(pyramid: Pyramid) -> Any:
        shapes = [(level.shape[2], level.shape[3]) for level in pyramid]
        anchors = pyramid_anchors(levels, strides, shapes, pyramid[0].device)

        def codes_at(image: Tensor, anchor: Tensor) -> Tensor:
            return run(*pyramid, image, anchor)[0]

        return pyramid.objectness, codes_at, anchors

    return forward


def _of_rois(run: Run) -> Callable[[Tensor], Any]:
    """onnxruntime's Reshape refuses what has no rows: without RoIs one of zeros is computed."""

    def forward(pooled: Tensor) -> Any:
        num = len(pooled)
        rois = pooled if num else pooled.new_zeros((1, *pooled.shape[1:]))
        found = [one[:num] for one in run(rois)]
        return found[0] if len(found) == 1 else tuple(found)

    return forward
