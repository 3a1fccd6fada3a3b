"""What a model keeps of its training scans, from fingerprints made by hand."""

from __future__ import annotations

import dataclasses

import pytest
from test_plan import case

from lesionseg.planning.training_scans import scans_from, training_scans

THIN = case(spacing=(1.0, 0.5, 2.0))
THICK = dataclasses.replace(
    case(spacing=(5.0, 1.5, 1.0), slab_axis=0),
    shape=(20, 100, 100),
    intensities=((-10.0, 150.0, 90.0, 30.0),),
)


def test_ranges_are_the_least_and_the_largest_of_all_scans():
    made = training_scans([THIN, THICK])
    assert made.num_scans == 2
    assert made.in_plane_mm == (0.5, 1.5)
    assert made.slab_mm == (2.0, 5.0)
    assert made.slab_axes == (0, 2)
    assert made.field_mm == ((100.0, 100.0), (50.0, 150.0), (100.0, 200.0))
    assert made.low == ((-10.0, 10.0),)
    assert made.high == ((150.0, 200.0),)
    assert made.looks == ()  # two are too few to tell others by


@pytest.mark.parametrize(
    "change",
    [
        {"low": [[0, 1], [0, 1]]},
        {"field_mm": [[1, 2]]},
        {"slab_axes": []},
        {"slab_mm": [0, 1]},
        {"looks": ["no picture"]},
    ],
)
def test_what_is_no_record_of_training_scans_is_refused(change):
    content = dataclasses.asdict(training_scans([THIN, THICK]))
    assert scans_from(content, 1) == training_scans([THIN, THICK])
    with pytest.raises(KeyError):
        scans_from(content | change, 1)
