"""One scan through one model, with a network that marks what shines: geometry without learning."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lesionseg import geometry
from lesionseg.datasets.phantom.cohort import scan_grid
from lesionseg.errors import CaseError
from lesionseg.inference import Detections, LoadedModel, predict_case
from lesionseg.planning.channel_plan import ChannelPlan
from lesionseg.planning.plan import Plan
from lesionseg.structures import OperatingPoint, Volume


class Bright(torch.nn.Module):
    """Lesion is what is above 8 in the middle slice of the first channel; sees all of the slab."""

    def __init__(self, detects):
        super().__init__()
        self.detects, self.scored_by = detects, "peak"
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.shapes = set()

    @torch.no_grad()
    def predict(self, images):
        self.shapes.add(tuple(images.shape[1:]))
        middle = (images[:, 1] * self.weight > 8).float()
        if not self.detects:
            return list(middle[:, None])
        return [self._pixels(one.numpy()) for one in middle]

    def _pixels(self, marked):
        """A detection for every pixel that is marked."""
        rows, columns = np.nonzero(marked)
        boxes = np.stack([columns, rows, columns + 1, rows + 1], axis=1).astype(np.float32)
        num = len(boxes)
        scores = np.full(num, 0.9, np.float32)
        masks = np.ones((num, 2, 2), np.float32)
        parts = (boxes, scores, np.ones(num, np.int64), masks)
        return Detections(*map(torch.from_numpy, parts))


def head(grid, seed=0):
    """A noisy ball around the world's origin, air around it, and bright spots of 1 to 8 voxels."""
    index = np.stack(np.indices(grid.shape), axis=-1)
    world = index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    rng = np.random.default_rng(seed)
    inside = np.linalg.norm(world, axis=-1) < 15
    image = np.where(inside, rng.normal(500, 20, grid.shape), 0).astype(np.float32)
    lesions = np.zeros(grid.shape, bool)
    for number, place in enumerate(np.argwhere(inside)[rng.integers(0, inside.sum(), 25)]):
        side = 1 + number % 2
        lesions[tuple(slice(p, p + side) for p in place)] = True
    lesions &= np.linalg.norm(world, axis=-1) < 12
    assert lesions.sum() > 20
    image[lesions] = 2000
    other = np.where(inside, 300 + image / 9, 0).astype(np.float32)
    return Volume(image, grid.affine), Volume(other, grid.affine), lesions


def model(plan_mm, *, detects=False, num_channels=2):
    channels = tuple(ChannelPlan(name, "mri", "zscore") for name in ("FLAIR", "T1")[:num_channels])
    plan = Plan(channels, plan_mm, context_slices=1, context_distance_mm=1.0)
    network = Bright(detects)
    return LoadedModel("stub", network, plan, (OperatingPoint(0.5, 0.5),), (3, 5, 10), "", {})


@pytest.mark.parametrize("detects", [True, False])
@pytest.mark.parametrize("kind", ["isotropic", "thick", "oblique"])
def test_what_the_network_marks_comes_back_on_the_very_voxels(kind, detects):
    grid = scan_grid(kind, np.random.default_rng(0), 0.4)
    flair, t1, lesions = head(grid)
    stub = model(min(geometry.spacing(grid.affine)), detects=detects)
    counted = []
    found = predict_case(stub, [flair, t1], progress=counted.append)
    np.testing.assert_array_equal(found.instances > 0, lesions)
    np.testing.assert_array_equal(found.candidates.ids > 0, lesions)
    assert set(found.scores) == set(np.unique(found.instances[found.instances > 0]).tolist())
    ((channels, height, width),) = stub.network.shapes
    assert channels == 6
    assert 0 < sum(counted) <= max(grid.shape)
    assert max(height, width) < max(grid.shape)  # air was cut away


def test_on_a_finer_plan_every_lesion_comes_back_where_it_was():
    grid = scan_grid("thick", np.random.default_rng(0), 0.4)
    flair, t1, lesions = head(grid)
    found = predict_case(model(0.4), [flair, t1])
    back = found.instances > 0
    assert 2 * (back & lesions).sum() / (back.sum() + lesions.sum()) > 0.8


def test_one_volume_may_come_without_a_list():
    grid = scan_grid("isotropic", np.random.default_rng(0), 0.4)
    flair, _, _ = head(grid)
    stub = model(1.0, num_channels=1)
    found = predict_case(stub, flair)
    assert found.instances.shape == grid.shape
    with pytest.raises(CaseError, match="case p7: got 1 channels, want 2: FLAIR, T1"):
        predict_case(model(1.0), flair, case="p7")


def test_a_scan_in_which_nothing_shines_has_no_lesion():
    grid = scan_grid("isotropic", np.random.default_rng(0), 0.4)
    flair, t1, lesions = head(grid)
    flair.array[lesions] = 500
    for detects in (True, False):
        found = predict_case(model(1.0, detects=detects), [flair, t1])
        assert not found.instances.any()
        assert found.scores == {}
        assert found.probability.shape == grid.shape
