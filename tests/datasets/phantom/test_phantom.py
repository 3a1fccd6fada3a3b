"""The phantom cohort: ordinary files, same seed same bytes, lesions of the stated sizes."""

from __future__ import annotations

import json

import cc3d
import nibabel as nib
import numpy as np
import pytest

from lesionseg.datasets.dataset import find_scans, load_card
from lesionseg.datasets.phantom import cohort
from lesionseg.datasets.phantom.anatomy import draw_anatomy
from lesionseg.datasets.phantom.cohort import draw_scan, scan_grid, write_cohort
from lesionseg.datasets.phantom.lesions import Blob, coverage, draw_lesions, reference_mask
from lesionseg.errors import LesionsegError, UsageError
from lesionseg.settings.data import PhantomSettings
from lesionseg.storage import memory
from lesionseg.structures import Grid


def ball(radius, fine=0.1, centre=(0.2, -0.3, 0.1)):
    steps = np.arange(-radius, radius + fine, fine)
    points = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    return Blob(points[(points**2).sum(1) <= radius**2] + centre, fine**3, (1.0, 1.0))


@pytest.mark.parametrize("kind", ["isotropic", "thick", "oblique"])
def test_a_ball_keeps_its_volume_on_every_grid(kind):
    grid = scan_grid(kind, np.random.default_rng(0), 0.5)
    voxel = abs(np.linalg.det(grid.affine[:3, :3]))
    lesion = ball(4.0, 0.2)
    _, share = coverage(lesion, grid)
    assert share.sum() * voxel == pytest.approx(4 / 3 * np.pi * 4**3, rel=0.02)
    mask = reference_mask([lesion], grid)
    assert mask.sum() * voxel == pytest.approx(4 / 3 * np.pi * 4**3, rel=0.03)
    centre = grid.affine[:3, :3] @ np.argwhere(mask).mean(0) + grid.affine[:3, 3]
    np.testing.assert_allclose(centre, (0.2, -0.3, 0.1), atol=0.4)


def test_the_smallest_lesion_still_has_a_voxel():
    grid = Grid((9, 9, 9), np.diag([1, 1, 1, 1.0]) + np.diag([0, 0, 0.0], 1) * 0)
    shifted = ball(0.3, 0.05, centre=(4.5, 4.5, 4.5))
    assert reference_mask([shifted], grid).sum() == 1


def test_grids_have_the_spacing_and_orientation_they_are_named_for():
    rng = np.random.default_rng(0)
    for kind, zooms, codes in (
        ("isotropic", (1, 1, 1), "RAS"),
        ("thick", (0.5, 0.5, 3), "LPS"),
        ("oblique", (1, 1, 1.5), "LAS"),
    ):
        grid = scan_grid(kind, rng)
        np.testing.assert_allclose(nib.affines.voxel_sizes(grid.affine), zooms, atol=1e-5)
        assert "".join(nib.aff2axcodes(grid.affine)) == codes
        middle = grid.affine @ [*(np.array(grid.shape) - 1) / 2, 1]
        np.testing.assert_allclose(middle[:3], 0, atol=0.5)
    assert (np.abs(grid.affine[:3, :3]) > 0.01).all()  # the last is truly oblique


def test_lesion_volumes_have_the_percentiles_of_real_ones():
    anatomy = draw_anatomy(np.random.default_rng(0), 0.8)
    lesions = draw_lesions(anatomy, 60, np.random.default_rng(1))
    volumes = [lesion.volume_mm3 for lesion in lesions]
    assert len(volumes) > 50
    five, quarter, median, three, most = np.percentile(volumes, [5, 25, 50, 75, 95])
    assert 0.9 <= five <= 2.5
    assert 4 <= quarter <= 9
    assert 13 <= median <= 23
    assert 35 <= three <= 65
    assert 130 <= most <= 400


def test_a_scan_looks_like_a_head_with_bright_lesions():
    image, mask, grid = draw_scan(np.random.default_rng(3), size=0.7)
    assert image.dtype == np.int16
    assert image.shape == (2, *grid.shape) == (2, *mask.shape)
    assert set(np.unique(mask)) == {0, 1}
    flair, t1 = image.astype(float)
    corner = flair[:4, :4, :4].mean()
    middle = np.median(flair[30:50, 30:60, 25:45])
    assert corner < 0.2 * middle
    around = np.zeros_like(mask)
    around[30:50, 30:60, 25:45] = 1
    assert flair[mask > 0].mean() > 1.15 * middle
    assert t1[mask > 0].mean() < 0.95 * np.median(t1[around > 0])


