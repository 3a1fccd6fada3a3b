"""Which lesions a spacing would lose, and the spacing that is chosen for it."""

from __future__ import annotations

import numpy as np
import pytest
from test_plan import MRI
from test_plan import case as fingerprint

from lesionseg.lesion_kinds import of_one_class
from lesionseg.planning.plan import SpacingLosses, make_plan, spacing_candidates
from lesionseg.planning.spacing_losses import hardest_cases, scan_losses, try_spacings
from lesionseg.settings.plan import PlanOverrides


def losses_of(ids, spacing_mm):
    return scan_losses(ids, of_one_class(ids), np.eye(4), spacing_mm)


def one_voxel_lesions():
    ids = np.zeros((24, 24, 5), np.int32)
    for lesion, (x, y) in enumerate([(3, 3), (8, 8), (13, 5), (18, 18)], 1):
        ids[x, y, 2] = lesion
    ids[2:8, 14:20, 2] = 5
    return ids


@pytest.mark.parametrize(
    ("spacing_mm", "lost"),
    [(1.0, 0), (1.01, 0), (0.5, 0), (3.0, 4)],  # cut at one half, nine voxels outvote one
)
def test_single_voxels_are_thin_on_a_coarse_grid_only(spacing_mm, lost):
    assert losses_of(one_voxel_lesions(), spacing_mm) == (5, 0, lost)


def test_lesions_that_find_no_voxel_vanish():
    ids = np.zeros((20, 20, 1), np.int32)
    places = [(x, y) for x in range(0, 20, 2) for y in range(0, 20, 2)]
    for lesion, (x, y) in enumerate(places, 1):
        ids[x, y, 0] = lesion
    tried, vanished, thin = losses_of(ids, 4.0)
    assert tried == vanished + thin == 100
    assert thin <= 25  # the grid has no more voxels


def test_an_empty_scan_loses_nothing():
    assert losses_of(np.zeros((5, 5, 5), np.int32), 2.0) == (0, 0, 0)


def test_the_hardest_scans_have_the_most_small_lesions():
    cases = [fingerprint(name=f"c{n:02d}") for n in range(9)]
    cases += [fingerprint(name="big", volume=99.0), fingerprint(name="none", width=0)]
    assert hardest_cases(cases) == [f"c{n:02d}" for n in range(8)]


def test_trying_ends_at_the_first_spacing_that_loses_none():
    table = {1.0: [(5, 2, 1), (3, 0, 2)], 0.85: [(5, 0, 4), (3, 0, 0)], 0.72: [(5, 0, 0)]}
    asked = []

    def try_one(spacing_mm):
        asked.append(spacing_mm)
        return table[spacing_mm]

    losses = try_spacings([1.0, 0.85, 0.72], try_one)
    assert asked == [1.0, 0.85]
    assert losses == SpacingLosses(8, {1.0: 2, 0.85: 0}, {1.0: 3, 0.85: 4})


def test_candidates_go_from_what_the_widths_ask_for_to_half_the_data_s_own():
    assert spacing_candidates([fingerprint()] * 3, PlanOverrides()) == (
        1.0,
        0.85,
        0.722,
        0.614,
        0.522,
    )
    assert spacing_candidates([fingerprint()] * 3, PlanOverrides(in_plane_spacing_mm=2.0)) == ()
    assert spacing_candidates([fingerprint(width=1.0)] * 3, PlanOverrides()) == (0.5,)
    assert spacing_candidates([], PlanOverrides()) == ()


@pytest.mark.parametrize(
    ("lost", "spacing", "words"),
    [
        (
            {1.0: 0},
            1.0,
            "At 1 mm none of 40 small lesions that were tried would vanish; 2 are kept as one",
        ),
        ({1.0: 3, 0.85: 1, 0.722: 0}, 0.722, "refined to 0.722 mm, where none would"),
        ({1.0: 3, 0.85: 1, 0.722: 1}, 0.85, "refined to 0.85 mm, where 1 would"),
        (
            {1.0: 1, 0.85: 1},
            1.0,
            "At 1 mm 1 of 40 small lesions that were tried would vanish, at finer ones as many",
        ),
    ],
)
def test_the_plan_takes_the_first_spacing_that_loses_none_and_says_so(lost, spacing, words):
    cases = [fingerprint()] * 5
    losses = SpacingLosses(40, lost, dict.fromkeys(lost, 2))
    made = make_plan(cases, MRI, PlanOverrides(), losses)
    assert made.in_plane_spacing_mm == spacing
    assert words in made.reasons["in_plane_spacing_mm"]
