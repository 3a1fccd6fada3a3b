"""What the tests of inference share."""

from __future__ import annotations

import shutil

import nibabel as nib
import numpy as np
import pytest
import torch

from lesionseg.cli import compose
from lesionseg.datasets.phantom.cohort import scan_grid
from lesionseg.inference import save_model
from lesionseg.io import read_volume
from lesionseg.models.registry import Task, build_network
from lesionseg.planning.anchor_plan import planned_settings
from lesionseg.planning.channel_plan import ChannelPlan
from lesionseg.planning.plan import Plan
from lesionseg.structures import OperatingPoint


@pytest.fixture
def scan(tmp_path, request):
    """A scan's file on a phantom grid, with codes and units of its own, and the volume read."""
    grid = scan_grid(getattr(request, "param", "oblique"), np.random.default_rng(1), 0.25)
    image = nib.Nifti1Image(np.zeros(grid.shape, np.int16), grid.affine)
    image.set_qform(grid.affine, code=1)
    image.set_sform(grid.affine, code=4)
    image.header.set_xyzt_units("mm", "sec")
    path = tmp_path / "in" / "scan.nii.gz"
    path.parent.mkdir()
    nib.save(image, path)
    return path, read_volume(path)


@pytest.fixture(scope="session")
def plan():
    """The plan that `saved` was made from."""
    channels = (ChannelPlan("FLAIR", "mri", "zscore"),)
    return Plan(channels, 0.8, context_slices=1, context_distance_mm=2.0)


@pytest.fixture(scope="session")
def saved_once(tmp_path_factory, plan):
    shipped = compose("train", ["output=x"]).network.maskrcnn.plain()
    narrow = {"backbone": "tiny", "pyramid_channels": 8, "box_width": 8, "mask_width": 8}
    settings = planned_settings(shipped | narrow, plan.detector)
    torch.manual_seed(0)
    network = build_network("maskrcnn", settings, Task(1, 3, 1))
    folder = tmp_path_factory.mktemp("saved") / "model"
    save_model(
        folder,
        network,
        name="maskrcnn",
        settings=settings,
        plan=plan,
        points=[OperatingPoint(0.4, 0.7)],
        edges_mm=(3, 5, 10),
        training={"made_from": {"plan": "abc"}, "steps": 7},
    )
    return folder, network


@pytest.fixture
def saved(saved_once, tmp_path):
    """The folder of a model that was saved, which a test may break, and its network."""
    folder, network = saved_once
    return shutil.copytree(folder, tmp_path / "model"), network
