"""On whom the loss falls: shares worked out on paper, and a loss that is what it was before."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lesionseg.data.augmentation import AugmentationRule
from lesionseg.data.sampling import SamplingRule, SlabSampler
from lesionseg.data.slabs import SlabRule
from lesionseg.models.losses import (
    LossTerm,
    cross_entropy_term,
    loss_terms,
    soft_dice_loss,
    term_values,
)
from lesionseg.models.targets import owners_in_batch, pixel_owners, slice_target
from lesionseg.ops.assignment import assign_by_iou
from lesionseg.ops.boxes import box_iou, encode_boxes, pad_boxes
from lesionseg.ops.masks import mask_targets
from lesionseg.size_buckets import SizeBuckets
from lesionseg.structures import Case, Grid
from lesionseg.training.loss_shares import loss_shares, term_by_size

BUCKETS = SizeBuckets.from_edges((3, 5, 10))
TERMS = {
    "unet": ["cross_entropy", "dice"],
    "maskrcnn": ["rpn_objectness", "rpn_box", "roi_class", "roi_box", "roi_mask", "dense"],
}
NO_SUM = ("dice", "dense")  # soft Dice is no sum over pixels


def ids_of(*squares, shape=(48, 48)):
    """Square lesions: id, row, column, side."""
    ids = np.zeros(shape, np.int32)
    for lesion, row, column, side in squares:
        ids[row : row + side, column : column + side] = lesion
    return ids


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
        lesions={lesion: {"volume_mm3": v} for lesion, v in volumes_mm3.items()},
    )


def shares(network, *cases, num_slabs=8, seed=0):
    table = loss_shares(
        network,
        list(cases),
        BUCKETS,
        slab_rule=SlabRule(0, 1.0),
        sampling=SamplingRule(size=48, batch_size=4, lesion_fraction=0.67),
        num_slabs=num_slabs,
        seed=seed,
        device=torch.device("cpu"),
    )
    assert list(table) == ["term", "bucket", "share_loss", "share_gradient"]
    return table


def build(narrow, name):
    more = {"loss": "dice_cross_entropy"} if name == "unet" else {}
    return narrow(name, **more)


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
    term = cross_entropy_term(logits, semantic, lambda: pixel_owners([target]))
    loss, gradient = term_by_size(term, np.array([1]), 4)  # the lesion is "small"
    # loss: ln 2 at the lesion, ln(1 + e^-2) at each of 15 others, over 16 pixels
    lesion, others = math.log(2), 15 * math.log1p(math.exp(-2))
    assert loss == pytest.approx([0, lesion / 16, 0, 0, others / 16], rel=1e-5)
    # gradient: 1 - p of the right class at both logits, over 16 pixels
    lesion, others = 2 * 0.5, 15 * 2 / (1 + math.exp(2))
    assert gradient == pytest.approx([0, lesion / 16, 0, 0, others / 16], rel=1e-5)
    assert gradient[1] / gradient.sum() == pytest.approx(0.2186, abs=1e-4)


def test_the_gradient_of_soft_dice_is_exact_and_its_loss_is_not_shared_out():
    logits, semantic, target = four_by_four()
    value = soft_dice_loss(logits, semantic)
    term = LossTerm(value, logits, lambda: pixel_owners([target]), None)
    loss, gradient = term_by_size(term, np.array([0]), 4)
    assert np.isnan(loss).all()
    # 1 - (2 o + 1) / s, o the lesion pixel's p, s the sum of p and truth and 1
    p, q = 0.5, 1 / (1 + math.exp(2))
    o, s = p, p + 15 * q + 1 + 1
    on_lesion = abs(-2 / s + (2 * o + 1) / s**2) * p * (1 - p) * 2
    elsewhere = (2 * o + 1) / s**2 * q * (1 - q) * 2 * 15
    assert gradient == pytest.approx([on_lesion, 0, 0, 0, elsewhere], rel=1e-5)


def test_a_pixel_knows_its_piece_among_the_pieces_of_the_batch():
    first, second = ids_of((5, 0, 0, 2), (9, 4, 4, 1)), ids_of((5, 10, 10, 3))
    targets = [slice_target(first), slice_target(ids_of()), slice_target(second)]
    owners = pixel_owners(targets)
    assert owners.shape == (3, 1, 48, 48)
    pieces = torch.cat([target.lesion_ids for target in targets]).tolist()
    assert sorted(pieces) == [5, 5, 9]
    expected = {0: first, 2: second}
    for n, ids in expected.items():
        for row, column in np.argwhere(ids):
            assert pieces[owners[n, 0, row, column]] == ids[row, column]
    assert (owners >= 0).sum() == 4 + 1 + 9
    assert (owners[1] == -1).all()


def test_owners_move_behind_the_pieces_before_them():
    targets = [slice_target(ids_of((1, 0, 0, 1), (2, 5, 5, 1))), slice_target(ids_of((1, 3, 3, 1)))]
    moved = owners_in_batch([torch.tensor([1, -1, 0]), torch.tensor([0, -2])], targets)
    assert [m.tolist() for m in moved] == [[1, -1, 0], [2, -1]]


def test_two_pieces_of_one_lesion_have_its_id():
    target = slice_target(ids_of((70_000, 1, 1, 2), (70_000, 20, 20, 3), (4, 30, 30, 1)))
    assert sorted(target.lesion_ids.tolist()) == [4, 70_000, 70_000]
    assert target.lesion_ids.dtype == torch.int32
    for lesion, box in zip(target.lesion_ids.tolist(), target.boxes.tolist()):
        assert (lesion == 4) == (box == [30, 30, 31, 31])


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


class Undecided(nn.Module):
    """Says one half everywhere."""

    def __init__(self):
        super().__init__()
        self.logit = nn.Parameter(torch.zeros(()))

    def _loss_terms(self, images, targets):
        logits = self.logit.expand(len(images), 2, *images.shape[2:])
        semantic = torch.stack([target.semantic for target in targets])
        return {"entropy": cross_entropy_term(logits, semantic, lambda: pixel_owners(targets))}


def test_an_undecided_network_is_pushed_by_area_and_lesions_are_looked_up_in_their_own_case():
    """Both cases have a lesion 1, of different sizes; every pixel has ln 2 of loss."""
    cases = [case("a", {1: 5.0}), case("b", {1: 900.0})]
    table = shares(Undecided(), *cases, num_slabs=14).set_index("bucket")
    sampling = SamplingRule(size=48, batch_size=4, lesion_fraction=0.67)
    still = AugmentationRule(flip=0, spatial=0, intensity=0)
    sampler = SlabSampler(cases, SlabRule(0, 1.0), sampling, still, 0)
    count = {"a": 0, "b": 0}
    for index in range(4):  # 14 slabs are four batches of four
        for slab in sampler.batch(index):
            count[slab.case] += int((slab.lesion_ids > 0).sum())
    assert 0 < count["a"] != count["b"] > 0
    pixels = 16 * 48 * 48
    expected = [count["a"], 0, 0, count["b"], pixels - count["a"] - count["b"]]
    for column in ("share_loss", "share_gradient"):
        assert table[column].tolist() == pytest.approx([n / pixels for n in expected], rel=1e-5)


@pytest.mark.parametrize("name", list(TERMS))
def test_the_same_seed_measures_the_same_and_leaves_the_network_as_it_was(narrow, name):
    network, cases = build(narrow, name).train(), case("a", {1: 5.0, 2: 40.0})
    network.generator = torch.Generator().manual_seed(9)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    one, two = shares(network, cases), shares(network, cases)
    assert one.equals(two)
    assert not one.equals(shares(network, cases, seed=1))
    assert network.training
    assert network.generator.initial_seed() == 9
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(weight.grad is None for weight in network.parameters())


def batch():
    """Four slices, one of them empty."""
    ids = [
        ids_of((1, 3, 3, 2), (2, 20, 30, 6)),
        ids_of(),
        ids_of((3, 40, 40, 8)),
        ids_of((1, 0, 0, 1), (2, 10, 10, 3), (3, 30, 12, 4)),
    ]
    images = torch.randn(4, 2, 48, 48, generator=torch.Generator().manual_seed(2))
    return images, [slice_target(i) for i in ids]


def test_losses_of_the_unet_are_the_usual_ones(narrow):
    network, (images, targets) = build(narrow, "unet").eval(), batch()
    found = network.losses(images, targets)
    semantic = torch.stack([target.semantic for target in targets])
    logits = network(images)
    assert list(found) == TERMS["unet"]
    torch.testing.assert_close(found["cross_entropy"], F.cross_entropy(logits, semantic))
    torch.testing.assert_close(found["dice"], soft_dice_loss(logits, semantic))


def test_losses_of_the_detector_are_the_usual_ones(narrow):
    """From the paper's formulas, over proposals of which none is left out."""
    every = {"num_samples": 10_000, "positive_fraction": 1.0, "num_mask_samples": 10_000}
    network = narrow("maskrcnn", roi_rule=every).eval()
    for head in network.rpn.objectness:
        nn.init.zeros_(head.bias)  # so that an ignored anchor would count, were it counted
    images, targets = batch()
    found = network.losses(images, targets)
    assert list(found) == TERMS["maskrcnn"]
    pyramid = network.backbone(images)
    logits, codes_at, anchors = network.rpn(pyramid)
    image, anchor = torch.ones_like(logits).nonzero(as_tuple=True)
    codes = codes_at(image, anchor).view(*logits.shape, 4)
    focal, box, num = rpn_losses(network.rpn.rule, logits, codes, anchors.boxes, targets)
    torch.testing.assert_close(found["rpn_objectness"], focal / num)
    torch.testing.assert_close(found["rpn_box"], box / num)
    num = network.rpn.rule.num_train_candidates
    found_there = network.rpn.proposals(logits, codes_at, anchors, (48, 48), num_candidates=num)
    proposals = [one.boxes for one in found_there]
    expected = roi_losses(network.roi_heads, pyramid, proposals, targets)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)
    semantic = torch.stack([target.semantic for target in targets])
    dense = F.pixel_shuffle(network.dense.classify(pyramid[0]), 2)
    expected = F.cross_entropy(dense, semantic) + soft_dice_loss(dense, semantic)
    torch.testing.assert_close(found["dense"], expected)


