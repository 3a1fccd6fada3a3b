"""Small networks whose answers vary, and answers held against each other."""

import torch


def lively(network):
    """The network with answers that differ from box to box, as those of a trained one do."""
    generator = torch.Generator().manual_seed(3)
    for name, weight in network.named_parameters():
        if "objectness" in name or "classify" in name or "refine" in name:
            weight.data = torch.randn(weight.shape, generator=generator) / 3
    return network.eval()


def same_detections(found, wanted, tolerance):
    """Every image's boxes, scores, labels and masks."""
    assert len(found) == len(wanted)
    for mine, theirs in zip(found, wanted, strict=True):
        assert torch.equal(mine.labels, theirs.labels)
        for name in ("boxes", "scores", "masks"):
            one, other = getattr(mine, name), getattr(theirs, name)
            torch.testing.assert_close(one, other, atol=tolerance, rtol=0)
