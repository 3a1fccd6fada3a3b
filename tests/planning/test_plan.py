"""The plan: each number from fingerprints made by hand, each with its reason."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from lesionseg.datasets.dataset import Channel
from lesionseg.errors import NoInputError, UsageError
from lesionseg.planning.fingerprint import CaseFingerprint
from lesionseg.planning.plan import make_plan
from lesionseg.planning.plan_file import read_plan, write_plan
from lesionseg.settings.plan import PlanOverrides

MRI = (Channel(name="FLAIR", modality="mri"),)


def case(spacing=(1.0, 1.0, 1.0), slab_axis=2, width=3.0, volume=10.0, name="c"):
    return CaseFingerprint(
        case=name,
        key="",
        spacing_mm=spacing,
        shape=(100, 100, 100),
        slab_axis=slab_axis,
        intensities=((10.0, 200.0, 90.0, 30.0),),
        middles=((90.0, 25.0),),
        around_lesions=(None,),
        lesion_voxels_outside=0,
        lesion_volumes=(volume,) if width else (),
        lesion_kinds=(1,) if width else (),
        boxes=((width, width / 2),) if width else (),
        box_lesions=(0,) if width else (),
    )


def plan(cases, **overrides):
    return make_plan(cases, MRI, PlanOverrides(**overrides))


def test_a_spacing_at_which_small_lesions_are_wide_enough_is_kept():
    made = plan([case()] * 5)
    assert made.in_plane_spacing_mm == 1.0
    assert "3 mm = 3 px" in made.reasons["in_plane_spacing_mm"]
    assert "kept" in made.reasons["in_plane_spacing_mm"]


def test_narrow_small_lesions_refine_the_spacing():
    made = plan([case(width=2.1)] * 5)
    assert made.in_plane_spacing_mm == pytest.approx(0.7)
    assert "refined to 0.7 mm" in made.reasons["in_plane_spacing_mm"]
    assert plan([case(width=2.1)] * 5, min_width_px=2).in_plane_spacing_mm == 1.0


def test_refining_ends_at_twice_the_data_and_says_so():
    made = plan([case(width=1.0)] * 5)
    assert made.in_plane_spacing_mm == 0.5
    assert "2 px" in made.reasons["in_plane_spacing_mm"]
    assert "adds no detail" in made.reasons["in_plane_spacing_mm"]


def test_a_spacing_is_common_when_a_quarter_of_the_scans_have_it():
    fine, coarse = case((0.5, 0.5, 3), width=5), case(width=5)
    assert plan([fine] * 2 + [coarse] * 2).in_plane_spacing_mm == 0.5
    assert plan([fine] + [coarse] * 4).in_plane_spacing_mm == 1.0


def test_the_slab_axis_does_not_count_for_the_in_plane_spacing():
    made = plan([case((0.8, 0.469, 0.469), slab_axis=0, width=5)] * 4)
    assert made.in_plane_spacing_mm == 0.469
    assert made.context_distance_mm == 1.0  # slices of 0.8 mm show the same tissue twice


def test_large_lesions_have_no_say():
    made = plan([case(volume=70.0, width=1.0)] * 4)  # 70 mm3 is above 5 mm in diameter
    assert made.in_plane_spacing_mm == 1.0
    assert made.lesions.num_small == 0


def test_scans_without_any_lesion_can_be_planned():
    made = plan([case(width=0)] * 4)
    assert made.in_plane_spacing_mm == 1.0
    assert made.lesions.num_lesions == 0
    assert "no lesion" in made.reasons["in_plane_spacing_mm"]


def test_context_stands_a_through_plane_step_away():
    made = plan([case((0.5, 0.5, 3), width=5)] * 3, context_slices=2)
    assert (made.context_slices, made.context_distance_mm) == (2, 3.0)


def test_wishes_come_first():
    made = plan([case()] * 3, in_plane_spacing_mm=0.6, context_distance_mm=2.5)
    assert (made.in_plane_spacing_mm, made.context_distance_mm) == (0.6, 2.5)
    assert "asked for" in made.reasons["in_plane_spacing_mm"]


def test_ct_is_clipped_to_the_median_of_the_scans():
    cases = [
        dataclasses.replace(case(), intensities=((low, 300.0, 40.0, 60.0),))
        for low in (-900.0, -800.0, -100.0)
    ]
    made = make_plan(cases, (Channel(name="CT", modality="ct"),), PlanOverrides())
    (channel,) = made.channels
    assert (channel.low, channel.high, channel.mean, channel.std) == (-800, 300, 40, 60)
    assert channel.normalisation == "cohort"


def test_what_lies_in_and_around_lesions_is_never_clipped():
    seen = [(-950.0, 60.0), None, (-700.0, 1400.0)]
    cases = [
        dataclasses.replace(
            case(), intensities=((-450.0, 300.0, 40.0, 60.0),), around_lesions=(around,)
        )
        for around in seen
    ]
    made = make_plan(cases, (Channel(name="CT", modality="ct"),), PlanOverrides())
    assert (made.channels[0].low, made.channels[0].high) == (-950, 1400)
    assert "of 2 of 2 scans" in made.reasons["channels"]
    made = make_plan(cases, (Channel(name="PET", modality="mri"),), PlanOverrides())
    # by mean 90 and deviation 25: -41.6 to -1.2, -31.6 to 52.4
    assert made.channels[0].low == pytest.approx(-41.6)
    assert made.channels[0].high == pytest.approx(52.4)


def test_bounds_hold_every_lesion_after_rounding_and_fit_half_floats():
    for high in (1.2345678e3, 7.7777777e2, 1e9):
        one = dataclasses.replace(case(), around_lesions=((0.0, high),), middles=((0.0, 1.0),))
        (channel,) = make_plan(
            [one], (Channel(name="A", modality="mri"),), PlanOverrides()
        ).channels
        assert channel.high >= min(high, 1000)
        assert channel.high <= 1000


def test_air_is_kept_where_a_lesion_reaches_into_it():
    channels = (Channel(name="FLAIR", modality="mri"),)
    one = dataclasses.replace(case(name="p7"), lesion_voxels_outside=3)
    made = make_plan([case(), one], channels, PlanOverrides())
    assert not made.cuts_air
    assert (
        "in 1 of 2 training scans lesion voxels lie outside head or body, first in p7"
        in (made.reasons["crop"])
    )
    assert make_plan([case()], channels, PlanOverrides()).cuts_air


def test_a_card_may_ask_for_the_other_normalisation():
    adc = dataclasses.replace(case(), intensities=((2e-4, 3.1e-3, 9.1e-4, 4.2e-4),))
    asked = Channel(name="ADC", modality="mri", normalisation="cohort")
    (channel,) = make_plan([adc] * 3, (asked,), PlanOverrides()).channels
    assert (channel.low, channel.high, channel.mean, channel.std) == (2e-4, 3.1e-3, 9.1e-4, 4.2e-4)
    asked = Channel(name="CT", modality="ct", normalisation="zscore")
    made = make_plan([case()], (asked,), PlanOverrides())
    (channel,) = made.channels
    assert (channel.normalisation, channel.modality, channel.low) == ("zscore", "ct", -20)
    assert "as the data card asks" in made.reasons["channels"]


def test_no_case_no_plan():
    with pytest.raises(NoInputError, match="no training case"):
        plan([])


def test_the_file_is_yaml_for_people_and_comes_back(tmp_path):
    made = plan([case(width=2.1)] * 5, context_slices=2)
    write_plan(tmp_path / "plan.yaml", made)
    assert read_plan(tmp_path / "plan.yaml") == made
    text = (tmp_path / "plan.yaml").read_text()
    assert text.startswith("# ")
    assert yaml.safe_load(text)["in_plane_spacing_mm"] == 0.7
    older = text.replace("  normalisation: zscore\n", "")
    unknown = text.replace("normalisation: zscore", "normalisation: hounsfield")
    bare = text.replace("normalisation: zscore", "normalisation: cohort")
    assert text not in (older, unknown, bare)
    for broken in (
        older,
        unknown,
        bare,
        "",
        "a: b",
        "[1]",
        "channels: 3",
        "channels: [{nom: x}]",
        ": :",
    ):
        (tmp_path / "plan.yaml").write_text(broken)
        with pytest.raises(UsageError, match="not a plan"):
            read_plan(tmp_path / "plan.yaml")


def test_keys_follow_what_is_done_and_not_why():
    made = plan([case()] * 5)
    same = dataclasses.replace(made, reasons={})
    assert (same.key, same.case_key) == (made.key, made.case_key)
    deeper = dataclasses.replace(made, context_slices=3)
    assert deeper.case_key == made.case_key
    assert deeper.key != made.key
    finer = dataclasses.replace(made, in_plane_spacing_mm=0.7)
    assert finer.case_key != made.case_key
