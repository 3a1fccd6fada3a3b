"""Shares of the training loss and of its gradient by lesion class and size, and of background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from lesionseg.lesion_classes import ONE_CLASS, LesionClasses
from lesionseg.models.interface import LossTerm, Network
from lesionseg.models.targets import Target
from lesionseg.settings.augmentation import AugmentationRule
from lesionseg.settings.sampling import SamplingRule
from lesionseg.size_buckets import SizeBuckets
from lesionseg.slabs.sampler import SlabSampler
from lesionseg.slabs.slab import SlabRule
from lesionseg.structures import Case
from lesionseg.training.loss_owners import term_owners
from lesionseg.training.stream import Batch, as_batch

BACKGROUND = "background"
AS_THEY_ARE = AugmentationRule(flip=0, spatial=0, intensity=0)


def loss_shares(
    network: Network,
    cases: Sequence[Case],
    buckets: SizeBuckets,
    *,
    slab_rule: SlabRule,
    sampling: SamplingRule,
    num_slabs: int,
    seed: int,
    device: torch.device,
    classes: LesionClasses = ONE_CLASS,
) -> pd.DataFrame:
    """Which share of each loss term, and of its gradient, each class and size of lesion has.

    Slabs are drawn from `cases` as training draws them, without augmentation, at least `num_slabs`
    in whole batches. The network runs in evaluation mode, with fixed normalisation statistics, and
    is left as it was. A lesion's size is its 3D volume in the case's table, however little of it a
    slab shows. A pixel of lesions inside one another is the innermost one's.

    Returns one row per term, class and bucket, and one per term whose class and bucket are
    "background": term, class (its name), bucket, share_loss and share_gradient (0 to 1, each adding
    up to 1 over a term). The gradient is taken with respect to
    the network's output and its magnitudes are added up. NaN: the loss of a term that is no sum
    over elements, like soft Dice, and all of a term that was 0 throughout.
    """
    sampler = SlabSampler(cases, slab_rule, sampling, AS_THEY_ARE, seed)
    lesions = {case.name: case.lesions for case in cases}
    groups = [(name, bucket) for name in classes.names for bucket in buckets.names]
    loss: dict[str, NDArray[np.float64]] = {}
    gradient: dict[str, NDArray[np.float64]] = {}
    was_training, generator = network.training, Generator().manual_seed(seed)
    network.eval()
    try:
        for index in range(-(-num_slabs // sampling.batch_size)):
            batch = as_batch(sampler.batch(index)).to(device)
            groups_of_pieces = _groups(batch, lesions, buckets)
            terms = network.loss_terms(batch.images, batch.targets, generator)
            for name, term in terms.items():
                on_loss, on_gradient = term_by_group(
                    term, batch.targets, groups_of_pieces, len(groups)
                )
                loss[name] = loss.get(name, 0) + on_loss
                gradient[name] = gradient.get(name, 0) + on_gradient
    finally:
        network.train(was_training)
    names, sizes = zip(*groups, (BACKGROUND, BACKGROUND))
    parts = [
        pd.DataFrame(
            {
                "term": name,
                "class": names,
                "bucket": sizes,
                "share_loss": _shares(loss[name]),
                "share_gradient": _shares(gradient[name]),
            }
        )
        for name in loss
    ]
    return pd.concat(parts, ignore_index=True)


def term_by_group(
    term: LossTerm, targets: Sequence[Target], groups: NDArray[np.int64], num_groups: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A term and the magnitude of its gradient, summed by group: two of (num_groups + 1,), float64.

    groups: the group's number, from 0, of each piece of the batch. The last place is background's.
    The loss is NaN for a term that is no sum over elements.
    """
    # an owner of -1 is background and reads the last place
    by_owner = torch.as_tensor(np.append(groups, num_groups), device=term.output.device)
    group = by_owner[term_owners(term, targets)]
    (slope,) = torch.autograd.grad(term.value, term.output, retain_graph=True)
    gradient = _sum_by(slope.abs(), group, num_groups + 1)
    if term.per_element is None:
        return np.full(num_groups + 1, np.nan), gradient
    loss = _sum_by(term.per_element.detach(), group, num_groups + 1)
    total = loss.sum()
    return (loss * (float(term.value.detach()) / total) if total > 0 else loss), gradient


def _sum_by(values: Tensor, group: Tensor, num: int) -> NDArray[np.float64]:
    where = group.expand(values.shape).flatten().cpu().numpy()
    weights = values.flatten().cpu().double().numpy()
    return np.bincount(where, weights=weights, minlength=num).astype(np.float64)


def _groups(
    batch: Batch, lesions: Mapping[str, Mapping[int, Mapping[str, float]]], buckets: SizeBuckets
) -> NDArray[np.int64]:
    """The number of class and bucket of every piece of the batch's targets, concatenated."""
    rows = [
        lesions[case][lesion]
        for case, target in zip(batch.cases, batch.targets)
        for lesion in target.lesion_ids.tolist()
    ]
    sizes = buckets.index(np.array([row["volume_mm3"] for row in rows], np.float64))
    classes = np.array([row["class"] for row in rows], np.int64)
    return (classes - 1) * len(buckets.names) + sizes


def _shares(total: NDArray[np.float64]) -> NDArray[np.float64]:
    return total / total.sum() if total.sum() > 0 else np.full(len(total), np.nan)
