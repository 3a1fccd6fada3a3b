"""The batches of training: slabs drawn by the sampler, turned into tensors and targets."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

from lesionseg.models.targets import Target, block_target, slice_target
from lesionseg.slabs.sampler import SlabSampler
from lesionseg.structures import Case, Slab


@dataclass(frozen=True, eq=False)
class Batch:
    """images: (N, C, H, W) float32. targets: N records. cases: N names, for error messages."""

    images: Tensor
    targets: list[Target]
    cases: list[str]

    def to(self, device: torch.device) -> Batch:
        images = self.images.to(device, non_blocking=True, memory_format=torch.channels_last)
        return Batch(images, [t.to(device) for t in self.targets], self.cases)

    def pin_memory(self) -> Batch:
        return Batch(self.images.pin_memory(), [t.pin_memory() for t in self.targets], self.cases)


def as_batch(slabs: Sequence[Slab]) -> Batch:
    """Slabs of one size, with lesion ids, as what the networks take."""
    return Batch(
        images=torch.from_numpy(np.stack([slab.image for slab in slabs])),
        targets=[
            (slice_target if slab.lesion_ids.ndim == 2 else block_target)(
                slab.lesion_ids, slab.kinds
            )
            for slab in slabs
            if slab.lesion_ids is not None
        ],
        cases=[slab.case for slab in slabs],
    )


class SlabStream(IterableDataset[Batch]):
    """Batches first_step, first_step + 1, ... without end, dealt out over the loader's workers.

    Without worker processes a thread makes the next batch while the network computes on this one.
    """

    def __init__(self, sampler: SlabSampler, first_step: int) -> None:
        self.sampler, self.first_step = sampler, first_step

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        if worker:
            for step in itertools.count(self.first_step + worker.id, worker.num_workers):
                yield self._batch(step)
        with ThreadPoolExecutor(1, "next batch") as maker:
            ahead = maker.submit(self._batch, self.first_step)
            for step in itertools.count(self.first_step + 1):
                batch = ahead.result()
                ahead = maker.submit(self._batch, step)
                yield batch

    def _batch(self, step: int) -> Batch:
        return as_batch(self.sampler.batch(step))


class WholeCases(Dataset[Case]):
    """Validation cases, one an item."""

    def __init__(self, cases: list[Case]) -> None:
        self.cases = cases

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, index: int) -> Case:
        return self.cases[index]


class LesionData(L.LightningDataModule):
    """Loaders of the training stream and of the validation cases."""

    def __init__(self, sampler: SlabSampler, validation: list[Case], num_workers: int) -> None:
        super().__init__()
        self.sampler, self.validation, self.num_workers = sampler, validation, num_workers
        self.first_step = 0

    def train_dataloader(self) -> DataLoader[Batch]:
        return DataLoader(
            SlabStream(self.sampler, self.first_step),
            batch_size=None,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
        )

    def val_dataloader(self) -> DataLoader[Case]:
        return DataLoader(WholeCases(self.validation), batch_size=None, num_workers=0)
