"""Small random volumes of lesion ids for property tests."""

import numpy as np
from hypothesis import strategies as st

SHAPE = (12, 11, 10)


def draw_ids(generator, count, shape=SHAPE):
    """Up to `count` boxes of 1-4 voxels a side with distinct ids; later ones cover earlier ones."""
    ids = np.zeros(shape, np.int32)
    for i in range(1, count + 1):
        size = generator.integers(1, 5, 3)
        start = [generator.integers(0, n - s + 1) for n, s in zip(shape, size)]
        ids[tuple(slice(a, a + s) for a, s in zip(start, size))] = i
    return ids


@st.composite
def mask_pairs(draw, min_reference=0, min_predicted=0):
    """(reference ids, predicted ids, spacing); half the predictions hold moved references."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    reference = draw_ids(generator, draw(st.integers(min_reference, 5)))
    prediction = draw_ids(generator, draw(st.integers(min_predicted, 4)))
    if draw(st.booleans()):
        moved = np.roll(reference, tuple(generator.integers(-1, 2, 3)), axis=(0, 1, 2))
        prediction = np.where(moved > 0, moved + prediction.max(), prediction).astype(np.int32)
    spacing = draw(st.sampled_from([(1.0, 1.0, 1.0), (0.5, 0.5, 3.0), (0.9, 1.1, 1.3)]))
    return reference, prediction, spacing
