"""A stream of small noisy slices with bright lesions, and a run over it with few words."""

from __future__ import annotations

import signal

import numpy as np
import pytest

from lesionseg.structures import Case, Grid


def toy_case(name, seed):
    """24 x 24 x 6 voxels of noise, two channels; three lesions, brighter by 3, in the first."""
    rng = np.random.default_rng(seed)
    ids = np.zeros((24, 24, 6), np.int32)
    for lesion in (1, 2, 3):
        row, column = rng.integers(0, 20, 2)
        ids[row : row + lesion, column : column + lesion, 2 * lesion - 2 : 2 * lesion] = lesion
    image = rng.normal(size=(2, *ids.shape))
    image[0] += 3 * (ids > 0)
    return Case(
        name=name,
        patient=name,
        image=image.astype(np.float16),
        lesion_ids=ids,
        affine=np.eye(4),
        slab_axis=2,
        original=Grid(ids.shape, np.eye(4)),
        channels=("a", "b"),
        lesions={int(i): {"volume_mm3": 1.0, "class": 1, "inside": 0} for i in np.unique(ids) if i},
    )


@pytest.fixture
def toy_cases():
    return [toy_case(f"toy{i}", i) for i in range(3)]


@pytest.fixture
def toy_sampler(toy_cases):
    from lesionseg.settings.augmentation import AugmentationRule
    from lesionseg.settings.sampling import SamplingRule
    from lesionseg.slabs.sampler import SlabSampler
    from lesionseg.slabs.slab import SlabRule

    rule = SamplingRule.model_construct(size=16, batch_size=2)  # smaller than is of use
    return SlabSampler(toy_cases[:2], SlabRule(0, 1.0), rule, AugmentationRule(), seed=5)


@pytest.fixture
def toy_blocks(toy_cases):
    """As `toy_sampler`, of blocks that are larger than the cases."""
    from lesionseg.settings.augmentation import AugmentationRule
    from lesionseg.settings.sampling import SamplingRule
    from lesionseg.slabs.sampler import SlabSampler
    from lesionseg.slabs.slab import BlockRule

    rule = SamplingRule.model_construct(size=32, batch_size=2)
    return SlabSampler(toy_cases[:2], BlockRule(8), rule, AugmentationRule(), seed=5)


@pytest.fixture
def train(toy_sampler, tmp_path):
    """fit() with small numbers; keywords go to Budget, TrainingRule and fit by their names."""
    from lesionseg.settings.training import TrainingRule
    from lesionseg.training.fit import Budget, fit

    def run(model, steps=None, minutes=None, *, folder="run", **options):
        rules = {"warmup_steps": 3, "checkpoint_every": 100, "validate_every": 100, "log_every": 1}
        rules |= {k: options.pop(k) for k in list(options) if k in TrainingRule.model_fields}
        wanted = {
            "sampler": toy_sampler,
            "validation": [],
            "count_lesions": lambda network, case: {},
            "device": "cpu",
            "seed": 7,
            "key": "k",
            "resume": True,
            "threads": 1,
        } | options
        done = fit(
            model,
            budget=Budget(steps, minutes),
            rule=TrainingRule(**rules),
            folder=tmp_path / folder,
            **wanted,
        )
        return done.steps

    return run


@pytest.fixture(autouse=True)
def signals_are_heard():
    """As at a terminal: a shell starts what runs in the background with some signals ignored."""
    before = {}
    for name in ("SIGINT", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            before[number] = signal.signal(number, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
