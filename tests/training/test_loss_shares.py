"""Loss shares by lesion size, worked out on paper."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from loss_networks import TERMS, build, ids_of
from torch import nn

from lesionseg.lesion_classes import ONE_CLASS, named_classes
from lesionseg.models.interface import LossTerm, Network
from lesionseg.models.losses import cross_entropy_term, soft_dice_loss
from lesionseg.models.pixel_classes import PixelClasses
from lesionseg.models.targets import slice_target
from lesionseg.settings.augmentation import AugmentationRule
from lesionseg.settings.sampling import SamplingRule
from lesionseg.size_buckets import SizeBuckets
from lesionseg.slabs.sampler import SlabSampler
from lesionseg.slabs.slab import SlabRule
from lesionseg.structures import Case, Grid
from lesionseg.training.loss_shares import loss_shares, term_by_group

BUCKETS = SizeBuckets.from_edges((3, 5, 10))
NO_SUM = ("dice", "dense")  # soft Dice is no sum over pixels


def case(name, volumes_mm3):
    """6 slices of 48 x 48; lesion i is a square of side 2 + i on its own rows, of a told volume."""
    ids = np.zeros((6, 48, 48), np.int32)
    for lesion in volumes_mm3:
        row = 4 + 9 * (lesion - 1)
        ids[1:5, row : row + 2 + lesion, 10 : 12 + lesion] = lesion
    noise = np.random.default_rng(3).normal(size=(2, 6, 48, 48))
    image = (noise + 2 * (ids > 0)).astype(np.float16)
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    return Case(
        name=name,
        patient=name,
        image=image,
        lesion_ids=ids,
        affine=affine,
        slab_axis=0,
        original=Grid(ids.shape, affine),
        channels=("a", "b"),
        lesions={
            lesion: {"volume_mm3": v, "class": 1, "inside": 0} for lesion, v in volumes_mm3.items()
        },
    )


def shares(network, *cases, num_slabs=8, seed=0, classes=ONE_CLASS):
    table = loss_shares(
        network,
        list(cases),
        BUCKETS,
        slab_rule=SlabRule(0, 1.0),
        sampling=SamplingRule(size=48, batch_size=4, lesion_fraction=0.67),
        num_slabs=num_slabs,
        seed=seed,
        device=torch.device("cpu"),
        classes=classes,
    )
    assert list(table) == ["term", "class", "bucket", "share_loss", "share_gradient"]
    return table


def four_by_four():
    """One lesion pixel at logit difference 0, every other pixel sure of background, at -2."""
    semantic = torch.zeros(1, 4, 4, dtype=torch.long)
    semantic[0, 1, 2] = 1
    difference = torch.full((1, 4, 4), -2.0)
    difference[0, 1, 2] = 0.0
    logits = torch.stack([torch.zeros(1, 4, 4), difference], dim=1).requires_grad_()
    target = slice_target(ids_of((7, 1, 2, 1), shape=(4, 4)))
    return logits, semantic, target


def test_cross_entropy_of_one_lesion_pixel_on_paper():
    logits, semantic, target = four_by_four()
    term = cross_entropy_term(logits, semantic, PixelClasses(1))
    loss, gradient = term_by_group(term, [target], np.array([1]), 4)  # the lesion is "small"
    # loss: ln 2 at the lesion, ln(1 + e^-2) at each of 15 others, over 16 pixels
    lesion, others = math.log(2), 15 * math.log1p(math.exp(-2))
    assert loss == pytest.approx([0, lesion / 16, 0, 0, others / 16], rel=1e-5)
    # gradient: 1 - p of the right class at both logits, over 16 pixels
    lesion, others = 2 * 0.5, 15 * 2 / (1 + math.exp(2))
    assert gradient == pytest.approx([0, lesion / 16, 0, 0, others / 16], rel=1e-5)
    assert gradient[1] / gradient.sum() == pytest.approx(0.2186, abs=1e-4)


def test_the_gradient_of_soft_dice_is_exact_and_its_loss_is_not_shared_out():
    logits, semantic, target = four_by_four()
    value = soft_dice_loss(logits, semantic, PixelClasses(1))
    term = LossTerm(value, logits, None, "classes", again=lambda other: None)
    loss, gradient = term_by_group(term, [target], np.array([0]), 4)
    assert np.isnan(loss).all()
    # 1 - (2 o + 1) / s, o the lesion pixel's p, s the sum of p and truth and 1
    p, q = 0.5, 1 / (1 + math.exp(2))
    o, s = p, p + 15 * q + 1 + 1
    on_lesion = abs(-2 / s + (2 * o + 1) / s**2) * p * (1 - p) * 2
    elsewhere = (2 * o + 1) / s**2 * q * (1 - q) * 2 * 15
    assert gradient == pytest.approx([on_lesion, 0, 0, 0, elsewhere], rel=1e-5)


@pytest.mark.parametrize("name", list(TERMS))
def test_shares_of_each_term_add_up_to_one(narrow, name):
    table = shares(build(narrow, name), case("a", {1: 5.0, 2: 40.0, 3: 900.0}))
    assert table["term"].unique().tolist() == TERMS[name]
    for term, part in table.groupby("term"):
        assert part["bucket"].tolist() == [*BUCKETS.names, "background"]
        assert part["share_gradient"].sum() == pytest.approx(1)
        if term in NO_SUM:
            assert part["share_loss"].isna().all()
        else:
            assert part["share_loss"].sum() == pytest.approx(1)
            assert part["share_loss"].between(0, 1).all()
    by_bucket = table.groupby("bucket")["share_gradient"].min()
    assert by_bucket[["tiny", "small", "large"]].gt(0).all()  # 5, 40 and 900 mm3
    assert by_bucket["medium"] == 0


@pytest.mark.parametrize("name", list(TERMS))
def test_lesions_of_one_size_leave_only_that_size_and_background(narrow, name):
    """The size is the 3D volume of the table, not what a slab shows."""
    table = shares(build(narrow, name), case("a", {1: 100.0, 2: 100.0}))
    others = table[table["bucket"].isin(["tiny", "small", "large"])]
    assert (others[["share_loss", "share_gradient"]].fillna(0) == 0).all(axis=None)
    lesions = table[table["bucket"] == "medium"].set_index("term")["share_gradient"]
    assert lesions.gt(0).all()
    only_lesions = [term for term in ("rpn_box", "roi_box") if term in lesions]
    assert lesions[only_lesions].tolist() == pytest.approx([1.0] * len(only_lesions))


@pytest.mark.parametrize("name", list(TERMS))
def test_slabs_without_lesions_are_background(narrow, name):
    table = shares(build(narrow, name), case("a", {})).set_index(["term", "bucket"])
    undefined = ("rpn_box", "roi_box", "roi_mask")
    for term in TERMS[name]:
        gradient = table.loc[term, "share_gradient"]
        if term in undefined:
            assert gradient.isna().all()
        else:
            assert gradient.tolist() == [0, 0, 0, 0, 1]


class Undecided(Network):
    """Calls background and each class as likely as the others everywhere."""

    def __init__(self, num_classes=1):
        super().__init__()
        self.channels = num_classes + 1
        self.logit = nn.Parameter(torch.zeros(()))

    detects = False

    def predict(self, images):
        raise AssertionError

    def loss_terms(self, images, targets, generator=None):
        logits = self.logit.expand(len(images), self.channels, *images.shape[2:])
        semantic = torch.stack([target.semantic for target in targets])
        return {"entropy": cross_entropy_term(logits, semantic, PixelClasses(self.channels - 1))}


def pixels_drawn(cases, num_batches):
    """Pixels of each lesion, by case and lesion id, in the slabs that are drawn."""
    sampling = SamplingRule(size=48, batch_size=4, lesion_fraction=0.67)
    still = AugmentationRule(flip=0, spatial=0, intensity=0)
    sampler = SlabSampler(cases, SlabRule(0, 1.0), sampling, still, 0)
    count = Counter()
    for index in range(num_batches):
        for slab in sampler.batch(index):
            for lesion in slab.lesion_ids[slab.lesion_ids > 0].tolist():
                count[slab.case, lesion] += 1
    return count


def test_an_undecided_network_is_pushed_by_area_and_lesions_are_looked_up_in_their_own_case():
    """Both cases have a lesion 1, of different sizes; every pixel has ln 2 of loss."""
    cases = [case("a", {1: 5.0}), case("b", {1: 900.0})]
    table = shares(Undecided(), *cases, num_slabs=14).set_index("bucket")
    assert table["class"].tolist() == ["lesion"] * 4 + ["background"]
    count = pixels_drawn(cases, 4)  # 14 slabs are four batches of four
    assert 0 < count["a", 1] != count["b", 1] > 0
    pixels = 16 * 48 * 48
    expected = [count["a", 1], 0, 0, count["b", 1], pixels - count["a", 1] - count["b", 1]]
    for column in ("share_loss", "share_gradient"):
        assert table[column].tolist() == pytest.approx([n / pixels for n in expected], rel=1e-5)


def test_lesions_of_two_classes_and_of_one_size_are_told_apart():
    """Lesions 1 and 2 are tiny, of either class; 3 is a large one of the second class."""
    made = case("a", {1: 5.0, 2: 5.0, 3: 900.0})
    for lesion, number in ((1, 1), (2, 2), (3, 2)):
        made.lesions[lesion]["class"] = number
    classes = named_classes({"core": [1], "oedema": [2]})
    table = shares(Undecided(2), made, classes=classes)
    assert len(table) == 2 * 4 + 1
    found = table.set_index(["class", "bucket"])["share_gradient"]
    count, pixels = pixels_drawn([made], 2), 8 * 48 * 48
    assert len(set(count.values())) == 3
    assert found["core", "tiny"] == pytest.approx(count["a", 1] / pixels, rel=1e-5)
    assert found["oedema", "tiny"] == pytest.approx(count["a", 2] / pixels, rel=1e-5)
    assert found["oedema", "large"] == pytest.approx(count["a", 3] / pixels, rel=1e-5)
    background = 1 - sum(count.values()) / pixels
    assert found["background", "background"] == pytest.approx(background, rel=1e-5)


@pytest.mark.parametrize("name", list(TERMS))
def test_the_same_seed_measures_the_same_and_leaves_the_network_as_it_was(narrow, name):
    network, cases = build(narrow, name).train(), case("a", {1: 5.0, 2: 40.0})
    state = torch.get_rng_state()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    one, two = shares(network, cases), shares(network, cases)
    assert one.equals(two)
    assert not one.equals(shares(network, cases, seed=1))
    assert network.training
    assert torch.equal(torch.get_rng_state(), state)
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(weight.grad is None for weight in network.parameters())
