"""What a missed lesion costs: by hand for pixels, by a slow loop for anchors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from loss_networks import build

from lesionseg.lesion_classes import named_classes
from lesionseg.models.interface import LossTerm
from lesionseg.models.losses import cross_entropy_term, dice_term
from lesionseg.models.pixel_classes import PixelClasses
from lesionseg.models.targets import slice_target
from lesionseg.slabs.slab import SlabRule
from lesionseg.structures import Case, Grid
from lesionseg.training.missing_price import SURE, _drawn, lesion_prices, missing_prices


def squares(sides, seed=0):
    """4 slices of 64 x 64; lesion i, a square of `sides[i - 1]`, in a place of its own."""
    ids = np.zeros((64, 64, 4), np.int32)
    for lesion, side in enumerate(sides, 1):
        row, column = divmod(lesion - 1, 3)
        ids[4 + 20 * row :, 4 + 20 * column :, 1:3][:side, :side] = lesion
    noise = np.random.default_rng(seed).normal(size=(2, *ids.shape))
    return Case(
        name=f"case{seed}",
        patient="p",
        image=(noise + 2 * (ids > 0)).astype(np.float16),
        lesion_ids=ids,
        affine=np.eye(4),
        slab_axis=2,
        original=Grid(ids.shape, np.eye(4)),
        channels=("a", "b"),
        lesions={
            n: {"diameter_mm": float(side), "class": 1, "inside": 0}
            for n, side in enumerate(sides, 1)
        },
    )


def targets_of(*sides):
    return [slice_target(squares(sides).lesion_ids[:, :, 1])]


def test_a_pixel_s_cross_entropy_charges_four_times_the_share_of_pixels():
    """ln(1 + e^4) - ln(1 + e^-4) = 4 a pixel, whatever the network says there now."""
    targets = targets_of(3, 5)
    semantic = targets[0].semantic[None]
    logits = torch.randn(1, 2, 64, 64, generator=torch.Generator().manual_seed(1)) * 3
    terms = {"ce": cross_entropy_term(logits, semantic, PixelClasses(1))}
    assert lesion_prices(terms, targets, 1)["ce"] == pytest.approx(4 * 9 / 4096, rel=1e-5)
    assert lesion_prices(terms, targets, 2)["ce"] == pytest.approx(4 * 25 / 4096, rel=1e-5)
    assert lesion_prices(terms, targets, 3) == {"ce": 0.0}  # not in the slab


def test_soft_dice_on_paper():
    targets = targets_of(2)
    semantic = targets[0].semantic[None]
    logits = torch.zeros(1, 2, 64, 64)  # one half everywhere
    price = lesion_prices({"dice": dice_term(logits, semantic, PixelClasses(1))}, targets, 1)[
        "dice"
    ]
    sure = 1 / (1 + math.exp(-SURE))
    others = 0.5 * (4096 - 4)

    def loss(probability):
        return 1 - (2 * 4 * probability + 1) / (4 * probability + others + 4 + 1)

    assert price == pytest.approx(loss(1 - sure) - loss(sure), rel=1e-4)


def test_anchors_charge_for_their_lesion_alone():
    """Three anchors: two of lesion 1, one of lesion 2, and one of none."""
    targets = targets_of(2, 3)
    positive = torch.tensor([[1.0, 1, 1, 0]])

    def term(logits):
        each = F.binary_cross_entropy_with_logits(logits, positive, reduction="none")
        return LossTerm(
            each.sum() / 3, logits, each, "scores", term, matches=[torch.tensor([0, 0, 1, -1])]
        )

    terms = {"objectness": term(torch.tensor([[0.3, -2.0, 5.0, 0.0]]))}
    assert lesion_prices(terms, targets, 1)["objectness"] == pytest.approx(2 * SURE / 3, rel=1e-5)
    assert lesion_prices(terms, targets, 2)["objectness"] == pytest.approx(SURE / 3, rel=1e-5)


def test_a_box_without_a_positive_stays_where_it_was_proposed():
    targets = targets_of(2, 3)
    wanted = torch.tensor([[1.0, 0, 0, 0], [0, 2, 0, 0]])

    def term(codes):
        each = (codes - wanted).abs()
        chosen = torch.tensor([True, True, False])
        matches = [torch.tensor([0, 1, -1])]
        return LossTerm(each.sum() / 2, codes, each, "codes", term, matches, chosen)

    terms = {"box": term(torch.full((2, 4), 7.0))}
    assert lesion_prices(terms, targets, 1)["box"] == pytest.approx(0.5)
    assert lesion_prices(terms, targets, 2)["box"] == pytest.approx(1.0)


def test_a_mask_that_is_empty_costs_the_cells_that_the_lesion_covers():
    targets = targets_of(2)
    drawn = torch.zeros(1, 4, 4)
    drawn[0, 1:3, 1:3] = 1

    def term(own):
        each = F.binary_cross_entropy_with_logits(own, drawn, reduction="none")
        matches = [torch.tensor([0])]
        return LossTerm(each.mean(), own, each, "masks", term, matches, drawn=drawn)

    price = lesion_prices({"mask": term(torch.randn(1, 4, 4))}, targets, 1)["mask"]
    assert price == pytest.approx(SURE * 4 / 16, rel=1e-5)


@pytest.mark.parametrize("name", ["unet", "maskrcnn"])
def test_every_term_of_a_network_has_a_price(narrow, name):
    network = build(narrow, name)
    network.train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    table = missing_prices(
        network,
        [squares((2, 3, 4, 6, 9)), squares((2, 5), seed=1)],
        slab_rule=SlabRule(0, 1.0),
        size=48,
        num_lesions=7,
        seed=0,
        device=torch.device("cpu"),
    )
    assert len(table) == 7 * table["term"].nunique()
    assert set(table["class"]) == {"lesion"}
    assert np.isfinite(table["price"]).all()
    assert (table["price"] > -1e-5).all()
    assert (table.groupby("term")["price"].max() > 0).all()
    assert network.training
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]), key
    if name == "unet":
        mine = table[table["term"] == "cross_entropy"]
        expected = SURE * mine["diameter_mm"] ** 2 / 48**2
        np.testing.assert_allclose(mine["price"], expected, rtol=1e-4)


def test_each_lesion_is_told_with_its_class(narrow):
    made = squares((2, 3))
    made.lesions[2]["class"] = 2
    table = missing_prices(
        narrow("unet", num_classes=2),
        [made],
        slab_rule=SlabRule(0, 1.0),
        size=48,
        num_lesions=2,
        seed=0,
        device=torch.device("cpu"),
        classes=named_classes({"core": [1], "oedema": [2]}),
    )
    assert set(zip(table["lesion"], table["class"])) == {(1, "core"), (2, "oedema")}
    charged = table[table["term"] == "cross_entropy"].set_index("class")["price"]
    assert charged.tolist() == pytest.approx([SURE * 4 / 48**2, SURE * 9 / 48**2], rel=1e-4)


def test_small_and_large_lesions_are_drawn_alike():
    case = squares((2, 3))
    many = {n: {"diameter_mm": 2.0} for n in range(1, 91)}
    many |= {n: {"diameter_mm": 20.0} for n in range(91, 101)}
    object.__setattr__(case, "lesions", many)
    drawn = [case.lesions[lesion]["diameter_mm"] for _, lesion in _drawn([case], 20, rng())]
    assert (drawn.count(2.0), drawn.count(20.0)) == (10, 10)
    assert len(_drawn([case], 1000, rng())) == 100


def rng():
    return np.random.default_rng(0)
