"""What all tests share."""

from __future__ import annotations

import base64
import copy
import functools
import importlib.util
import os
import shutil

import pytest

# The tests' tensors are tiny: a second thread costs more than it gives. NumPy reads it, too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

NARROW = {
    "unet": {"channels": [8, 12, 16]},
    "unet3d": {"block_slices": 8, "window_px": 32, "channels": [4, 6, 8, 8]},
    "maskrcnn": {"backbone": "tiny", "pyramid_channels": 16, "box_width": 32, "mask_width": 8},
    "fcn": {"backbone": "tiny", "pyramid_channels": 16},
}
NARROW["fasterrcnn"] = NARROW["maskrcnn"]
NARROW["detect_then_segment"] = NARROW["maskrcnn"] | {"crop_width": 8, "crop_convs": 2}


@pytest.fixture(autouse=True, scope="session")
def tiny_backbone():
    """A backbone of few channels for tests, by the name `tiny`."""
    if importlib.util.find_spec("torch") is None:  # the readers are tested without it, too
        return
    from lesionseg.models.mask_rcnn.backbone import SIZES, BackboneSize
    from lesionseg.settings.backbone import BACKBONES

    SIZES["tiny"] = BackboneSize(8, (8, 12, 16, 16), (1, 1, 1, 1))
    BACKBONES.append("tiny")


@pytest.fixture(autouse=True, scope="session")
def few_places_for_anchors():
    """Anchors are fitted on few places, which takes a second less for each cohort; their own tests
    fit them on all."""
    from lesionseg.planning import anchor_fit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anchor_fit, "TRIES", 2000)
        yield


def narrow_settings(name):
    """The shipped settings of a network with few channels: quick, and the same in all else."""
    return copy.deepcopy(_narrow_settings(name))


@functools.cache
def _narrow_settings(name):
    from lesionseg.cli import compose
    from lesionseg.planning.anchor_plan import DetectorPlan, planned_settings
    from lesionseg.planning.block_plan import with_blocks
    from lesionseg.planning.plan import Plan

    shipped = compose("train", ["output=x"]).network.of(name).plain()
    settings = planned_settings(shipped | NARROW[name], DetectorPlan())
    return with_blocks(settings, Plan((), 1.0), 32) if name == "unet3d" else settings


@pytest.fixture
def narrow():
    """Builds a small network by name; keyword arguments replace its settings."""

    def build(name, in_channels=2, seed=0, num_classes=1, num_slices=1, inside=None, **settings):
        import torch

        from lesionseg.models.registry import Task, build_network

        torch.manual_seed(seed)
        wanted = narrow_settings(name)
        for key, value in settings.items():
            wanted[key] = wanted[key] | value if isinstance(value, dict) else value
        task = Task(in_channels // num_slices, num_slices, num_classes, inside)
        return build_network(name, wanted, task)

    return build


# one white pixel
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP6DwABBQECz6AuzQAAAABJRU5ErkJggg=="
)


@pytest.fixture
def undrawn(monkeypatch):
    """A report's plots are made and not drawn, which takes longer than the smallest run."""
    leave_undrawn(monkeypatch)


@pytest.fixture(scope="module")
def undrawn_in_module():
    """The same for what the tests of a module share."""
    with pytest.MonkeyPatch.context() as patch:
        leave_undrawn(patch)
        yield


def leave_undrawn(patch):
    figures = "lesionseg.reporting.page.figures"
    for module in (figures, "lesionseg.stages.training_picture"):
        patch.setattr(f"{module}.as_png", lambda figure: base64.b64decode(PIXEL))
    patch.setattr(f"{figures}.as_data_uri", lambda figure: f"data:image/png;base64,{PIXEL}")


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    from tiny_run import PHANTOM, RUN

    from lesionseg import cli

    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        leave_undrawn(patch)
        assert cli.main(["run", f"output={folder}", *PHANTOM, *RUN]) == 0
    return folder


@pytest.fixture
def dataset(run_folder, tmp_path):
    """A copy of the phantom cohort that a test may break."""
    return shutil.copytree(run_folder / "phantom", tmp_path / "data")


@pytest.fixture
def finished(run_folder, tmp_path):
    """A copy of the whole run, data and trained models in it, that a test may change."""
    return shutil.copytree(run_folder, tmp_path / "copy")
