"""Slices, crops and packed volumes: what is drawn, and where."""

import base64
import dataclasses
import gzip
import io
import tracemalloc

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lesionseg.evaluation import evaluate_case
from lesionseg.reporting import PredictionFiles, ReportCase, ScoringOptions
from lesionseg.reporting.page.viewer import BUDGET_VOX, choose_worst, pack_view
from lesionseg.reporting.pictures.atlas import Miss, choose_misses, draw_miss
from lesionseg.reporting.pictures.overlays import choose_cases, overlay
from lesionseg.reporting.pictures.slices import (
    REFERENCE_COLOUR,
    Outline,
    draw_slice,
    grey_window,
    take_slice,
)
from lesionseg.reporting.pictures.views import CaseView, read_view

SHAPE = (20, 24, 16)
COLOURS = {"net": "#ff0000"}


def pixels(content, colour):
    picture = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return np.argwhere((picture == wanted).all(axis=2)), picture.shape


@pytest.fixture
def view():
    """A lesion at the right, in front and low; the prediction misses it and invents one."""
    reference = np.zeros(SHAPE, np.int32)
    reference[14:17, 17:20, 2:5] = 1
    prediction = np.zeros(SHAPE, np.int32)
    prediction[3:5, 3:5, 10:12] = 1
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = [-10, 5, 7]
    image = np.zeros(SHAPE, np.float32)
    image[1:-1, 1:-1, 1:-1] = 100
    return CaseView("a", image, reference, {"net": prediction}, affine)


def test_an_image_on_another_grid_is_not_shown_and_a_note_says_so(tmp_path):
    for name, shape in (("mask", (6, 6, 6)), ("image", (5, 6, 6))):
        nib.save(
            nib.Nifti1Image(np.eye(6, dtype=np.uint8)[: shape[0], :, None].repeat(6, 2), np.eye(4)),
            tmp_path / f"{name}.nii.gz",
        )
    mask = tmp_path / "mask.nii.gz"
    case = ReportCase("a", "a", mask, {"net": PredictionFiles(mask)}, tmp_path / "image.nii.gz")
    shown = read_view(case, ["net"], ScoringOptions())
    assert shown.image is None
    (note,) = shown.notes
    assert note.startswith("pictures without the image: case a: image grid differs: got 5x6x6")
    same = read_view(dataclasses.replace(case, image=mask), ["net"], ScoringOptions())
    assert same.image is not None
    assert same.notes == ()


def test_a_slice_has_the_patients_right_at_the_left_and_the_front_at_the_top():
    array = np.zeros(SHAPE)
    array[-1, -1, 8] = 1  # most right, most anterior
    assert take_slice(array, 2, 8)[0, 0] == 1
    array[-1, -1, 8], array[10, -1, -1] = 0, 1  # most anterior, most superior
    assert take_slice(array, 0, 10)[0, 0] == 1
    array[10, -1, -1], array[-1, 12, -1] = 0, 1  # most right, most superior
    assert take_slice(array, 1, 12)[0, 0] == 1


def test_an_outline_follows_the_voxel_edges():
    mask = np.zeros((4, 4), bool)
    mask[1:3, 1:3] = True
    picture = draw_slice(np.zeros((4, 4)), (0, 1), [Outline(mask, "#ff0000")], (40, 40))
    red = (picture == [255, 0, 0]).all(axis=2)
    expected = np.zeros((40, 40), bool)
    expected[10:30, 10:30] = True
    expected[11:29, 11:29] = False
    assert (red == expected).all()


def test_coinciding_outlines_share_the_edge():
    mask = np.zeros((4, 4), bool)
    mask[1:3, 1:3] = True
    both = [Outline(mask, "#ff0000", 0, 2), Outline(mask, "#0000ff", 1, 2)]
    picture = draw_slice(np.zeros((4, 4)), (0, 1), both, (40, 40))
    counts = [(picture == c).all(axis=2).sum() for c in ([255, 0, 0], [0, 0, 255])]
    assert sum(counts) == 76
    assert min(counts) > 25


def test_the_window_leaves_background_out():
    image = np.zeros((50, 50))
    image[10:20, 10:20] = np.linspace(50, 150, 100).reshape(10, 10)
    low, high = grey_window(image)
    assert 50 <= low < 55
    assert 145 < high <= 150
    assert grey_window(np.zeros((5, 5))) == (0.0, 1.0)


def test_an_overlay_shows_the_slice_that_holds_most(view):
    content, place = overlay(view, "net", COLOURS["net"])
    assert place.startswith("slice S ")
    assert 7 + 2 <= float(place.split()[2]) <= 7 + 4  # world position of the reference's slices
    yellow, shape = pixels(content, REFERENCE_COLOUR)
    assert len(yellow) > 50
    assert yellow[:, 1].max() < shape[1] / 2  # right is at the left
    assert yellow[:, 0].max() < shape[0] / 2  # front is at the top


def scored(view):
    result = evaluate_case(
        view.reference,
        view.predictions["net"],
        view.spacing_mm,
        affine=view.affine,
        scores={1: 0.8},
    )
    return result.lesions.assign(model="net", case="a", patient="a")


def test_the_atlas_crops_are_centred_on_the_lesion(view):
    misses = choose_misses(scored(view), ("tiny", "small", "medium", "large"), 3)
    assert [(m.kind, m.bucket, m.lesion_id) for m in misses] == [
        ("false positive", "tiny", 1),
        ("missed", "small", 1),
    ]
    assert misses[0].score == 0.8
    assert misses[1].centre_mm == pytest.approx((15 - 10, 18 + 5, 3 + 7))
    content = draw_miss(view, misses[1], COLOURS)
    yellow, shape = pixels(content, REFERENCE_COLOUR)
    tile = (shape[1] - 8) // 3
    for i in range(3):
        mine = yellow[(yellow[:, 1] >= i * (tile + 4)) & (yellow[:, 1] < i * (tile + 4) + tile)]
        middle = (mine.min(axis=0) + mine.max(axis=0)) / 2 - [0, i * (tile + 4)]
        assert middle == pytest.approx([tile / 2, tile / 2], abs=tile * 0.06)