def rpn_losses(rule, logits, codes, anchors, targets):
    """Focal loss, box loss and number of positives, summed image by image."""
    focal = box = torch.zeros(())
    num = 0
    for n, target in enumerate(targets):
        match = assign_by_iou(
            anchors,
            target.boxes,
            positive=rule.positive_iou,
            negative=rule.negative_iou,
            force_best=True,
        )
        lesion, air = match >= 0, match == -1
        p = logits[n].sigmoid()
        a, g = rule.focal_alpha, rule.focal_gamma
        focal = focal - (a * (1 - p[lesion]) ** g * p[lesion].log()).sum()
        focal = focal - ((1 - a) * p[air] ** g * (1 - p[air]).log()).sum()
        wanted = encode_boxes(target.boxes[match[lesion]], anchors[lesion], (1.0, 1.0))
        box = box + F.smooth_l1_loss(codes[n][lesion], wanted, reduction="sum", beta=0.1)
        num += int(lesion.sum())
    return focal, box, num


def roi_losses(heads, pyramid, proposals, targets):
    """The three terms over all proposals and lesions, without any drawing of samples."""
    rois = [torch.cat([found, target.boxes]) for found, target in zip(proposals, targets)]
    logits, codes = heads._classify(pyramid, rois)
    entropy, offset, inside, owners = [], [], [], []
    row = 0
    for roi, target in zip(rois, targets):
        kept, own = [], []
        for box in roi:
            overlap = box_iou(box[None], target.boxes)[0] if len(target.boxes) else torch.zeros(1)
            lesion = float(overlap.max()) >= heads.rule.positive_iou
            share = logits[row].softmax(dim=0)
            entropy.append(-share[1 if lesion else 0].log())
            if lesion:
                piece = int(overlap.argmax())
                wanted = encode_boxes(target.boxes[piece][None], box[None], (5.0, 5.0))
                offset.append(F.smooth_l1_loss(codes[row][None], wanted, reduction="sum", beta=0.5))
                kept.append(box)
                own.append(piece)
            row += 1
        inside.append(pad_boxes(torch.stack(kept) if kept else roi[:0], 1.0))
        owners.append(own)
    masks = heads._masks(pyramid, inside)[:, 0]
    wanted = [
        mask_targets(target.masks[own].float(), box, heads.mask_size)
        for target, own, box in zip(targets, owners, inside)
        if own
    ]
    return {
        "roi_class": torch.stack(entropy).sum() / row,
        "roi_box": torch.stack(offset).sum() / row,
        "roi_mask": F.binary_cross_entropy(masks.sigmoid(), torch.cat(wanted)),
    }


