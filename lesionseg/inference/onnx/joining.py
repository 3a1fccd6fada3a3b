"""What joins the parts of a network into an answer, as plain data for somebody else's program."""

from __future__ import annotations

from typing import Any

from lesionseg.inference.onnx.parts import coarsest_stride
from lesionseg.models.detect_then_segment import DetectThenSegment
from lesionseg.models.fusion import Fusion
from lesionseg.models.interface import Network
from lesionseg.models.mask_rcnn import roi_heads, rpn
from lesionseg.models.mask_rcnn.mask_head import MASK_MARGIN_PX
from lesionseg.models.mask_rcnn.model import MaskRCNN
from lesionseg.models.semantic import SemanticNetwork


def joining_rules(network: Network) -> dict[str, Any]:
    """Numbers that the files of a network do not hold: strides, anchors, thresholds, bins.

    images_multiple_of: images are padded to it by repeating their last rows and columns; what was
    padded is cut off the answer.
    """
    if isinstance(network, Fusion):
        rules = {"outline_mm": network.outline_mm, "outline_threshold": network.outline_threshold}
        members = {name: joining_rules(one) for name, one in members_of(network).items()}
        return {"kind": "fusion", **rules, "members": members}
    multiple = {"images_multiple_of": coarsest_stride(network)}
    if isinstance(network, SemanticNetwork):
        return {"kind": "pixels", **multiple, "lesions_scored_by": network.scored_by}
    if isinstance(network, DetectThenSegment):
        crops = {"crop_cells": network.cells, "crop_margin_px": network.margin_px}
        return joining_rules(network.detector) | {"kind": "detector_and_crops", **crops}
    assert isinstance(network, MaskRCNN)
    return {"kind": "detector", **multiple, **_detector(network)}


def members_of(network: Network) -> dict[str, Network]:
    """The networks that a fusion joins, by name; of another, itself, by an empty name."""
    if not isinstance(network, Fusion):
        return {"": network}
    return {str(name): one for name, one in network.members.items() if isinstance(one, Network)}


def _detector(network: MaskRCNN) -> dict[str, Any]:
    heads, mask_head = network.roi_heads, network.roi_heads.mask_head
    mask = mask_head and {
        "bins": mask_head.bins,
        "margin_px": MASK_MARGIN_PX,
        "maps_are": mask_head.loss,
        "agnostic": mask_head.agnostic,
    }
    return {
        "strides": list(network.rpn.strides),
        # of each level, width and height in pixels, and rows (and columns) of anchors in a cell
        "anchors": network.rpn.levels,
        "proposals": {"code_weights": list(rpn.CODE_WEIGHTS), **network.rpn.rule.plain()},
        "rois": {
            "code_weights": list(roi_heads.CODE_WEIGHTS),
            "op": heads.pooler.op,
            "regions": heads.regions,
            **heads.rule.plain(),
        },
        "box_head": {"bins": heads.box_head.bins, "context_px": heads.box_head.context_px},
        "mask_head": mask,
    }
