"""The intensities of lesions and of their rims arrive in the case as they are in the scan."""

from __future__ import annotations

import numpy as np
import pytest
from bodies import AFFINE, SCANS, SHAPE, ellipsoid

from lesionseg.datasets.dataset import Channel
from lesionseg.datasets.layouts import ScanFiles
from lesionseg.lesion_kinds import of_one_class
from lesionseg.planning.channel_plan import plan_channels
from lesionseg.planning.fingerprint import take_fingerprint
from lesionseg.planning.plan import Plan
from lesionseg.preprocessing.case import prepare_loaded
from lesionseg.reading.scans import LoadedScan
from lesionseg.structures import Grid

FILES = ScanFiles("c", "p", "train", (), None)
PLACES = {"CT of a chest, its airway open": (18, 28, 34), "CT of two legs": (14, 28, 25)}
PLACES |= {name: PLACES["CT of a chest, its airway open"] for name in SCANS if "padded" in name}
PLACES |= {"PET of a trunk and legs": (18, 28, 12)}
PLACES |= {"MRI of breasts": (16, 44, 25), "cut-out": (3, 3, 3)}


def loaded(name, level, radius=3):
    """A scan with one round lesion of a level, soft at its rim."""
    image, _, _ = SCANS[name]()
    place = PLACES.get(name, (36, 30, 25))
    places = np.indices(SHAPE) - np.reshape(place, (3, 1, 1, 1))
    weight = np.clip(radius + 1 - np.sqrt((places**2).sum(axis=0)), 0, 1)
    image = (image * (1 - weight) + level * weight).astype(np.float32)
    ids = ellipsoid(place, (radius,) * 3).astype(np.int32)
    grid = Grid(SHAPE, AFFINE)
    scan = LoadedScan("c", (image,), ids, AFFINE, grid, kinds=of_one_class(ids))
    return scan, weight > 0


def arrives(name, level):
    """Whether all voxels of a lesion and its rim are those of the scan, shifted and scaled."""
    modality = SCANS[name]()[2]
    channels = (Channel(name="A", modality=modality),)
    scan, near = loaded(name, level)
    fingerprint = take_fingerprint(scan, [modality], "")
    (planned,), _ = plan_channels([fingerprint], channels)
    cuts_air = not fingerprint.lesion_voxels_outside
    plan = Plan((planned,), in_plane_spacing_mm=2.0, cuts_air=cuts_air)
    case = prepare_loaded(scan, FILES, plan)
    start = np.rint((case.affine[:3, 3] - AFFINE[:3, 3]) / 2).astype(int)
    window = tuple(slice(s, s + n) for s, n in zip(start, case.shape))
    assert near[window].sum() == near.sum()
    got = np.asarray(case.image[0], np.float64)[near[window]]
    wanted = scan.channels[0][window][near[window]]
    mean, std = fingerprint.middles[0] if modality == "mri" else (planned.mean, planned.std)
    return np.allclose(got, (wanted - mean) / std, rtol=2**-10, atol=1e-3)  # half floats


@pytest.mark.parametrize("name", SCANS)
@pytest.mark.parametrize("level", ["dark", "middle", "bright"])
def test_no_voxel_of_a_lesion_or_its_rim_is_flattened_or_clipped(name, level):
    image, body, _ = SCANS[name]()
    low, high = np.percentile(image[body], (2, 98))
    levels = {"dark": low, "middle": (low + high) / 2, "bright": high + 3 * (high - low)}
    assert arrives(name, levels[level])
