"""Maps of lesions for the choice of thresholds."""

import numpy as np

from lesionseg.inference import class_thresholds
from lesionseg.settings.threshold_rule import threshold_rule
from lesionseg.structures import LesionMap


def choose_operating_point(scans, rule="max_quality"):
    return class_thresholds.choose_operating_point(scans, threshold_rule(rule))


def semantic(probability):
    empty = np.zeros(probability.shape, np.int32)
    return LesionMap(probability.astype(np.float32), empty, {}, np.eye(4), False)


def two_spots(left, right):
    """A lesion at the left, none at the right; the net says `left` and `right`."""
    probability = np.zeros((12, 5, 5))
    probability[2:4, 2:4, 2:4] = left
    probability[8:10, 2:4, 2:4] = right
    reference = np.zeros(probability.shape, np.int32)
    reference[2:4, 2:4, 2:4] = 1
    return semantic(probability), reference


def spots(*says, lesions):
    """Cubes of eight voxels said with these probabilities, the first `lesions` of them lesions."""
    probability = np.zeros((4 * len(says), 4, 4))
    reference = np.zeros(probability.shape, np.int32)
    for number, value in enumerate(says):
        box = (slice(4 * number, 4 * number + 2), slice(1, 3), slice(1, 3))
        probability[box] = value
        reference[box] = number + 1 if number < lesions else 0
    return semantic(probability), reference
