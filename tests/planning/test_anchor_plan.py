"""What is planned for a detector, in words, in plan.yaml and in the networks' settings."""

from __future__ import annotations

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from anchor_oracles import lognormal_sides, middle_corners, rng, shares, slow_best_iou

from lesionseg import geometry
from lesionseg.cli import compose
from lesionseg.components import label_components
from lesionseg.datasets.dataset import Channel
from lesionseg.errors import UsageError
from lesionseg.lesion_kinds import of_one_class
from lesionseg.models.registry import BUILDERS
from lesionseg.planning.anchor_plan import DetectorPlan, plan_detector, planned_settings
from lesionseg.planning.fingerprint import CaseFingerprint
from lesionseg.planning.plan import make_plan
from lesionseg.planning.plan_file import plan_content, plan_from, read_plan, write_plan
from lesionseg.reading.carrying import carry_ids
from lesionseg.reading.lesion_ids import in_plane_boxes
from lesionseg.settings.plan import PlanOverrides
from lesionseg.structures import Grid

pytestmark = pytest.mark.usefixtures("all_places_for_anchors")
MRI = (Channel(name="FLAIR", modality="mri"),)


def test_the_smallest_are_not_trimmed():
    """Three of five boxes are one pixel, and these too have anchors."""
    sides = np.concatenate([np.ones((600, 2)), lognormal_sides(400)])
    made = plan_detector(sides, ["all sizes"], np.zeros(1000, int), rng())
    assert made.finest_stride == 1
    assert set(made.anchors) == {1, 2}
    for stride, levels in made.anchors.items():
        for whole in (False, True):
            best = slow_best_iou(sides[:150], levels, stride, middle_corners(150, whole=whole))
            assert (best >= 0.5).mean() >= 0.9


@pytest.mark.parametrize(
    ("side", "stride", "bins"), [(1.0, 1, 7), (2.0, 1, 7), (3.0, 2, 7), (15.0, 2, 10), (60, 2, 14)]
)
def test_stride_and_mask_follow_the_boxes(side, stride, bins):
    """The finest stride the 5th percentile; the mask, side + 2 px in 14, 20 or 28 cells."""
    made = plan_detector(np.full((50, 2), side), ["x"], np.zeros(50, int), rng())
    assert (made.finest_stride, made.mask_bins) == (stride, bins)
    assert made.mean_box_px == side


SENTENCE = re.compile(
    r"(?P<name>.+): of (?P<num>\d+) outlines in a slice, best anchor (\d+) % of IoU 0.3 or more, "
    r"(\d+) % of IoU 0.5 or more, (\d+) % of IoU 0.7 or more"
)


def test_coverage_says_how_many_have_an_anchor_by_size():
    sides = lognormal_sides(300)
    large = (sides.max(axis=1) > 6).astype(int)
    made = plan_detector(sides, ["under 5 mm", "5 mm or more", "never"], large, rng())
    told = [SENTENCE.fullmatch(line) for line in made.coverage]
    assert all(told)
    groups = [large == 0, large == 1, sides.max(axis=1) <= 4, large >= 0]
    names = ["lesions under 5 mm", "lesions 5 mm or more", "outlines at most 4 px wide", "all"]
    assert [one["name"] for one in told] == names  # a size that no lesion has is left out
    best = slow_best_iou(sides, made.anchors[2], 2, middle_corners(300))
    for one, chosen in zip(told, groups):
        assert int(one["num"]) == chosen.sum() > 50
        again = [100 * (best[chosen] >= iou).mean() for iou in (0.3, 0.5, 0.7)]
        # other places than those of the plan: a few percent more or fewer
        assert [int(text) for text in one.group(3, 4, 5)] == pytest.approx(again, abs=8)


def test_coverage_is_told_at_places_within_a_pixel():
    """1 px boxes, which no anchors reach everywhere: on whole pixels all of them have one."""
    sides = np.ones((2000, 2))
    made = plan_detector(sides, ["all"], np.zeros(2000, int), rng())
    told = int(SENTENCE.fullmatch(made.coverage[-1]).group(4))
    there, on_pixels = (
        100
        * (slow_best_iou(sides, made.anchors[2], 2, middle_corners(2000, whole=w)) >= 0.5).mean()
        for w in (False, True)
    )
    assert on_pixels - there > 3
    assert told == pytest.approx(there, abs=1.5)


# The plan in the networks' settings, and in plan.yaml.

PLAN = DetectorPlan(
    finest_stride=1,
    anchors={1: (((1.0, 1.0, 1),),) * 4, 2: (((2.0, 2.5, 2),),) * 4},
    mask_bins=10,
    mean_box_px=4.5,
    window_px=96,
)


@pytest.mark.parametrize(("backbone", "stride"), [("nano", 2), ("small", 2), ("base", 1)])
@pytest.mark.parametrize("name", BUILDERS)
def test_what_is_planned_is_filled_in(name, backbone, stride):
    shipped = compose("train", ["output=x"]).network.of(name).plain()
    if "backbone" in shipped:
        shipped["backbone"] = backbone
    if "anchors" in shipped:
        shipped["anchors"] = "planned"
    filled = planned_settings(shipped, PLAN)
    assert name == "unet3d" or "planned" not in repr(filled)  # its blocks have a plan of their own
    assert set(filled) == set(shipped)
    if "anchors" in shipped:
        assert "planned" in repr(shipped)  # itself unchanged
        assert filled["finest_stride"] == stride
        assert filled["anchors"] == [[[1, 1, 1]] if stride == 1 else [[2, 2.5, 2]]] * 4
        assert filled["mask_bins"] == 10
        assert filled["proposal_rule"]["nwd_constant_px"] == 4.5


