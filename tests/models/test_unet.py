"""The U-Net baseline: its losses by hand, any image size, and nothing to find."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lesionseg.errors import UsageError
from lesionseg.models.losses import LOSSES, soft_dice_loss
from lesionseg.models.pixel_classes import PixelClasses
from lesionseg.models.registry import Task, build_network
from lesionseg.models.targets import slice_target

ONE = PixelClasses(1)


def target(shape=(20, 24), lesions=((3, 4, 2),)):
    """Square lesions: row, column, side."""
    ids = np.zeros(shape, np.int32)
    for number, (row, column, side) in enumerate(lesions, 1):
        ids[row : row + side, column : column + side] = number
    return slice_target(ids)


def images(num=2, shape=(20, 24), seed=0):
    return torch.randn(num, 2, *shape, generator=torch.Generator().manual_seed(seed))


def test_cross_entropy_is_the_mean_over_every_pixel_alike(narrow):
    network, batch = narrow("unet", loss="cross_entropy"), images()
    targets = [target(), target(lesions=())]
    found = network.losses(batch, targets)
    logits = network(batch).detach().double().numpy()
    share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    picked = [
        share[n, int(t.semantic[i, j]), i, j]
        for n, t in enumerate(targets)
        for i in range(20)
        for j in range(24)
    ]
    assert list(found) == ["cross_entropy"]
    assert found["cross_entropy"].item() == pytest.approx(-np.log(picked).mean(), rel=1e-5)


def test_dice_is_that_of_all_lesion_pixels_of_the_batch():
    logits = torch.randn(2, 2, 5, 6, generator=torch.Generator().manual_seed(1))
    semantic = torch.zeros(2, 5, 6, dtype=torch.long)
    semantic[0, 1:3, 2:5] = 1
    overlap = predicted = 0.0
    for n in range(2):
        for i in range(5):
            for j in range(6):
                z = logits[n, :, i, j].double().numpy()
                lesion = np.exp(z[1]) / np.exp(z).sum()
                overlap += lesion * int(semantic[n, i, j])
                predicted += lesion
    expected = 1 - (2 * overlap + 1) / (predicted + 6 + 1)
    assert float(soft_dice_loss(logits, semantic, ONE)) == pytest.approx(expected, rel=1e-5)


TERMS = {
    "cross_entropy": ("cross_entropy",),
    "weighted_cross_entropy": ("cross_entropy",),
    "focal": ("focal",),
    "dice_cross_entropy": ("cross_entropy", "dice"),
    "focal_tversky": ("tversky",),
    "blob": ("cross_entropy", "dice", "blob"),
    "component_dice": ("cross_entropy", "dice", "component_dice"),
    "catmil": ("cross_entropy", "dice", "component_tversky", "lesion_peak"),
}


def test_dice_is_small_for_a_perfect_answer_and_for_nothing_found_where_nothing_is():
    semantic = torch.zeros(1, 6, 6, dtype=torch.long)
    nothing = torch.tensor([9.0, -9.0]).view(1, 2, 1, 1).expand(1, 2, 6, 6)
    assert float(soft_dice_loss(nothing, semantic, ONE)) < 1e-4
    semantic[0, 2:4, 2:4] = 1
    sign = torch.where(semantic[0] > 0, -1.0, 1.0)
    assert float(soft_dice_loss(torch.stack([9 * sign, -9 * sign])[None], semantic, ONE)) < 1e-4
    assert float(soft_dice_loss(nothing, semantic, ONE)) > 0.75


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("lesions", [(), ((0, 0, 1),), ((2, 2, 9), (14, 20, 1))])
def test_losses_are_finite_and_every_weight_has_a_gradient(narrow, loss, lesions):
    network = narrow("unet", loss=loss)
    terms = network.losses(images(), [target(lesions=lesions), target(lesions=())])
    assert tuple(terms) == TERMS[loss]
    sum(terms.values()).backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
    assert any(weight.grad.any() for weight in network.parameters())


@pytest.mark.parametrize("shape", [(33, 41), (7, 5), (1, 3), (24, 20)])
def test_any_image_size_gives_a_probability_a_pixel(narrow, shape):
    network = narrow("unet").eval()
    found = network.predict(images(3, shape))
    assert [p.shape for p in found] == [torch.Size((1, *shape))] * 3
    assert all(p.dtype == torch.float32 and 0 <= p.min() <= p.max() <= 1 for p in found)


def test_padding_replicates_the_last_row_and_column(narrow):
    network, odd = narrow("unet").eval(), images(1, (13, 18))
    padded = torch.nn.functional.pad(odd, (0, 2, 0, 3), mode="replicate")
    torch.testing.assert_close(network(odd), network(padded)[..., :13, :18])


def test_a_probability_is_what_background_leaves(narrow):
    network, batch = narrow("unet").eval(), images()
    with torch.no_grad():
        background = network(batch).softmax(dim=1)[:, 0]
    torch.testing.assert_close(torch.cat(network.predict(batch)), 1 - background)


def test_an_answer_does_not_depend_on_the_batch_it_came_in(narrow):
    network, batch = narrow("unet"), images(4)
    network.losses(batch, [target()] * 4)  # moves the running means away from where they start
    network.eval()
    alone = network.predict(batch[:1])[0]
    torch.testing.assert_close(network.predict(batch)[0], alone, atol=1e-5, rtol=1e-4)


def test_unknown_names_are_refused_with_what_is_known():
    settings = {"channels": [8, 8], "residual_units": 1, "norm": "batch", "loss": "cross_entropy"}
    settings["scored_by"] = "peak"
    with pytest.raises(UsageError, match="'resnet' is not known; known: unet, unet3d, maskrcnn"):
        build_network("resnet", settings, Task(1, 1, 1))
    with pytest.raises(UsageError, match=r"no setting 'depth'.*channels"):
        build_network("unet", settings | {"depth": 3}, Task(1, 1, 1))
    with pytest.raises(UsageError, match="loss is 'hinge', known: cross_entropy"):
        build_network("unet", settings | {"loss": "hinge"}, Task(1, 1, 1))
    with pytest.raises(UsageError, match="'NONE'"):
        build_network("unet", settings | {"norm": "none"}, Task(1, 1, 1))
    del settings["channels"]
    with pytest.raises(UsageError, match="channels"):
        build_network("unet", settings, Task(1, 1, 1))
