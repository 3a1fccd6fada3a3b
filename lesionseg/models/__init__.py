"""The networks. Each has `losses(images, targets)` and `predict(images)`, and never sees a file."""
