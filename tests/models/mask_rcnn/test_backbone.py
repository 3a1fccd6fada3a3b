"""The pyramid: its levels in every size, what its slices see, and how it is normalised."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lesionseg.errors import UsageError
from lesionseg.models.blocks import ResidualBlock, normalisation
from lesionseg.models.mask_rcnn.backbone import DenseHead, PyramidBackbone, backbone_size
from lesionseg.models.pixel_classes import PixelClasses


def backbone(size="tiny", *, fusion="stack", num_slices=1, norm="batch", **settings):
    return PyramidBackbone(
        2 * num_slices,
        size=backbone_size(size),
        pyramid_channels=8,
        norm=norm,
        fusion=fusion,
        num_slices=num_slices,
        **settings,
    )


def slab(num=1, num_slices=1, side=32, seed=0):
    """(num, 2 channels x num_slices, side, side), channel-major."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num, 2 * num_slices, side, side, generator=generator)


@pytest.mark.parametrize("num_slices", [1, 3, 7])
@pytest.mark.parametrize("finest_stride", [1, 2])
@pytest.mark.parametrize("fusion", ["stack", "volume"])
@pytest.mark.parametrize("size", ["nano", "small", "base"])
def test_each_level_is_half_the_one_before_and_flat(size, fusion, finest_stride, num_slices):
    with torch.device("meta"):  # shapes alone: nothing is computed
        network = backbone(size, fusion=fusion, num_slices=num_slices, finest_stride=finest_stride)
        levels = network(torch.zeros(2, 2 * num_slices, 64, 96))
    assert network.strides == tuple(finest_stride * step for step in (1, 2, 4, 8))
    expected = [(2, 8, 64 // stride, 96 // stride) for stride in network.strides]
    assert [tuple(level.shape) for level in levels] == expected


def test_base_is_of_the_class_of_a_resnet_50():
    """48 convolutions in 16 bottlenecks, 23.5 million weights without the classifier."""
    with torch.device("meta"):
        stages = backbone("base").stages
    inside = [
        layer
        for block in stages.modules()
        if isinstance(block, ResidualBlock)
        for layer in block.main.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    assert len(inside) == 48
    millions = sum(weight.numel() for weight in stages.parameters()) / 1e6
    assert millions == pytest.approx(23.5, abs=0.2)


@pytest.mark.parametrize(
    ("num_slices", "depths"),
    [(1, [1, 1, 1, 1]), (3, [1, 1, 1, 1]), (5, [3, 1, 1, 1]), (7, [5, 3, 1, 1])],
)
def test_stages_contract_the_slab_two_slices_at_a_time(num_slices, depths):
    network = backbone(fusion="volume", num_slices=num_slices)
    found = []
    for stage in network.stages:
        stage.register_forward_hook(lambda layer, given, made: found.append(made.shape[2]))
    network(slab(num_slices=num_slices))
    assert found == depths
    reach = [lateral.kernel_size[0] for lateral in network.lateral]
    assert reach == depths  # what is left of the slices is joined on the way into the pyramid


def test_channels_come_channel_by_channel_each_with_all_its_slices():
    """Plane c * 3 + s of the slab is slice s of channel c; numbered planes are found again."""
    network, seen = backbone(fusion="volume", num_slices=3).eval(), []
    network.stem.register_forward_pre_hook(lambda layer, given: seen.append(given[0].clone()))
    network(torch.arange(6.0).view(1, 6, 1, 1).expand(1, 6, 16, 16))
    assert seen[0].shape == (1, 2, 3, 16, 16)
    assert seen[0][0, :, :, 5, 5].tolist() == [[0, 1, 2], [3, 4, 5]]


def changed_slices(network, given, stage, moved):
    """Slices of a stage's output that change when one slice of the second channel is moved."""
    made = []
    hook = network.stages[stage].register_forward_hook(lambda layer, x, out: made.append(out))
    other = given.clone()
    other[:, network.num_slices + moved] += 3
    network(given)
    network(other)
    hook.remove()
    differs = (made[0] != made[1]).any(dim=4).any(dim=3).any(dim=1)[0]
    return differs.nonzero().flatten().tolist()


@pytest.mark.parametrize(
    ("moved", "first", "second"),
    [
        (0, [0], [0]),  # the outermost slice: seen by three taps in a row, from one side only
        (1, [0, 1], [0, 1]),
        (3, [1, 2, 3], [0, 1, 2]),
        (6, [4], [2]),
    ],
)
def test_a_slice_is_seen_by_those_within_its_reach(moved, first, second):
    """Seven slices to five to three: output d of a stage holds its inputs d, d + 1 and d + 2."""
    network = backbone(fusion="volume", num_slices=7).eval()
    given = slab(num_slices=7)
    assert changed_slices(network, given, 0, moved) == first
    assert changed_slices(network, given, 1, moved) == second


@pytest.mark.parametrize("fusion", ["stack", "volume"])
@pytest.mark.parametrize("num_slices", [3, 7])
def test_every_slice_of_every_channel_reaches_every_level(fusion, num_slices):
    network = backbone(fusion=fusion, num_slices=num_slices).eval()
    given = slab(num_slices=num_slices).requires_grad_()
    for level in network(given):
        (gradient,) = torch.autograd.grad(level.square().sum(), given, retain_graph=True)
        assert (gradient.abs().sum(dim=(0, 2, 3)) > 0).all()


def test_the_shortcut_takes_the_middle_slices():
    """With its convolutions silenced a block gives back the slices that are left, less below 0."""
    block = ResidualBlock(4, 4, norm="batch", depth_taps=3).eval()
    nn.init.zeros_(block.main[-1].weight)
    x = torch.randn(1, 4, 5, 6, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(block(x), x[:, :, 1:4].clamp(min=0), atol=0, rtol=0)


def test_the_top_down_path_adds_each_coarser_level_to_the_finer_one():
    network = backbone().eval()
    network.smooth = nn.ModuleList(nn.Identity() for _ in network.smooth)
    flat = []
    for lateral in network.lateral:
        lateral.register_forward_hook(lambda layer, given, made: flat.append(made))
    levels = network(slab())
    expected = flat[-1]
    torch.testing.assert_close(levels[-1], expected)
    for level, own in zip(levels[-2::-1], flat[-2::-1]):
        expected = own + expected.repeat_interleave(2, 2).repeat_interleave(2, 3)
        torch.testing.assert_close(level, expected)


@pytest.mark.parametrize(("channels", "groups"), [(4, 4), (8, 8), (12, 4), (64, 8), (7, 1)])
def test_there_are_eight_groups_or_the_most_that_fit(channels, groups):
    assert normalisation("group", channels).num_groups == groups


@pytest.mark.parametrize("fusion", ["stack", "volume"])
def test_group_normalisation_makes_a_slab_s_answer_its_own(fusion):
    """Also while training, where batch statistics would mix the slabs."""
    network = backbone(fusion=fusion, num_slices=3, norm="group").train()
    kinds = {type(layer) for layer in network.modules()}
    assert nn.GroupNorm in kinds
    assert not {nn.BatchNorm2d, nn.BatchNorm3d} & kinds
    batch = slab(3, num_slices=3)
    for together, alone in zip(network(batch), network(batch[:1])):
        torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=1e-4)


def test_a_cell_s_classes_are_split_into_its_pixels():
    """Two classes at stride 2: of eight channels the first four are background's four pixels."""
    head = DenseHead(1, PixelClasses(1), 2)
    with torch.no_grad():
        head.classify.weight.zero_()
        head.classify.bias.copy_(torch.arange(8.0))
    logits = head(torch.zeros(1, 1, 2, 2), (3, 4))
    assert logits.shape == (1, 2, 3, 4)
    assert logits[0, 0].tolist() == [[0, 1, 0, 1], [2, 3, 2, 3], [0, 1, 0, 1]]
    assert logits[0, 1].tolist() == [[4, 5, 4, 5], [6, 7, 6, 7], [4, 5, 4, 5]]


@pytest.mark.parametrize("model", ["maskrcnn", "fasterrcnn", "detect_then_segment", "fcn"])
@pytest.mark.parametrize(
    ("setting", "known"),
    [
        ({"backbone": "resnet50"}, "known: nano, small, base"),
        ({"fusion": "late"}, "known: stack, volume"),
        ({"norm": "layer"}, "known: batch, group"),
        ({"finest_stride": 4}, "want 1 or 2"),
        ({"pyramid": 8}, "known: "),
    ],
)
def test_what_is_not_known_is_refused_in_one_line(narrow, model, setting, known):
    ((name, value),) = setting.items()
    with pytest.raises(UsageError) as refused:
        narrow(model, **setting)
    (line,) = str(refused.value).splitlines()
    assert model in line
    assert name in line or "normalisation" in line
    assert known in line
    assert name == "pyramid" or str(value) in line


@pytest.mark.parametrize(
    ("setting", "known"),
    [
        ({"roi_op": "warp"}, "known: align, pool, resize"),
        ({"mask_loss": "dice"}, "known: sigmoid, softmax, mse, bce_dice"),
        ({"proposal_rule": {"assigner": "max"}}, "known: iou, atss, nwd"),
        ({"roi_rule": {"box_loss": "l2"}}, "known: smooth_l1, giou"),
        ({"anchors": [[[4, 4, 1]]]}, "anchors for 1 levels, the pyramid has 4"),
    ],
)
def test_what_the_heads_do_not_know_is_refused_in_one_line(narrow, setting, known):
    with pytest.raises(UsageError, match=known) as refused:
        narrow("maskrcnn", **setting)
    assert "\n" not in str(refused.value)
