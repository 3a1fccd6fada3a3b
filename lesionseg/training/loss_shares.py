"""Shares of the training loss and of its gradient by lesion size, and of background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

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
) -> pd.DataFrame:
    """Which share of each loss term, and of its gradient, each size of lesion has.

    Slabs are drawn from `cases` as training draws them, without augmentation, at least `num_slabs`
    in whole batches. The network runs in evaluation mode, with fixed normalisation statistics, and
    is left as it was. A lesion's size is its 3D volume in the case's table, however little of it a
    slab shows.

    Returns one row per term and bucket or "background", with term, bucket, share_loss and
    share_gradient (0 to 1, each adding up to 1 over a term). The gradient is taken with respect to
    the network's output and its magnitudes are added up. NaN: the loss of a term that is no sum
    over elements, like soft Dice, and all of a term that was 0 throughout.
    """
    sampler = SlabSampler(cases, slab_rule, sampling, AS_THEY_ARE, seed)
    volumes = {case.name: case.lesions for case in cases}
    loss: dict[str, NDArray[np.float64]] = {}
    gradient: dict[str, NDArray[np.float64]] = {}
    was_training, generator = network.training, Generator().manual_seed(seed)
    network.eval()
    try:
        for index in range(-(-num_slabs // sampling.batch_size)):
            batch = as_batch(sampler.batch(index)).to(device)
            sizes = _sizes(batch, volumes, buckets)
            terms = network.loss_terms(batch.images, batch.targets, generator)
            for name, term in terms.items():
                on_loss, on_gradient = term_by_size(term, batch.targets, sizes, len(buckets.names))
                loss[name] = loss.get(name, 0) + on_loss
                gradient[name] = gradient.get(name, 0) + on_gradient
    finally:
        network.train(was_training)
    parts = [
        pd.DataFrame(
            {
                "term": name,
                "bucket": [*buckets.names, BACKGROUND],
                "share_loss": _shares(loss[name]),
                "share_gradient": _shares(gradient[name]),
            }
        )
        for name in loss
    ]
    return pd.concat(parts, ignore_index=True)


def term_by_size(
    term: LossTerm, targets: Sequence[Target], sizes: NDArray[np.int64], num_sizes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A term and the magnitude of its gradient, summed by size: two of (num_sizes + 1,), float64.

    sizes: the bucket number of each piece of the batch. The last place is background's. The loss is
    NaN for a term that is no sum over elements.
    """
    # an owner of -1 is background and reads the last place
    by_owner = torch.as_tensor(np.append(sizes, num_sizes), device=term.output.device)
    bucket = by_owner[term_owners(term, targets)]
    (slope,) = torch.autograd.grad(term.value, term.output, retain_graph=True)
    gradient = _sum_by(slope.abs(), bucket, num_sizes + 1)
    if term.per_element is None:
        return np.full(num_sizes + 1, np.nan), gradient
    loss = _sum_by(term.per_element.detach(), bucket, num_sizes + 1)
    total = loss.sum()
    return (loss * (float(term.value.detach()) / total) if total > 0 else loss), gradient


def _sum_by(values: Tensor, bucket: Tensor, num: int) -> NDArray[np.float64]:
    where = bucket.expand(values.shape).flatten().cpu().numpy()
    weights = values.flatten().cpu().double().numpy()
    return np.bincount(where, weights=weights, minlength=num).astype(np.float64)


def _sizes(
    batch: Batch, lesions: Mapping[str, Mapping[int, Mapping[str, float]]], buckets: SizeBuckets
) -> NDArray[np.int64]:
    """The bucket number of every piece of the batch's targets, concatenated."""
    return buckets.index(
        np.array(
            [
                lesions[case][lesion]["volume_mm3"]
                for case, target in zip(batch.cases, batch.targets)
                for lesion in target.lesion_ids.tolist()
            ],
            dtype=np.float64,
        )
    )


def _shares(total: NDArray[np.float64]) -> NDArray[np.float64]:
    return total / total.sum() if total.sum() > 0 else np.full(len(total), np.nan)
