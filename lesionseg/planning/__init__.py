"""From the training scans to a plan: spacing, anchors, and an audit of each lesion's way."""
