"""The loader's batches: those of the sampler, in order, however many workers make them."""

from __future__ import annotations

import dataclasses
import pickle
import threading
from itertools import islice

import numpy as np
import pytest
import torch

from lesionseg.errors import CaseError
from lesionseg.io.case_store import LESION_COLUMNS, open_case, write_case
from lesionseg.training.stream import LesionData, SlabStream


def test_a_batch_holds_the_slabs_of_its_step(toy_sampler):
    first, second = islice(SlabStream(toy_sampler, 4), 2)
    for batch, step in ((first, 4), (second, 5)):
        slabs = toy_sampler.batch(step)
        np.testing.assert_array_equal(batch.images, np.stack([s.image for s in slabs]))
        assert batch.images.dtype == torch.float32
        assert batch.cases == [s.case for s in slabs]
        assert len(batch.targets) == len(slabs) == 2
        for target, slab in zip(batch.targets, slabs):
            np.testing.assert_array_equal(target.semantic, slab.lesion_ids > 0)


def test_moving_a_batch_moves_all_of_it(toy_sampler):
    (batch,) = islice(SlabStream(toy_sampler, 0), 1)
    moved = batch.to(torch.device("meta"))
    assert moved.images.device.type == "meta"
    assert all(t.boxes.device.type == t.masks.device.type == "meta" for t in moved.targets)
    assert moved.cases == batch.cases


@pytest.fixture
def stored(toy_sampler, toy_cases, tmp_path):
    """The sampler over the same cases, compressed on disk."""
    row = dict.fromkeys(LESION_COLUMNS, 1.0) | {"inside": 0.0}
    for case in toy_cases[:2]:
        write_case(tmp_path, dataclasses.replace(case, lesions=dict.fromkeys(case.lesions, row)))
    toy_sampler.cases = [open_case(tmp_path, case.name) for case in toy_cases[:2]]
    return toy_sampler


def test_a_sampler_over_stored_cases_can_be_sent_to_another_process(stored):
    before = stored.batch(3)
    after = pickle.loads(pickle.dumps(stored)).batch(3)
    for one, other in zip(before, after):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.lesion_ids, other.lesion_ids)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_workers_deal_out_the_same_batches_in_the_same_order(stored):
    batches = []
    for num_workers in (0, 2):
        data = LesionData(stored, [], num_workers)
        data.first_step = 3
        batches.append([b.images for b in islice(iter(data.train_dataloader()), 5)])
    assert all(torch.equal(a, b) for a, b in zip(*batches))
    assert not torch.equal(batches[0][0], batches[0][1])


def test_validation_cases_come_one_by_one(toy_sampler, toy_cases):
    data = LesionData(toy_sampler, toy_cases, 0)
    assert [case.name for case in data.val_dataloader()] == ["toy0", "toy1", "toy2"]


def test_the_next_batch_is_made_while_one_is_used_and_no_thread_stays(toy_sampler):
    made = []
    plain = toy_sampler.batch

    def batch(step):
        made.append((step, threading.current_thread().name))
        return plain(step)

    toy_sampler.batch = batch
    stream = iter(SlabStream(toy_sampler, 3))
    next(stream)
    next(stream)
    stream.close()
    assert [step for step, _ in made] == [3, 4, 5]
    assert all(name.startswith("next batch") for _, name in made)
    assert not [t for t in threading.enumerate() if t.name.startswith("next batch")]


def test_what_goes_wrong_in_the_making_reaches_the_caller(toy_sampler):
    def batch(step):
        raise CaseError("toy7", "cannot be read")

    toy_sampler.batch = batch
    with pytest.raises(CaseError, match="toy7"):
        next(iter(SlabStream(toy_sampler, 0)))
