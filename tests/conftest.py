"""What all tests share."""

from __future__ import annotations

import os
from importlib import resources

import pytest
import yaml

# The tests' tensors are tiny: a second thread costs more than it gives.
os.environ.setdefault("OMP_NUM_THREADS", "1")

NARROW = {
    "unet": {"channels": [8, 12, 16]},
    "maskrcnn": {
        "widths": [8, 12, 16, 16],
        "pyramid_channels": 16,
        "box_width": 32,
        "mask_width": 8,
    },
}


def narrow_settings(name):
    """The shipped settings of a network with few channels: quick, and the same in all else."""
    text = resources.files("lesionseg.conf").joinpath(f"network/{name}.yaml").read_text()
    return yaml.safe_load(text) | NARROW[name]


@pytest.fixture
def narrow():
    """Builds a small network by name; keyword arguments replace its settings."""

    def build(name, in_channels=2, seed=0, **settings):
        import torch

        from lesionseg.models.build import build_model

        torch.manual_seed(seed)
        wanted = narrow_settings(name)
        for key, value in settings.items():
            wanted[key] = wanted[key] | value if isinstance(value, dict) else value
        return build_model(name, wanted, in_channels=in_channels, num_classes=1)

    return build