def test_what_is_given_stays():
    given = {
        "backbone": "base",
        "finest_stride": 2,
        "anchors": [[[9, 9, 1]]],
        "mask_bins": 3,
        "proposal_rule": {"nwd_constant_px": 1.0},
    }
    assert planned_settings(given, PLAN) == given


def test_a_stride_without_planned_anchors_is_refused_in_one_line():
    settings = {"backbone": "base", "finest_stride": 1, "anchors": "planned"}
    with pytest.raises(UsageError, match="planned for a finest stride of 2, got 1") as refused:
        planned_settings(settings, DetectorPlan())
    assert "\n" not in str(refused.value)


def fingerprint(boxes, volumes, owners, spacing=(1.0, 1.0, 3.0), slab_axis=2):
    return CaseFingerprint(
        case="c",
        key="",
        spacing_mm=spacing,
        shape=(100, 100, 100),
        slab_axis=slab_axis,
        intensities=((10.0, 200.0, 90.0, 30.0),),
        middles=((90.0, 25.0),),
        around_lesions=(None,),
        lesion_voxels_outside=0,
        lesion_volumes=tuple(volumes),
        lesion_kinds=(1,) * len(volumes),
        boxes=tuple(map(tuple, boxes)),
        box_lesions=tuple(owners),
    )


@pytest.mark.parametrize(("scale", "strides"), [(0.3, {1, 2}), (2.0, {2})])
def test_a_plan_with_a_detector_comes_back_as_it_was_written(tmp_path, scale, strides):
    """In YAML and as plain data, one finest stride or two."""
    boxes = scale * lognormal_sides(60)
    one = fingerprint(boxes, [5.0, 900.0], [int(box[0] > 6) for box in boxes])
    made = make_plan([one], MRI, PlanOverrides(in_plane_spacing_mm=1.0))
    assert set(made.detector.anchors) == strides
    assert len(made.detector.coverage) > 2
    write_plan(tmp_path / "plan.yaml", made)
    assert read_plan(tmp_path / "plan.yaml") == plan_from(plan_content(made)) == made


# Real lesions, where they lie beside the repository.

MASKS = Path(__file__).parents[3] / "shared" / "data" / "open_ms" / "masks_native"


def cropped_lesions(path):
    """Lesion ids and affine, canonical, a few voxels around the lesions."""
    image = nib.load(path)
    mask = np.asarray(image.dataobj) > 0
    start, stop = geometry.bounding_box(mask, (3, 3, 3))
    mask, affine = geometry.crop(mask, image.affine, start, stop)
    mask, affine = geometry.to_canonical(mask, affine)
    return label_components(mask), affine


def measured(ids, affine):
    spacing = geometry.spacing(affine)
    slab_axis, _, _ = geometry.slab_axes(spacing)
    boxes, owners = in_plane_boxes(ids, of_one_class(ids), affine, slab_axis)
    volumes = np.bincount(ids[ids > 0])[1:] * geometry.voxel_volume(affine)
    return fingerprint(boxes, volumes, owners - 1, spacing, slab_axis)


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.skipif(not MASKS.is_dir(), reason="no real masks at ../shared/data/open_ms")
def test_real_lesions_have_the_anchors_wanted():
    """Every outline in a slice of 30 patients, resampled as the plan says."""
    patients = [cropped_lesions(path) for path in sorted(MASKS.glob("*.nii.gz"))]
    assert len(patients) == 30
    cases = [measured(*one) for one in patients]
    made = make_plan(cases, MRI, PlanOverrides())
    step, sides = made.in_plane_spacing_mm, []
    for (ids, affine), case in zip(patients, cases):
        x, y, z = ids.shape
        grid = geometry.in_plane_grid(Grid((x, y, z), affine), step, case.slab_axis)
        there = carry_ids(ids, affine, grid)
        boxes, _ = in_plane_boxes(there, of_one_class(there), grid.affine, case.slab_axis)
        in_plane = [s for a, s in enumerate(geometry.spacing(grid.affine)) if a != case.slab_axis]
        sides.append(np.rint(boxes / in_plane[::-1]))
    whole = np.concatenate(sides)
    assert len(whole) > 10_000
    for stride, levels in made.detector.anchors.items():
        for on_pixels in (False, True):
            narrow, every = shares(whole, levels, stride, on_pixels)
            assert narrow >= 0.9
            assert every >= 0.97


@pytest.mark.parametrize(
    ("side", "window"), [(2, 64), (48, 64), (49, 96), (80, 96), (110, 128), (176, 192), (400, 192)]
)
def test_training_windows_hold_all_but_the_widest_outlines(side, window):
    sides = np.array([[3.0, 2.0]] * 90 + [[2.0, float(side)]] * 10)
    made = plan_detector(sides, ["all"], np.zeros(100, int), np.random.default_rng(0))
    assert made.window_px == window
    few = np.array([[3.0, 2.0]] * 99 + [[2.0, float(side)]])
    made = plan_detector(few, ["all"], np.zeros(100, int), np.random.default_rng(0))
    assert made.window_px == 64
