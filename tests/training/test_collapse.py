"""What is said of a network that marks nothing, or everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toy_networks import Counting

from lesionseg.training.collapse import collapse


def counts(lesions, marked, voxels=1000):
    found = {"num_reference": lesions, "num_found": 0, "num_false_positive": 0}
    return found | {"marked_voxels": marked, "scan_voxels": voxels}


@pytest.mark.parametrize(
    ("lesions", "marked", "kind", "said"),
    [
        (7, 0, "nothing", "in validation scans that hold 7 lesions"),
        (1, 0, "nothing", "that hold 1 lesion:"),
        (0, 0, "", ""),  # nothing is right where there is nothing
        (7, 1, "", ""),
        (7, 500, "", ""),
        (7, 501, "everything", "50 % of the validation scans is marked"),
        (0, 900, "everything", "90 % of the validation scans is marked"),
    ],
)
@pytest.mark.parametrize("detects", [False, True])
def test_what_is_said_of_which_counts(lesions, marked, kind, said, detects):
    found, words = collapse(counts(lesions, marked), detects)
    assert found == kind
    assert said in words
    assert bool(words) == bool(kind)
    if kind == "nothing":
        assert ("network.NAME.loss" in words) is not detects  # detectors have no such setting
        assert words.startswith("no detection" if detects else "no voxel")


def test_a_network_that_stays_collapsed_is_named_once_and_again_when_it_falls_back(
    train, toy_cases, capsys
):
    marked = iter([0, 0, 10, 0, 900, 910])
    options = {"validation": toy_cases[:1], "validate_every": 1, "title": "unet"}
    network = Counting()
    network.detects = False
    train(network, 6, count_lesions=lambda *_: counts(3, next(marked)), **options)
    said = [line for line in capsys.readouterr().err.splitlines() if ": after " in line]
    assert [line.split(": ")[1] for line in said] == ["after 4 steps", "after 5 steps"]
    assert "network.unet.loss" in said[0]  # after step 1 it was too early to say
    assert "90 %" in said[1]


@pytest.mark.parametrize(("bias", "share"), [(-20.0, 0.0), (20.0, 1.0)])
def test_the_volume_that_a_u_net_marks_is_counted(narrow, toy_cases, bias, share):
    from lesionseg.inference.class_thresholds import count_case
    from lesionseg.slabs.slab import SlabRule

    network = narrow("unet").eval()
    with torch.no_grad():
        last = [one for one in network.modules() if isinstance(one, torch.nn.Conv2d)][-1]
        last.weight.zero_()
        last.bias.copy_(torch.tensor([0.0, bias]))
    found = count_case(network, toy_cases[2], SlabRule(0, 1.0), 1)
    assert found["scan_voxels"] == np.prod(toy_cases[2].shape)
    assert found["marked_voxels"] == share * found["scan_voxels"]
