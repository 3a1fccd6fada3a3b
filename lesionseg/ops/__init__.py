"""Tensor functions of the detector: plain torch, every device, no state.

Boxes are float (x1, y1, x2, y2) in pixels, x along W, continuous: pixel i covers [i, i+1).
"""

from lesionseg.ops.assignment import (
    assign_by_atss,
    assign_by_iou,
    assign_by_nwd,
    sample_balanced,
)
from lesionseg.ops.boxes import (
    box_giou,
    box_iou,
    box_nwd,
    clip_boxes,
    decode_boxes,
    encode_boxes,
    masks_to_boxes,
)
from lesionseg.ops.masks import mask_targets, paste_masks
from lesionseg.ops.nms import nms
from lesionseg.ops.roi_align import pyramid_roi_align, roi_align
from lesionseg.ops.roi_pool import pyramid_roi_pool, roi_pool
from lesionseg.ops.roi_resize import pyramid_roi_resize, roi_resize

__all__ = [
    "assign_by_atss",
    "assign_by_iou",
    "assign_by_nwd",
    "box_giou",
    "box_iou",
    "box_nwd",
    "clip_boxes",
    "decode_boxes",
    "encode_boxes",
    "mask_targets",
    "masks_to_boxes",
    "nms",
    "paste_masks",
    "pyramid_roi_align",
    "pyramid_roi_pool",
    "pyramid_roi_resize",
    "roi_align",
    "roi_pool",
    "roi_resize",
    "sample_balanced",
]
