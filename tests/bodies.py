"""Scans of all parts of the body and of all makes, made of ellipsoids whose voxels are known.

Each function gives the image (X, Y, Z) on voxels of 2 mm, where the body is, and its modality.
"""

from __future__ import annotations

import numpy as np

SHAPE = (60, 56, 50)
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


def ellipsoid(centre, radii, shape=SHAPE):
    places = np.indices(shape) - np.reshape(centre, (3, 1, 1, 1))
    return ((places / np.reshape(radii, (3, 1, 1, 1))) ** 2).sum(axis=0) < 1


def noise(spread, shape=SHAPE):
    return np.random.default_rng(1).normal(0, spread, shape)


def mri_head():
    """Brain, dark ventricles, air of Rician noise."""
    body = ellipsoid((29, 28, 25), (22, 24, 20))
    image = np.where(body, 500.0, 0)
    image[ellipsoid((29, 28, 25), (4, 8, 5))] = 5
    return np.hypot(image + noise(8), noise(8)), body, "mri"


def chest_ct(*, air=-1000.0):
    """Lungs that the trachea joins to the top slice; body to the first and last slice."""
    body = np.repeat(ellipsoid((29, 28, 25), (26, 22, 1e9))[:, :, :1], SHAPE[2], axis=2)
    lungs = ellipsoid((18, 28, 24), (9, 14, 18)) | ellipsoid((40, 28, 24), (9, 14, 18))
    trachea = np.zeros(SHAPE, bool)
    trachea[27:32, 26:31, 20:] = True
    trachea[18:40, 27:30, 20:23] = True
    image = np.where(body, 40.0, air)
    image[lungs & body] = -850
    image[trachea & body] = -990
    return image + noise(12), body, "ct"


def abdomen_ct_with_table():
    body = np.repeat(ellipsoid((29, 26, 25), (26, 18, 1e9))[:, :, :1], SHAPE[2], axis=2)
    image = np.where(body, 50.0, -1000)
    image[ellipsoid((25, 20, 25), (5, 5, 10))] = -950  # gas in the bowel
    image[5:55, 50:52] = 100  # the table
    return image + noise(15), body, "ct"


def legs_ct():
    left, right = (ellipsoid((x, 28, 25), (9, 9, 1e9)) for x in (14, 44))
    body = left | right
    return np.where(body, 50.0, -1000) + noise(15), body, "ct"


def breast_mri():
    """Two breasts on a chest wall that is bright, lungs behind it that are dark."""
    breasts = ellipsoid((16, 40, 25), (10, 14, 12)) | ellipsoid((42, 40, 25), (10, 14, 12))
    wall = np.zeros(SHAPE, bool)
    wall[2:58, 14:28] = True
    image = np.where(breasts, 700.0, 0)
    image[wall] = 300
    return np.hypot(image + noise(6), noise(6)), breasts | wall, "mri"


def skull_stripped():
    image, body, _ = mri_head()
    return np.where(body, image, 0), body, "mri"


def z_scored():
    image, body, _ = mri_head()
    return np.where(body, (image - image[body].mean()) / image[body].std(), 0), body, "mri"


def z_scored_minus_nine():
    image, body, _ = z_scored()
    return np.where(body, image, -9), body, "mri"


def defaced():
    image, body, _ = mri_head()
    image[:, 44:, :20] = 0
    body = body.copy()
    body[:, 44:, :20] = False
    return image, body, "mri"


def pet():
    body = ellipsoid((29, 28, 25), (24, 20, 40))
    image = np.where(body, 0.6, 0.0) + np.abs(noise(0.02))
    image[ellipsoid((29, 28, 8), (4, 4, 4))] = 40  # the bladder
    return image, body, "mri"


def pet_of_legs():
    """Noise in the air that is a tenth as bright as the robust range, legs hardly brighter, and a
    metastasis in one of them."""
    trunk = ellipsoid((29, 28, 44), (24, 20, 10))
    legs = ellipsoid((18, 28, 14), (6, 6, 16)) | ellipsoid((40, 28, 14), (6, 6, 16))
    image = np.abs(noise(0.1)) + np.where(trunk, 6.0, 0) + np.where(legs & ~trunk, 0.3, 0)
    metastasis = ellipsoid((18, 28, 12), (4, 4, 4))
    image[metastasis] = 6
    return image, trunk | metastasis, "mri"


def zero_padded(voxels=4):
    """A head, its air and its noise, in a larger matrix of zeros."""
    image, body, _ = mri_head()
    inner = (slice(voxels, -voxels),) * 3
    padded_image = np.zeros(SHAPE)
    padded_image[inner] = image[inner] + 0.01
    return padded_image, body, "mri"


def map_with_bright_air():
    """An ADC map: noise over its whole range where there is no signal."""
    _, body, _ = mri_head()
    image = np.where(body, 800.0, np.random.default_rng(2).uniform(0, 4000, SHAPE))
    return image + noise(40), body, "mri"


def patch():
    """Tissue to every face, and dark tissue in one corner."""
    body = np.ones(SHAPE, bool)
    image = 400 + noise(30)
    image[:12, :12, :12] = 20
    return image, body, "mri"


def padded(value):
    image, body, _ = chest_ct()
    circle = ellipsoid((29, 28, 25), (29, 28, 1e9))
    return np.where(circle, image, value), body, "ct"


SCANS = {
    "MRI of a head": mri_head,
    "CT of a chest, its airway open": chest_ct,
    "CT of an abdomen on a table": abdomen_ct_with_table,
    "CT of two legs": legs_ct,
    "MRI of breasts": breast_mri,
    "skull-stripped": skull_stripped,
    "z-scored, 0 outside": z_scored,
    "z-scored, -9 outside": z_scored_minus_nine,
    "defaced": defaced,
    "PET": pet,
    "PET of a trunk and legs": pet_of_legs,
    "MRI padded with 0": zero_padded,
    "map whose air is bright": map_with_bright_air,
    "cut-out": patch,
    "CT padded with -3024": lambda: padded(-3024.0),
    "CT padded with -2000": lambda: padded(-2000.0),
    "CT padded with 0": lambda: padded(0.0),
}
