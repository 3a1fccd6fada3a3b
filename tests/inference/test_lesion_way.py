"""The stage that loses a lesion: five lesions of which each is lost by another."""

from __future__ import annotations

import types

import numpy as np
import pytest
import torch

from lesionseg.errors import UsageError
from lesionseg.inference.lesion_way import STAGES, lesion_way
from lesionseg.models.interface import Detections
from lesionseg.models.mask_rcnn.model import OnTheWay
from lesionseg.slabs.slab import SlabRule
from lesionseg.structures import Case, Grid, OperatingPoint

SHAPE = (40, 40, 3)
CORNERS = {1: (2, 2), 2: (2, 20), 3: (20, 2), 4: (20, 20), 5: (32, 32), 6: (32, 20)}  # row, column
# the first stage that does not have it: 5 is found, 6 has a score under the threshold
LOST = {1: "proposal", 2: "score", 3: "suppression", 4: "mask", 5: "", 6: "threshold"}
SCORES = {4: 0.9, 5: 0.8, 6: 0.3}


@pytest.fixture
def case():
    ids = np.zeros(SHAPE, np.int32)
    for lesion, (row, column) in CORNERS.items():
        ids[row : row + 4, column : column + 4, 1] = lesion
    lesions = {
        lesion: {"volume_mm3": 16.0, "diameter_mm": 3.1, "class": 1, "inside": 0}
        for lesion in CORNERS
    }
    image = np.zeros((1, *SHAPE), np.float16)
    return Case("a", "a", image, ids, np.eye(4), 2, Grid(SHAPE, np.eye(4)), ("FLAIR",), lesions)


def boxes_of(*lesions):
    """Exact boxes: x along columns."""
    corners = [(CORNERS[one][1], CORNERS[one][0]) for one in lesions]
    return torch.tensor([[x, y, x + 4, y + 4] for x, y in corners], dtype=torch.float32).view(-1, 4)


def on_the_way(images):
    """What each stage has of the middle slice; the detection of lesion 4 draws nothing."""
    drawn = [4, 5, 6]
    masks = torch.ones(3, 8, 8)
    masks[0] = 0.1
    found = Detections(
        boxes_of(*drawn),
        torch.tensor([SCORES[one] for one in drawn]),
        torch.ones(3, dtype=torch.long),
        masks,
    )
    stages = OnTheWay(
        boxes_of(*CORNERS), boxes_of(2, 3, 4, 5, 6), boxes_of(3, 4, 5, 6), boxes_of(*drawn), found
    )
    none = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0).long(), masks[:0])
    empty = OnTheWay(boxes_of(*CORNERS), *[torch.zeros(0, 4)] * 3, none)
    return [stages if index == 1 else empty for index in range(len(images))]


def model_of(network, threshold=0.5):
    point = OperatingPoint(0.5, threshold)
    return types.SimpleNamespace(
        name="maskrcnn", network=network, slab_rule=SlabRule(0, 1.0), points=(point,)
    )


def lost(table):
    far = table[list(STAGES)].to_numpy()
    return {
        lesion: "" if row.all() else STAGES[int(row.argmin())]
        for lesion, row in zip(table["lesion"], far)
    }


def test_each_lesion_is_lost_where_it_is_lost(narrow, case, monkeypatch):
    network = narrow("maskrcnn", in_channels=1).eval()
    monkeypatch.setattr(network, "on_the_way", on_the_way)
    table = lesion_way(model_of(network), case)
    assert lost(table) == LOST
    assert lost(lesion_way(model_of(network, 0.2), case)) == LOST | {6: ""}
    assert set(table["case"]) == {"a"}
    assert set(table["volume_mm3"]) == {16.0}


def test_a_stage_that_a_later_one_contradicts_did_not_lose_it(narrow, case, monkeypatch):
    """Lesion 5 has no proposal that fits, and is found all the same."""
    network = narrow("maskrcnn", in_channels=1).eval()

    def without_proposals(images):
        return [one._replace(proposals=boxes_of(2)) for one in on_the_way(images)]

    monkeypatch.setattr(network, "on_the_way", without_proposals)
    assert lost(lesion_way(model_of(network), case))[5] == ""


def test_a_network_answers_as_it_does_by_predict(narrow):
    network = narrow("maskrcnn", roi_rule={"score_floor": 0.0}).eval()
    batch = torch.randn(2, 2, 33, 41, generator=torch.Generator().manual_seed(2))
    for whole, found in zip(network.on_the_way(batch), network.predict(batch)):
        assert torch.equal(whole.detections.boxes, found.boxes)
        assert torch.equal(whole.detections.masks, found.masks)
        assert len(whole.kept) == len(found.boxes) <= len(whole.scored)
        assert len(whole.proposals) < len(whole.anchors)


def test_a_network_without_boxes_is_refused(narrow, case):
    with pytest.raises(UsageError, match="want maskrcnn or fasterrcnn"):
        lesion_way(model_of(narrow("unet")), case)
