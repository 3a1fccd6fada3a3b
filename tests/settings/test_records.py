"""What a record refuses and how it says so."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from pydantic import ValidationError

from lesionseg.errors import UsageError
from lesionseg.settings.augmentation import AugmentationRule
from lesionseg.settings.mask_rcnn import MaskRCNNSettings, ProposalRule, RoIRule
from lesionseg.settings.messages import checked
from lesionseg.settings.network import network_record
from lesionseg.settings.record import nearest
from lesionseg.settings.report import ReportSettings, ScoringOptions
from lesionseg.settings.sampling import SamplingRule
from lesionseg.settings.training import TrainSettings


def test_a_record_never_changes_and_crosses_processes():
    rule = SamplingRule(size=64)
    with pytest.raises(ValidationError):
        rule.size = 32
    assert pickle.loads(pickle.dumps(rule)) == rule


@pytest.mark.parametrize("value", ["no", "false", 0, 1, None])
def test_only_true_and_false_are_answers(value):
    with pytest.raises(UsageError, match="want true or false"):
        checked(TrainSettings, {"resume": value})


@pytest.mark.parametrize("value", [True, "0.5", float("nan"), float("inf"), None, [0.5]])
def test_only_finite_numbers_are_numbers(value):
    with pytest.raises(UsageError, match=r"flip is .*; want a number from 0 to 1"):
        checked(AugmentationRule, {"flip": value})


def test_a_whole_number_is_a_number_and_not_the_other_way_round():
    assert checked(AugmentationRule, {"flip": 1}).flip == 1.0
    with pytest.raises(UsageError, match=r"batch_size is 2\.0; want a whole number"):
        checked(SamplingRule, {"batch_size": 2.0})


def test_an_unknown_setting_names_the_nearest_and_all():
    with pytest.raises(UsageError, match="no setting 'batchsize'; did you mean 'batch_size'"):
        checked(SamplingRule, {"batchsize": 2})


def test_where_it_stands_is_in_the_message():
    settings = MaskRCNNSettings(proposal_rule=ProposalRule(), roi_rule=RoIRule()).plain()
    settings["roi_rule"]["nms_iou"] = 7
    with pytest.raises(UsageError, match=r"^maskrcnn\.roi_rule\.nms_iou is 7; want a number from"):
        network_record("maskrcnn", settings)
    settings["roi_rule"] = {"nms": 0.5}
    with pytest.raises(UsageError, match=r"^maskrcnn\.roi_rule has no setting 'nms'"):
        network_record("maskrcnn", settings)


def test_a_network_is_given_whole():
    with pytest.raises(UsageError, match="unet: residual_units, norm, loss, scored_by missing"):
        network_record("unet", {"channels": [8, 8]})


def test_the_part_of_a_record_is_a_record_of_its_base_alone():
    whole = ReportSettings(reference="r", output="o", draws=7)
    part = whole.part(ScoringOptions)
    assert type(part) is ScoringOptions
    assert part == ScoringOptions(draws=7)
    assert "reference" not in vars(part)


def test_plain_data_come_back_as_the_record():
    rule = TrainSettings(minutes=2, precision="32-true")
    assert checked(TrainSettings, rule.plain()) == rule


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1), (20, 1.2), (45, 2), (90, 1.1), (180, 4)])
def test_the_reach_is_the_half_diagonal_of_the_turned_square(degrees, scale):
    """The farthest a corner of the unit square gets along an axis, over all angles allowed."""
    angles = np.deg2rad(np.linspace(0, degrees, 2001))
    farthest = (np.abs(np.cos(angles)) + np.abs(np.sin(angles))).max() * scale
    rule = AugmentationRule(rotation_degrees=degrees, scale=scale)
    assert rule.reach == pytest.approx(farthest, abs=1e-6)
    assert AugmentationRule(spatial=0).reach == 1.0


def test_the_nearest_word_is_found_where_one_is_near():
    assert nearest("nnunett", ("nnunet", "unet", "bids")) == "nnunet"
    assert nearest("xyz", ("nnunet", "bids")) is None
