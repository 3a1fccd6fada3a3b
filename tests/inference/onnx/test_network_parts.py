"""The parts of a network, called one by one, answer as the network does; no ONNX is needed."""

from __future__ import annotations

import copy

import pytest
import torch
from onnx_networks import lively, same_detections

from lesionseg.errors import UsageError
from lesionseg.inference.onnx.parts import Example, network_parts
from lesionseg.inference.onnx.sessions import run_by_sessions
from lesionseg.models.fusion import Fusion

NAMES = {
    "unet": ["network"],
    "fcn": ["network"],
    "maskrcnn": ["backbone_and_proposals", "box_codes", "box_head", "mask_head"],
    "fasterrcnn": ["backbone_and_proposals", "box_codes", "box_head"],
    "detect_then_segment": [
        *("backbone_and_proposals", "box_codes", "box_head"),
        "crop_segmenter",
    ],
}


def called(part, calls, name):
    """The part as a session's function, that counts how often it is called."""

    def run(*tensors):
        calls[name] = calls.get(name, 0) + 1
        answer = part.module(*tensors)
        return [answer] if isinstance(answer, torch.Tensor) else list(answer)

    return run


@pytest.mark.parametrize("classes", [{}, {"num_classes": 2}, {"num_classes": 2, "inside": (0, 1)}])
@pytest.mark.parametrize("name", NAMES)
def test_parts_one_by_one_answer_as_the_network(narrow, name, classes):
    network = lively(narrow(name, in_channels=3, num_slices=3, **classes))
    images = torch.randn(2, 3, 37, 50, generator=torch.Generator().manual_seed(1))
    wanted = network.predict(images)
    generator, calls = torch.Generator().manual_seed(0), {}
    parts = network_parts(network, 3, generator)
    assert list(parts) == NAMES[name]
    by_parts = copy.deepcopy(network)
    for weight in by_parts.parameters():
        weight.data.fill_(torch.nan)  # whoever reads a weight that no part holds is seen
    run_by_sessions(by_parts, {key: called(part, calls, key) for key, part in parts.items()})
    found = by_parts.predict(images)
    if network.detects:
        assert sum(len(one.boxes) for one in wanted) > 5
        same_detections(found, wanted, 1e-6)
    else:
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
    assert calls == dict.fromkeys(NAMES[name], 1)


def test_an_example_has_the_size_asked_for(narrow):
    network = narrow("maskrcnn", in_channels=2)
    parts = network_parts(network, 2, torch.Generator(), Example(images=1, cells=(2, 5)))
    stride = network.backbone.strides[-1]
    images = parts["backbone_and_proposals"].example[0]
    assert images.shape == (1, 2, 2 * stride, 5 * stride)
    *levels, image, anchor = parts["box_codes"].example
    assert levels[-1].shape[2:] == (2, 5)
    assert set(image.tolist()) == {0}
    with torch.no_grad():
        logits, _, anchors = network.rpn(levels)
    assert anchor.max() == logits.shape[1] - 1
    assert anchors.boxes.shape[0] == logits.shape[1]


def test_without_rois_a_part_is_asked_for_one_and_answers_none(narrow):
    network = narrow("maskrcnn", in_channels=2)
    asked = []

    def run(pooled):
        asked.append(len(pooled))
        return [pooled.new_ones((len(pooled), 2)), pooled.new_ones((len(pooled), 1, 4))]

    names = ("backbone_and_proposals", "box_codes", "box_head", "mask_head")
    run_by_sessions(network, dict.fromkeys(names, run))
    logits, codes = network.roi_heads.box_head(torch.zeros(0, 16, 5, 5))
    assert asked == [1]
    assert logits.shape == (0, 2)
    assert codes.shape == (0, 1, 4)


def test_a_fusion_has_members_and_no_parts(narrow):
    fusion = Fusion(narrow("unet"), narrow("maskrcnn"), outline_mm=1.0, outline_threshold=0.5)
    with pytest.raises(UsageError, match="a Fusion cannot be exported"):
        network_parts(fusion, 2, torch.Generator())
