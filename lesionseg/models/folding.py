"""Batch normalisations taken into the convolutions before them, for prediction."""

from __future__ import annotations

import itertools

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)
NORMALISATIONS = (nn.BatchNorm2d, nn.BatchNorm3d)


def fold_normalisations(network: nn.Module) -> nn.Module:
    """The network, in evaluation mode, without the batch normalisations that follow a convolution.

    A normalisation with fixed statistics is a factor and a number a channel, which the convolution
    applies for nothing; answers are the same up to rounding. The network cannot be trained on.
    """
    network.eval()
    for sequence in [one for one in network.modules() if isinstance(one, nn.Sequential)]:
        for (name, before), (place, after) in itertools.pairwise(list(sequence.named_children())):
            if not isinstance(before, CONVOLUTIONS):
                continue
            around, key = sequence, place
            if isinstance(after, nn.Sequential) and len(after):  # normalisation, then activation
                around = after
                key, after = next(iter(after.named_children()))
            if isinstance(after, NORMALISATIONS):
                transposed = isinstance(before, nn.ConvTranspose2d | nn.ConvTranspose3d)
                setattr(sequence, name, fuse_conv_bn_eval(before, after, transposed))
                setattr(around, key, nn.Identity())
    return network
