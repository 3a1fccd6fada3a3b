"""The 3D U-Net: losses by hand, weights once in a file, shapes that do not fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lesionseg.errors import UsageError
from lesionseg.models.targets import block_target


def block(lesions=((2, 3, 4, 3),)):
    """Cubes of 8 x 32 x 32: slice, row, column, side."""
    ids = np.zeros((8, 32, 32), np.int32)
    for number, (index, row, column, side) in enumerate(lesions, 1):
        ids[index : index + side, row : row + side, column : column + side] = number
    return ids


def images(num=2):
    return torch.randn(num, 2 * 8, 32, 32, generator=torch.Generator().manual_seed(0))


def test_a_block_s_target_holds_the_class_of_every_voxel_and_no_piece():
    ids = block()
    ids[0, 0, 0] = -1
    target = block_target(ids)
    assert target.semantic.shape == (8, 32, 32)
    assert int((target.semantic == 1).sum()) == 27
    assert bool(target.ignored[0, 0, 0])
    assert target.boxes.shape == (0, 4)


def test_its_loss_is_cross_entropy_and_dice_of_every_level_at_half_the_weight(narrow):
    network, batch = narrow("unet3d"), images()
    targets = [block_target(block()), block_target(block(()))]
    found = network.losses(batch, targets)
    semantic = torch.stack([one.semantic for one in targets])
    levels = network(batch)
    assert levels.shape == (2, 2, 2, 8, 32, 32)  # of four levels, the two finest are supervised
    for level, logits in enumerate(levels.unbind(1)):
        name = f"_{level}" if level else ""
        entropy = F.cross_entropy(logits, semantic)
        assert found[f"cross_entropy{name}"].item() == pytest.approx(
            0.5**level * entropy.item(), rel=1e-4
        )
        lesion = logits.softmax(1)[:, 1]
        dice = (2 * lesion[semantic == 1].sum() + 1) / (lesion.sum() + 27 + 1)
        assert found[f"dice{name}"].item() == pytest.approx(
            0.5**level * (1 - dice.item()), rel=1e-4
        )
    assert len(found) == 4


def test_one_lesion_can_be_learnt(narrow):
    network, batch = narrow("unet3d"), images()
    batch[0, 2:5, 3:6, 4:7] += 6  # the lesion is bright in the first channel
    targets = [block_target(block()), block_target(block(()))]
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(150):
        optimiser.zero_grad()
        torch.stack(list(network.losses(batch, targets).values())).sum().backward()
        optimiser.step()
    found = network.eval().predict(batch)
    truth = targets[0].semantic == 1
    assert found[0].shape == (1, 8, 32, 32)
    assert float(found[0][0][truth].mean()) > 0.8
    assert float(found[1].max()) < 0.5


def test_each_weight_stands_once_in_a_file(narrow):
    network = narrow("unet3d")
    places = [tensor.data_ptr() for tensor in network.state_dict().values()]
    assert len(places) == len(set(places)) == len(list(network.parameters()))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"window_px": 36}, "do not divide its 36 voxels"),
        ({"block_slices": 7}, "do not divide its 7 voxels"),
        ({"channels": [4, 4, 4]}, "4 kernels, 4 strides and 3 channels"),
        ({"strides": [[2, 1, 1]] * 3 + [[1, 1, 1]]}, r"finest level are \[2, 1, 1\]; want 1, 1, 1"),
        ({"kernels": [[3, 3, 3]] * 3 + [[3, 2, 3]]}, "kernel is 2 voxels wide"),
        (
            {"block_slices": 8, "window_px": 8, "strides": [[1, 1, 1]] + [[2, 2, 2]] * 3},
            "leave one voxel of a block",
        ),
    ],
)
def test_blocks_that_do_not_fit_are_refused(narrow, change, said):
    with pytest.raises(UsageError, match=said):
        narrow("unet3d", **change)
