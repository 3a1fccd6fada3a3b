"""Mask R-CNN for small lesions: backbone and pyramid, proposals, box head, mask head."""
