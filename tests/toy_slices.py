"""Slices with square lesions, bright on noise, and how a network is taught them."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import torch

from lesionseg.models.mask_rcnn.anchors import Anchors
from lesionseg.models.targets import slice_target


class Arrays(NamedTuple):
    """Detections as arrays."""

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    masks: np.ndarray


def target(lesions, shape=(40, 48), labels=None):
    """Square lesions: row, column, side; of class 1, or of the classes given."""
    ids = np.zeros(shape, np.int32)
    for number, (row, column, side) in enumerate(lesions, 1):
        ids[row : row + side, column : column + side] = number
    made = slice_target(ids)
    if labels is None:
        return made
    classes = torch.tensor([0, *labels])
    return dataclasses.replace(
        made,
        labels=classes[made.lesion_ids.long()],
        semantic=classes[torch.from_numpy(ids).long()],
    )


def images(num=2, shape=(40, 48), seed=0):
    """(num, 2, H, W) of noise."""
    return torch.randn(num, 2, *shape, generator=torch.Generator().manual_seed(seed))


def anchors_at(boxes):
    """One level of anchors (A, 4), each in a cell of its own."""
    return Anchors(torch.tensor(boxes), (len(boxes),), (1,))


def codes_of(codes):
    """Codes (N, A, 4) as the network gives them: of the anchors asked for."""
    return lambda image, anchor: codes[image, anchor]


def values(terms):
    """Of loss terms by name, what training sums."""
    return {name: term.value for name, term in terms.items()}


def as_arrays(found):
    """One slice's detections as arrays."""
    return Arrays(*(part.numpy() for part in dataclasses.astuple(found)))


def predicted(network, batch):
    """Detections of each image, as arrays."""
    return [as_arrays(one) for one in network.predict(batch)]


def taught(network, batch, targets, *, num_steps, rate=3e-3):
    """The network after so many steps on one batch, ready to predict."""
    network.train()
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate)
    for _ in range(num_steps):
        optimiser.zero_grad()
        sum(network.losses(batch, targets, generator).values()).backward()
        optimiser.step()
    return network.eval()
