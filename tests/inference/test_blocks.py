"""A whole case through a 3D network: every voxel is answered for where it stands."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lesionseg.inference.lesion_maps import predict_lesion_maps
from lesionseg.slabs.slab import SlabRule
from lesionseg.structures import Case, Grid


class SaysTheImage(torch.nn.Module):
    """In place of the layers: logits whose softmax is the first channel."""

    def forward(self, images):
        return torch.stack([torch.zeros_like(images[:, 0]), torch.logit(images[:, 0])], 1)


@pytest.fixture
def network(narrow):
    made = narrow("unet3d").eval()
    made.net = SaysTheImage()
    return made


@pytest.mark.parametrize("slab_axis", [0, 1, 2])
@pytest.mark.parametrize("shape", [(40, 35, 37), (5, 6, 7)])
def test_each_voxel_goes_back_where_it_came_from(network, slab_axis, shape):
    rng = np.random.default_rng(0)
    image = rng.uniform(0.1, 0.9, (2, *shape)).astype(np.float16)
    case = Case("a", "a", image, None, np.eye(4), slab_axis, Grid(shape, np.eye(4)), ("c", "d"))
    seen = []
    (found,) = predict_lesion_maps(
        network, case, SlabRule(1, 1.0), torch.device("cpu"), progress=seen.append
    )
    np.testing.assert_allclose(found.probability, image[0], atol=2e-3)
    assert (found.conditional, found.scored_by) == (False, "mean")
    assert sum(seen) == shape[slab_axis]