@pytest.mark.parametrize("name", list(TERMS))
def test_the_terms_measured_are_the_losses_trained_on(narrow, name):
    network, (images, targets) = build(narrow, name).eval(), batch()
    network.generator = torch.Generator().manual_seed(0)
    trained = network.losses(images, targets)
    network.generator = torch.Generator().manual_seed(0)
    measured = term_values(loss_terms(network, images, targets))
    assert list(trained) == list(measured) == TERMS[name]
    for term, value in trained.items():
        assert torch.equal(value, measured[term]), term


def test_each_anchor_and_region_counts_for_the_lesion_it_is_matched_to(narrow):
    """The box terms are shared out as the positives are: each by the piece of highest IoU."""
    network, (images, targets) = narrow("maskrcnn").eval(), batch()
    network.generator = torch.Generator().manual_seed(0)
    terms = loss_terms(network, images, targets)
    pieces = torch.cat([target.boxes for target in targets])
    owners = terms["rpn_box"].owners()[:, 0]
    assert owners.min() >= 0
    assert set(owners.tolist()) == set(range(len(pieces)))  # no lesion goes without an anchor
    objectness = terms["rpn_objectness"].owners()
    assert (objectness >= 0).sum() == len(owners)
    start = 0
    for n, target in enumerate(targets):
        own = set(objectness[n].tolist()) - {-1}
        assert own == set(range(start, start + len(target.boxes)))
        start += len(target.boxes)
    regions, classes = terms["roi_box"].owners()[:, 0], terms["roi_class"].owners()[:, 0]
    assert set(regions.tolist()) == set(range(len(pieces)))
    assert regions.tolist() == classes[classes >= 0].tolist()
    for region, code in zip(regions, terms["roi_box"].parts):
        assert code.shape == (4,)
        assert 0 <= region < len(pieces)


