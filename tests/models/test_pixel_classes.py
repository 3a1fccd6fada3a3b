"""Classes that compete for a pixel, and regions that do not."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from toy_slices import images, predicted, target, taught

from lesionseg.lesion_kinds import IGNORED, LesionKinds
from lesionseg.models.losses import cross_entropy_term, soft_dice_loss
from lesionseg.models.mask_rcnn.roi_sampling import sample_rois
from lesionseg.models.pixel_classes import PixelClasses, members
from lesionseg.models.targets import slice_target
from lesionseg.settings.mask_rcnn import RoIRule

REGIONS = PixelClasses(3, (0, 1, 2))


def test_a_pixel_belongs_to_the_regions_around_its_own():
    semantic = torch.tensor([[[0, 1, 2, 3, IGNORED]]])
    assert REGIONS.num_maps == 3
    assert REGIONS.truth(semantic)[0, :, 0].int().tolist() == [
        [0, 1, 1, 1, 0],
        [0, 0, 1, 1, 0],
        [0, 0, 0, 1, 0],
    ]
    apart = PixelClasses(3)
    assert apart.num_maps == 4
    assert apart.truth(semantic)[0, :, 0].int().tolist() == [
        [0, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 0, 1, 0],
    ]


def test_which_class_belongs_to_which_is_found_out_once():
    semantic = torch.tensor([[[0, 1, 2, 3]]])
    members.cache_clear()
    for classes in (REGIONS, PixelClasses(3, (0, 1, 2)), PixelClasses(3)):
        for _ in range(3):
            classes.truth(semantic)
    assert members.cache_info().misses == 2


def test_probabilities_of_classes_compete_and_those_of_regions_do_not():
    logits = torch.tensor([0.0, 1, 2, 3])[None, :, None, None]
    whole = sum(math.exp(x) for x in range(4))
    found = PixelClasses(3).probabilities(logits)[0, :, 0, 0].tolist()
    assert found == pytest.approx([math.exp(x) / whole for x in (1, 2, 3)])
    found = REGIONS.probabilities(logits[:, 1:])[0, :, 0, 0].tolist()
    assert found == pytest.approx([1 / (1 + math.exp(-x)) for x in (1, 2, 3)])


def test_losses_by_hand():
    """Three pixels, one of which nobody judged, two regions."""
    logits = torch.tensor([[[[1.0, -2.0, 5.0]], [[0.5, -1.0, 5.0]]]])
    semantic = torch.tensor([[[2, 0, IGNORED]]])
    classes = PixelClasses(2, (0, 1))

    def entropy(x, wanted):
        p = 1 / (1 + math.exp(-x))
        return -math.log(p if wanted else 1 - p)

    parts = [entropy(1, 1), entropy(-2, 0), entropy(0.5, 1), entropy(-1, 0)]
    found = cross_entropy_term(logits, semantic, classes)
    assert float(found.value) == pytest.approx(sum(parts) / 4)
    sigmoid = lambda x: 1 / (1 + math.exp(-x))  # noqa: E731
    dice = [
        1 - (2 * sigmoid(a) + 1) / (sigmoid(a) + sigmoid(b) + 1 + 1)
        for a, b in ((1, -2), (0.5, -1))
    ]
    assert float(soft_dice_loss(logits, semantic, classes)) == pytest.approx(sum(dice) / 2)


def nested():
    ids = torch.zeros(40, 48, dtype=torch.int32).numpy()
    ids[10:22, 10:22], ids[14:18, 14:18] = 1, 2
    return slice_target(ids, LesionKinds(np.array([0, 1, 2]), np.array([0, 0, 1])))


def test_a_core_is_a_part_of_its_whole():
    made = nested()
    assert made.labels.tolist() == [1, 2]
    assert made.boxes.tolist() == [[10, 10, 22, 22], [14, 14, 18, 18]]
    assert made.masks.sum(dim=(1, 2)).tolist() == [144, 16]
    assert int((made.semantic == 2).sum()) == 16


@pytest.mark.parametrize(("name", "steps"), [("unet", 150), ("fcn", 150)])
def test_regions_are_learnt_inside_one_another(narrow, name, steps):
    made, batch = nested(), images(1)
    batch[0, :, 10:22, 10:22] += 2
    batch[0, :, 14:18, 14:18] += 2
    network = taught(narrow(name, num_classes=2, inside=(0, 1)), batch, [made], num_steps=steps)
    (found,) = network.predict(batch)
    assert found.shape == (2, 40, 48)
    for number, mask in enumerate(made.masks):
        drawn = found[number] >= 0.5
        dice = 2 * (drawn & mask).sum() / (drawn.sum() + mask.sum())
        assert float(dice) > 0.8


def test_a_box_for_all_classes_is_the_same_for_each(narrow):
    for box, wanted in (("agnostic", True), ("per_class", False)):
        heads = narrow("maskrcnn", num_classes=3, box=box).roi_heads
        bins = heads.box_head.bins
        channels = heads.box_head.layers[1].in_features // bins**2
        logits, codes = heads.box_head(torch.randn(4, channels, bins, bins))
        assert logits.shape == (4, 4)
        assert codes.shape == (4, 3, 4)
        assert bool((codes[:, 0] == codes[:, 1]).all()) is wanted


@pytest.mark.parametrize("box", ["agnostic", "per_class"])
def test_losses_are_finite_with_either_box(narrow, box):
    network = narrow("maskrcnn", num_classes=2, box=box)
    losses = network.losses(images(1), [target([(5, 5, 4), (20, 20, 6)], labels=[1, 2])])
    assert all(torch.isfinite(value) for value in losses.values())


def test_a_detector_finds_regions_of_one_box_both(narrow):
    """A ring around its core, each as wide as the other: two pieces in the same box."""
    ids = np.zeros((40, 48), np.int32)
    ids[10:22, 10:22] = 2
    ids[13:19, 13:19] = 1
    made = slice_target(ids, LesionKinds(np.array([0, 1, 2]), np.array([0, 0, 1])))
    assert made.boxes.tolist() == [[10, 10, 22, 22]] * 2
    batch = images(1) * 0.3
    batch[0, 0, 10:22, 10:22] += 3
    batch[0, 1, 13:19, 13:19] += 3
    rule = {"positive_iou": 0.4, "negative_iou": 0.2}
    network = narrow("maskrcnn", num_classes=2, inside=(0, 1), proposal_rule=rule)
    (found,) = predicted(taught(network, batch, [made], num_steps=150), batch)
    assert set(found.labels[found.scores >= 0.5]) == {1, 2}


def test_a_roi_that_fits_a_lesion_and_its_core_learns_both():
    made = nested()
    shared = torch.tensor([[11.0, 11, 21, 21]])  # IoU .69 with the lesion, .16 with its core
    both = torch.tensor([[10.0, 10, 22, 22]])
    twice = dataclasses.replace(made, boxes=both.repeat(2, 1))
    rule = RoIRule(num_samples=400, positive_fraction=1.0)
    generator = torch.Generator().manual_seed(0)
    how = {"num_classes": 2, "regions": True}
    found = sample_rois([shared.repeat(50, 1)], [made], rule, generator, **how)
    assert found.labels[0][found.boxes[0][:, 0] == 11].unique().tolist() == [1]
    found = sample_rois([both.repeat(300, 1)], [twice], rule, generator, **how)
    assert found.belongs[0].all()
    assert float((found.labels[0] == 1).float().mean()) == pytest.approx(0.5, abs=0.1)
    nearest = sample_rois([both.repeat(300, 1)], [twice], rule, generator, num_classes=2)
    assert nearest.labels[0].unique().tolist() == [1]
