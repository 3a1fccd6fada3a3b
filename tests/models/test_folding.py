"""A network without its batch normalisations answers as with them."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from lesionseg.models.folding import fold_normalisations

NETWORKS = ("unet", "maskrcnn", "fasterrcnn", "detect_then_segment", "fcn")


def moved(network):
    """The network with statistics, factors and shifts that are not those it starts with."""
    generator = torch.Generator().manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            for tensor in (module.running_mean, module.bias.data):
                tensor.copy_(0.3 * torch.randn(tensor.shape, generator=generator))
            for tensor in (module.running_var, module.weight.data):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
    return network.eval()


@pytest.mark.parametrize("fusion", ["stack", "volume"])
@pytest.mark.parametrize("name", NETWORKS)
def test_no_normalisation_is_left_and_answers_agree(narrow, name, fusion):
    more = {"fusion": fusion} if name != "unet" else {}
    if name != "unet" and name != "fcn":
        more["roi_rule"] = {"score_floor": 0.0, "num_detections": 5}
    network = moved(narrow(name, in_channels=3, num_slices=3, **more))
    folded = fold_normalisations(copy.deepcopy(network))
    left = [one for one in folded.modules() if isinstance(one, nn.BatchNorm2d | nn.BatchNorm3d)]
    assert not left
    batch = torch.randn(2, 3, 40, 48, generator=torch.Generator().manual_seed(1))
    for one, other in zip(network.predict(batch), folded.predict(batch)):
        if not network.detects:
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
            continue
        torch.testing.assert_close(one.boxes, other.boxes, atol=1e-3, rtol=1e-4)
        torch.testing.assert_close(one.scores, other.scores, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(one.masks, other.masks, atol=1e-3, rtol=1e-3)


def test_group_normalisations_stay(narrow):
    network = moved(narrow("maskrcnn", norm="group"))
    before = len([one for one in network.modules() if isinstance(one, nn.GroupNorm)])
    folded = fold_normalisations(network)
    assert before == len([one for one in folded.modules() if isinstance(one, nn.GroupNorm)]) > 0