def test_a_mask_cell_counts_for_the_lesion_where_the_lesion_is(narrow):
    """A 4 px square in its box grown by a pixel: 14 cells of 3/7 px, 2 to 11 in it, but corners.

    Cell 2 stands at 15/14 px of the grown box, where the lesion's edge at 1 px has risen to 4/7; at
    a corner it is 16/49, less than one half.
    """
    heads, target = narrow("maskrcnn").roi_heads, slice_target(ids_of((3, 20, 20, 4)))
    pyramid = [torch.zeros(1, 16, 48 // stride, 48 // stride) for stride in (2, 4, 8, 16)]
    term = heads.loss_terms(pyramid, [torch.zeros(0, 4)], [target], None)["roi_mask"]
    expected = torch.full((14, 14), -1)
    expected[2:12, 2:12] = 0
    for row in (2, 11):
        for column in (2, 11):
            expected[row, column] = -1
    assert term.owners().tolist() == [expected.tolist()]
    assert term.output.shape == term.parts.shape == (1, 14, 14)


def test_training_never_asks_for_owners():
    def owners():
        raise AssertionError

    semantic = torch.zeros(1, 4, 4, dtype=torch.long)
    term = cross_entropy_term(torch.zeros(1, 2, 4, 4), semantic, owners)
    assert float(term_values({"entropy": term})["entropy"]) == pytest.approx(math.log(2))
