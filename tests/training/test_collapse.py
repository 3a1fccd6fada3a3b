"""What is said of a network that marks nothing, or everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toy_networks import Counting

from lesionseg.training.collapse import collapse


def counts(lesions, marked, volume=1000.0):
    found = {"num_reference": lesions, "num_found": 0, "num_false_positive": 0}
    return found | {"marked_mm3": marked, "scan_mm3": volume}


@pytest.mark.parametrize(
    ("lesions", "marked", "said"),
    [
        (7, 0.0, "marks nothing yet in validation scans that hold 7 lesions"),
        (1, 0.0, "that hold 1 lesion:"),
        (0, 0.0, ""),  # nothing is right where there is nothing
        (7, 0.1, ""),
        (7, 500.0, ""),
        (7, 501.0, "marks 50 % of the validation scans as lesion"),
        (0, 900.0, "marks 90 % of the validation scans as lesion"),
    ],
)
def test_what_is_said_of_which_counts(lesions, marked, said):
    found = collapse(counts(lesions, marked))
    assert said in found
    assert bool(found) == bool(said)


def test_a_network_that_stays_collapsed_is_named_once_and_again_when_it_falls_back(
    train, toy_cases, capsys
):
    marked = iter([0.0, 0.0, 10.0, 0.0, 900.0])
    options = {"validation": toy_cases[:1], "validate_every": 1, "title": "unet"}
    train(Counting(), 5, count_lesions=lambda *_: counts(3, next(marked)), **options)
    said = [line for line in capsys.readouterr().err.splitlines() if " it marks " in line]
    assert [line.split(" it ")[0] for line in said] == [
        "unet: after 1 step",
        "unet: after 4 steps",
        "unet: after 5 steps",
    ]
    assert "network.unet.loss" in said[0]
    assert "marks 90 %" in said[2]


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
    volume = np.prod(toy_cases[2].shape) * abs(np.linalg.det(toy_cases[2].affine[:3, :3]))
    assert found["scan_mm3"] == pytest.approx(volume)
    assert found["marked_mm3"] == pytest.approx(share * volume)
