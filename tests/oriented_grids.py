"""Grids in every orientation, straight and oblique, with lesions whose centres are known."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.spatial.transform import Rotation

SHAPE, SPACING = (7, 8, 9), (0.8, 1.1, 3.0)
TILT = Rotation.from_euler("xyz", (9, -14, 23), degrees=True).as_matrix()
LESIONS = {  # voxels by id: a box off the centre, one in a corner, one that is bent
    1: [(1, 2, 3), (2, 2, 3), (1, 3, 3), (2, 3, 3)],
    2: [(6, 7, 8)],
    3: [(4, 0, 5), (4, 1, 5), (4, 1, 6), (5, 1, 6)],
}


def affines(*, tilted):
    """All 48 ways in which the axes of an array can lie in the world, each with its name."""
    turn = TILT if tilted else np.eye(3)
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            affine = np.eye(4)
            for axis, (world, sign) in enumerate(zip(order, signs)):
                affine[:3, axis] = turn[:, world] * sign * SPACING[axis]
            affine[:3, 3] = (-31.25, 12.5, 55.0)
            yield grid_name(order, signs, tilted), affine


def grid_name(order, signs, tilted):
    letters = [("LPI", "RAS")[sign > 0][world] for world, sign in zip(order, signs)]
    return "".join(letters) + ("-oblique" if tilted else "")


GRIDS = dict([*affines(tilted=False), *affines(tilted=True)])


def lesion_ids():
    """(X, Y, Z) int32 of LESIONS."""
    ids = np.zeros(SHAPE, np.int32)
    for lesion, voxels in LESIONS.items():
        for voxel in voxels:
            ids[voxel] = lesion
    return ids


def centres(affine):
    """RAS mm of each lesion's centre, voxel by voxel."""
    found = {}
    for lesion, voxels in LESIONS.items():
        places = [
            [sum(affine[row][a] * voxel[a] for a in range(3)) + affine[row][3] for row in range(3)]
            for voxel in voxels
        ]
        found[lesion] = [sum(place[row] for place in places) / len(places) for row in range(3)]
    return found
