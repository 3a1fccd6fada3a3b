"""A fusion, as small as it may be, as a model folder and exported."""

from __future__ import annotations

import pytest
import torch
from onnx_networks import lively

from lesionseg import cli
from lesionseg.inference import load_model, save_model
from lesionseg.models.registry import Task, build_network
from lesionseg.planning.anchor_plan import planned_settings
from lesionseg.structures import OperatingPoint

TINY = {"backbone": "tiny", "pyramid_channels": 8, "box_width": 8, "mask_width": 8}


@pytest.fixture(scope="session")
def fusion_folder(tmp_path_factory, plan):
    """A fusion's model folder."""
    shipped = cli.compose("train", ["output=x"]).network
    settings = shipped.of("fusion").plain() | {"outline_mm": 3.0, "outline_threshold": 0.4}
    settings["unet"]["channels"] = [8, 12, 16]
    detector = planned_settings(shipped.maskrcnn.plain() | TINY, plan.detector)
    detector["roi_rule"]["score_floor"] = 0.05
    settings["maskrcnn"] = detector
    torch.manual_seed(0)
    network = lively(build_network("fusion", settings, Task(1, 3, 1)))
    folder = tmp_path_factory.mktemp("fusion") / "fusion"
    point, training = OperatingPoint(0.4, 0.1), {"made_from": {"plan": "abc"}}
    how = {"name": "fusion", "settings": settings, "plan": plan, "points": [point]}
    save_model(folder, network, edges_mm=(3, 5, 10), training=training, **how)
    return folder


@pytest.fixture(scope="session")
def fusion_model(fusion_folder):
    return load_model(fusion_folder, "cpu", threads=1)


@pytest.fixture(scope="session")
def exported(fusion_folder):
    """What `lesionseg export` made of it."""
    pytest.importorskip("onnxruntime")
    output = fusion_folder.parent / "exported"
    words = ["export", f"model={fusion_folder}", "format=onnx", f"output={output}"]
    assert cli.main(words) == 0
    return output