def test_lesions_that_all_models_missed_come_first():
    rows = [
        {
            "model": m,
            "case": "a",
            "kind": "reference",
            "lesion_id": i,
            "bucket": "tiny",
            "found": found,
        }
        for m, i, found in (("x", 1, False), ("y", 1, True), ("x", 2, False), ("y", 2, False))
    ]
    table = pd.DataFrame(rows).assign(
        volume_mm3=5.0,
        diameter_mm=2.0,
        score=np.nan,
        centroid_r_mm=0.0,
        centroid_a_mm=0.0,
        centroid_s_mm=0.0,
    )
    first, second = choose_misses(table, ("tiny",), 5)
    assert (first.lesion_id, first.models) == (2, ("x", "y"))
    assert (second.lesion_id, second.models) == (1, ("x",))
    assert first.score is None


def test_a_packed_view_holds_the_masks_and_the_place_of_each_lesion(view):
    packed = pack_view(view, scored(view), ["net"])
    masks = np.frombuffer(gzip.decompress(base64.b64decode(packed["masks"])), np.uint8)
    masks = masks.reshape(packed["shape"])
    assert packed["step"] == 1
    assert (masks & 1).sum() == 27
    assert (masks >> 1 & 1).sum() == 8
    affine = np.array(packed["affine"]).reshape(3, 4)
    kinds = {record["kind"]: record for record in packed["lesions"]}
    assert set(kinds) == {"reference", "false_positive"}
    for record in kinds.values():
        world = affine[:, :3] @ record["at"] + affine[:, 3]
        assert world == pytest.approx(record["ras"], abs=0.5)
        assert masks[tuple(record["at"])] == (1 if record["kind"] == "reference" else 2)
    assert kinds["reference"]["by"] == {"net": {"found": False, "dice": 0.0, "score": None}}
    assert kinds["false_positive"]["by"]["net"]["score"] == 0.8


def test_a_background_that_is_not_finite_is_cut_away_and_the_head_stays(view):
    tissue = np.random.default_rng(0).normal(100, 10, SHAPE)
    holed = np.where(view.image > 0, tissue, np.nan).astype(np.float32)
    view = CaseView("a", holed, view.reference, view.predictions, view.affine)
    packed = pack_view(view, scored(view), ["net"])
    assert packed["shape"] == [n - 2 for n in SHAPE]


def test_a_large_view_is_packed_coarser_without_losing_a_lesion():
    shape = (200, 200, 120)
    reference = np.zeros(shape, np.int32)
    reference[1, 1, 1] = 1
    reference[198, 198, 118] = 2
    image = np.ones(shape, np.float32)
    view = CaseView("big", image, reference, {}, np.eye(4))
    result = evaluate_case(reference, reference * 0, (1, 1, 1), affine=np.eye(4))
    packed = pack_view(view, result.lesions.assign(model="net"), ["net"])
    assert packed["step"] == 2
    assert np.prod(packed["shape"]) <= BUDGET_VOX
    masks = np.frombuffer(gzip.decompress(base64.b64decode(packed["masks"])), np.uint8)
    masks = masks.reshape(packed["shape"])
    assert masks.sum() == 2
    assert len(packed["lesions"]) == 2
    assert all(masks[tuple(record["at"])] == 1 for record in packed["lesions"])


def test_best_median_and_worst_case():
    cases = pd.DataFrame({"model": "net", "case": list("abcde"), "dice": [0.5, 0.9, 0.0, 0.7, 0.1]})
    cases["num_reference"] = [3, 3, 0, 3, 3]
    assert [(c.rank, c.case) for c in choose_cases(cases)] == [
        ("best", "b"),
        ("median", "d"),
        ("worst", "e"),
    ]
    assert [c.rank for c in choose_cases(cases[:1])] == ["best"]
    assert choose_worst(cases, 2) == ["e", "a"]
    assert choose_worst(cases, 9)[-1] == "c"


@pytest.mark.parametrize("step_mm", [(0.001, 50.0, 50.0), (50.0, 0.001, 50.0)])
def test_pictures_of_thin_voxels_stay_small(view, step_mm):
    """Voxels of a thousandth of a millimetre and of 50, as far as a scan may go."""
    affine = np.diag([*step_mm, 1.0])
    thin = CaseView("a", view.image, view.reference, view.predictions, affine)
    content, _ = overlay(thin, "net", "#ff0000")
    width, height = Image.open(io.BytesIO(content)).size
    assert min(width, height) >= 1
    assert max(width, height) <= 3 * 720


def test_a_crop_of_very_small_voxels_stays_small(view):
    """26 mm at a thousandth of a millimetre would be 26,000 voxels a side."""
    tiny = CaseView(
        "a", view.image, view.reference, view.predictions, np.diag([1e-3, 1e-3, 1e-3, 1.0])
    )
    lesion = Miss("a", "missed", "tiny", 1, 1e-8, 0.003, None, (0.015, 0.018, 0.003), ("net",))
    tracemalloc.start()
    content = draw_miss(tiny, lesion, COLOURS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert Image.open(io.BytesIO(content)).size == (3 * 232 + 2 * 4, 232)
    assert peak < 200e6
