"""Tensor functions of the detector: plain torch, every device, no state.

Boxes are float (x1, y1, x2, y2) in pixels, x along W, continuous: pixel i covers [i, i+1).
"""

from lesionseg.ops.boxes import box_iou, clip_boxes, decode_boxes, encode_boxes, masks_to_boxes
from lesionseg.ops.masks import mask_targets, paste_masks
from lesionseg.ops.nms import nms
from lesionseg.ops.roi_align import pyramid_roi_align, roi_align

__all__ = [
    "box_iou",
    "clip_boxes",
    "decode_boxes",
    "encode_boxes",
    "mask_targets",
    "masks_to_boxes",
    "nms",
    "paste_masks",
    "pyramid_roi_align",
    "roi_align",
]