def test_brightness_alone_does_not_find_the_lesions():
    image, mask, _ = draw_scan(np.random.default_rng(4), size=0.7)
    lesions, count = cc3d.connected_components(mask, connectivity=26, return_N=True)
    assert count > 1
    for cut in np.percentile(image[0], [98, 99, 99.5, 99.9]):
        bright, spots = cc3d.connected_components(image[0] > cut, connectivity=26, return_N=True)
        found = len(set(lesions[bright > 0]) - {0})
        false = spots - len(set(bright[mask > 0]) - {0})
        assert found < 0.8 * count or false > 20


def test_the_cohort_is_an_nnunet_folder_that_its_card_reads(tmp_path):
    write_cohort(tmp_path, PhantomSettings(num_train=6, num_test=1, seed=7, size=0.4))
    dataset = find_scans(load_card("phantom"), tmp_path)
    assert dataset.rejected == {}
    assert [channel.name for channel in dataset.channels] == ["FLAIR", "T1"]
    assert [scan.split for scan in dataset.scans] == ["train"] * 6 + ["test"]
    empty = []
    for scan in dataset.scans:
        mask = nib.load(scan.mask)
        for path in scan.images:
            assert nib.load(path).shape == mask.shape
            np.testing.assert_array_equal(nib.load(path).affine, mask.affine)
        empty.append(not np.asarray(mask.dataobj).any())
    assert sum(empty) == 1


def test_same_seed_same_bytes_and_another_seed_others(tmp_path):
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_cohort(
            tmp_path / folder, PhantomSettings(num_train=1, num_test=1, seed=seed, size=0.3)
        )
    names = sorted(str(p.relative_to(tmp_path / "a")) for p in (tmp_path / "a").rglob("*.gz"))
    assert len(names) == 6
    for name in names:
        first = (tmp_path / "a" / name).read_bytes()
        assert first == (tmp_path / "b" / name).read_bytes()
        if "images" in name:
            assert first != (tmp_path / "c" / name).read_bytes()
    train, test = ((tmp_path / "a" / names[i]).read_bytes() for i in (0, 2))
    assert train != test


def test_a_whole_cohort_is_not_written_again_but_a_broken_one_is(tmp_path):
    write_cohort(tmp_path, PhantomSettings(num_train=1, num_test=0, size=0.3))
    scan = next(tmp_path.rglob("*_0000.nii.gz"))
    scan.write_bytes(b"kept")
    write_cohort(tmp_path, PhantomSettings(num_train=1, num_test=0, size=0.3))
    assert scan.read_bytes() == b"kept"
    (tmp_path / "dataset.json").unlink()
    write_cohort(tmp_path, PhantomSettings(num_train=1, num_test=0, size=0.3))
    assert scan.read_bytes() != b"kept"
    assert json.loads((tmp_path / "dataset.json").read_text())["numTraining"] == 1


def test_a_cohort_without_one_of_its_scans_is_not_taken_for_whole(tmp_path, monkeypatch):
    def draw(rng, **options):
        raise MemoryError

    monkeypatch.setattr(cohort, "draw_scan", draw)
    with pytest.raises(LesionsegError, match="cohort cannot be made: case phantom_train000: it ta"):
        write_cohort(tmp_path, PhantomSettings(num_train=1, num_test=0, size=0.3))
    assert not (tmp_path / "dataset.json").exists()


def test_heads_that_are_too_large_for_the_memory_are_refused_before_any_is_drawn(
    tmp_path, monkeypatch
):
    """112 x 128 x 96 voxels of 120 bytes, 8 times as many at size 2, four at a time: 5.3 GB."""
    settings = PhantomSettings(num_train=4, num_test=0, size=2)
    monkeypatch.setattr(memory, "free_memory", lambda: 4 * 10**9)
    with pytest.raises(UsageError, match=r"4 scans of data.phantom.size=2 drawn at a time: 5.3 GB"):
        write_cohort(tmp_path, settings, workers=4)
    assert not list(tmp_path.iterdir())
