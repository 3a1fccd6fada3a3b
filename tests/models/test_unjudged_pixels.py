"""What nobody judged adds nothing to any loss, whatever a network says there."""

from __future__ import annotations

import pytest
import torch
from toy_slices import images, target

from lesionseg.lesion_kinds import IGNORED
from lesionseg.models.blocks import padded
from lesionseg.models.losses import LOSSES
from lesionseg.models.mask_rcnn.mask_losses import judged_cells, mask_loss_term
from lesionseg.models.targets import slice_target
from lesionseg.ops.assignment import IGNORED as NEITHER
from lesionseg.ops.assignment import NEGATIVE, ignore_covered
from lesionseg.ops.boxes import pad_boxes

PLACE = (slice(20, 29), slice(30, 41))


def value(term):
    return float(term.value.detach())


def unjudged(num_classes=1):
    """A slice with two lesions, one of them beside a large part that nobody judged."""
    made = target([(5, 5, 4), (22, 26, 4)], labels=[1, num_classes])
    semantic = made.semantic.clone()
    semantic[PLACE] = IGNORED
    return type(made)(made.boxes, made.labels, made.masks, semantic, made.lesion_ids)


@pytest.mark.parametrize(("num_classes", "inside"), [(1, None), (3, None), (2, (0, 1))])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *(("unet", {"loss": loss}) for loss in LOSSES),
        ("fcn", {}),
    ],
)
def test_what_a_pixel_network_says_there_changes_no_loss(
    narrow, name, settings, num_classes, inside
):
    network = narrow(name, num_classes=num_classes, inside=inside, **settings)
    made = unjudged(num_classes)
    for term in network.loss_terms(images(1), [made]).values():
        moved = term.output.detach().clone()
        moved[0, :, PLACE[0], PLACE[1]] = 20 * torch.randn(moved[0, :, PLACE[0], PLACE[1]].shape)
        assert not torch.equal(moved, term.output)
        assert value(term.again(moved)) == pytest.approx(value(term), abs=1e-7)
        judged = moved.clone()
        judged[0, :, 5:9, 5:9] += torch.arange(float(moved.shape[1]))[:, None, None] + 1
        assert value(term.again(judged)) != pytest.approx(value(term), abs=1e-7)


@pytest.mark.parametrize("name", ["maskrcnn", "fasterrcnn", "detect_then_segment"])
def test_what_a_detector_says_there_changes_no_loss(narrow, name):
    """Objectness of anchors, classes of RoIs and the dense pixels that lie on it."""
    network, made = narrow(name), unjudged()
    detector = getattr(network, "detector", network)
    terms = network.loss_terms(images(1), [made], torch.Generator().manual_seed(0))
    _, _, anchors = detector.rpn(
        detector.backbone(padded(images(1), detector.backbone.strides[-1]))
    )
    x1, y1, x2, y2 = anchors.boxes.unbind(1)
    there = (x1 >= 31) & (y1 >= 21) & (x2 <= 40) & (y2 <= 28)
    assert there.any()
    objectness = terms["rpn_objectness"]
    (matched,) = objectness.matches
    there &= matched < 0
    moved = objectness.output.detach().clone()
    moved[0, there] = 9
    found = value(objectness.again(moved))
    assert found == pytest.approx(value(objectness), abs=1e-7)
    dense = terms["dense"]
    moved = dense.output.detach().clone()
    moved[0, :, PLACE[0], PLACE[1]] = 9
    assert value(dense.again(moved)) == pytest.approx(value(dense), abs=1e-7)


def test_a_candidate_that_lies_mostly_on_it_is_no_negative():
    ignored = torch.zeros(10, 10, dtype=torch.bool)
    ignored[:, 5:] = True
    boxes = torch.tensor([[4.0, 0, 8, 4], [2, 0, 6, 4], [6, 6, 9, 9], [0, 0, 3, 3]])
    matches = torch.tensor([NEGATIVE, NEGATIVE, 0, NEGATIVE])
    found = ignore_covered(matches, boxes, ignored)
    assert found.tolist() == [NEITHER, NEGATIVE, 0, NEGATIVE]
    assert ignore_covered(matches, boxes, ignored & False) is matches


@pytest.mark.parametrize("mask_loss", ["sigmoid", "softmax", "mse", "bce_dice"])
def test_mask_cells_on_it_count_nothing(mask_loss):
    made = unjudged()
    boxes = [pad_boxes(made.boxes, 1.0)]
    used = judged_cells([made], boxes, 6)
    assert used[0].all()
    assert not used[1, :, 5:].any()  # the right side of the second lesion's box
    generator = torch.Generator().manual_seed(1)
    maps = torch.randn(2, 1 + (mask_loss == "softmax"), 6, 6, generator=generator)
    wanted = torch.rand(2, 6, 6, generator=generator)
    other = torch.where(used[:, None], maps, 7 * torch.randn(maps.shape, generator=generator))
    arguments = (made.labels, wanted, mask_loss, [torch.arange(2)], used)
    values = [float(mask_loss_term(one, *arguments).value) for one in (maps, other)]
    assert values[0] == pytest.approx(values[1], abs=1e-7)


def test_where_all_is_judged_nothing_is_asked():
    made = target([(5, 5, 4)])
    assert judged_cells([made], [made.boxes], 6) is None


def test_the_target_says_where_nobody_judged():
    import numpy as np

    made = slice_target(np.array([[0, 1, IGNORED]], np.int32))
    assert made.ignored.tolist() == [[False, False, True]]
    assert made.semantic.tolist() == [[0, 1, IGNORED]]
    assert len(made.boxes) == 1


def test_a_slice_of_which_nothing_is_judged_has_finite_losses(narrow):
    nothing = target([])
    semantic = torch.full_like(nothing.semantic, IGNORED)
    made = type(nothing)(nothing.boxes, nothing.labels, nothing.masks, semantic, nothing.lesion_ids)
    for name in ("unet", "maskrcnn"):
        losses = narrow(name).losses(images(1), [made], torch.Generator().manual_seed(0))
        assert all(torch.isfinite(value) for value in losses.values())
