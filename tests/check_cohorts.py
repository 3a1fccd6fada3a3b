"""Measures of scans that were never files: thumbnails and numbers made by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import ndimage

from lesionseg.cohort_check.measures import ChannelMeasures, ScanMeasures
from lesionseg.planning.likeness import FINE, ROUGH, as_text
from lesionseg.planning.scan_look import ChannelLook, ScanLook

CHANNELS = ("FLAIR", "T1")


def smooth(seed, size, like=None, share=0.0):
    """A smooth random field, int8; `share` of it is that of seed `like`."""

    def field(number):
        noise = np.random.default_rng(number).normal(size=(size,) * 3)
        noise = ndimage.gaussian_filter(noise, 1.2)
        return noise / noise.std()

    values = field(seed) * (1 - share) + (field(like) * share if like is not None else 0)
    return np.clip(np.rint(values / values.std() * 32), -127, 127).astype(np.int8)


def channel(number, seed, voxels=""):
    """Channel `number` of a scan."""
    return ChannelMeasures(
        file=f"f{number}{seed}",
        voxels=voxels or f"v{number}{seed}",
        bad_percent=0.0,
        top_percent=0.001,
        below_top_percent=0.1,
    )


def channel_look(number, seed):
    """How it looks: two thirds are what the channel has in common."""
    rough = smooth(1000 * number + seed, ROUGH, like=90 + number, share=0.6)
    return ChannelLook(0.0, (10.0, 100.0, 200.0, 220.0), 0.0, as_text(rough))


def scan(seed, **changes):
    """A scan of its own patient, named s00, s01, ...; a part of its head is that of all heads."""
    made = ScanMeasures(
        case=f"s{seed:02d}",
        patient=f"p{seed:02d}",
        split="train",
        shape=(100, 100, 100),
        spacing_mm=(1.0, 1.0, 1.0),
        orientation="RAS",
        channels=tuple(channel(n, seed) for n in range(len(CHANNELS))),
        look=ScanLook(tuple(channel_look(n, seed) for n in range(len(CHANNELS)))),
        files={name: f"f{n}{seed}" for n, name in enumerate(CHANNELS)} | {"mask": f"m{seed}"},
        mask_voxels=f"mask{seed}",
        lesion_volumes_mm3=(5.0, 20.0),
        lesion_kinds=(1, 1),
        lesion_ml=0.025,
        fine=smooth(seed, FINE, like=99, share=0.6),
        picture=np.zeros((96, 96), np.uint8),
        notes=(),
    )
    return dataclasses.replace(made, **changes)


def cohort(count=9):
    return [scan(seed) for seed in range(count)]
