"""The audit's numpy coding of a piece against the one the detector trains with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from lesionseg.components import pieces_in_slice
from lesionseg.models.mask_rcnn.mask_head import MASK_MARGIN_PX
from lesionseg.ops import mask_targets, paste_masks
from lesionseg.planning.box_coding import CELLS, GROWN_PX, decode_piece, encode_piece


def blobs(seed, shape=(40, 50)):
    noise = np.random.default_rng(seed).normal(size=shape)
    return (ndimage.gaussian_filter(noise, 1.5) > 0.18).astype(np.int32) * 3


def test_the_margin_is_the_detector_s():
    assert GROWN_PX == MASK_MARGIN_PX


@pytest.mark.parametrize(("seed", "size"), [(0, CELLS), (1, CELLS), (2, 10), (3, 28)])
def test_cells_and_pixels_are_those_of_the_detector(seed, size):
    image = blobs(seed)
    pieces = list(pieces_in_slice(image))
    _, expected = ndimage.label(image, np.ones((3, 3)))
    assert len(pieces) == expected > 5
    for lesion, mask, (row, column) in pieces:
        assert lesion == 3
        height, width = mask.shape
        whole = torch.zeros(1, *image.shape)
        whole[0, row : row + height, column : column + width] = torch.from_numpy(mask)
        box = torch.tensor([[column - 1.0, row - 1.0, column + width + 1.0, row + height + 1.0]])
        cells = encode_piece(mask, size)
        torch.testing.assert_close(
            torch.from_numpy(cells), mask_targets(whole, box, size)[0], atol=1e-5, rtol=0
        )
        ((rows, columns, values),) = paste_masks(torch.from_numpy(cells)[None], box, image.shape)
        ours = decode_piece(cells, mask.shape, (row, column), image.shape)
        assert ours[:2] == (rows, columns)
        np.testing.assert_allclose(ours[2], values, atol=1e-5)


def test_pieces_of_one_lesion_are_apart_and_of_two_are_not_joined():
    image = np.zeros((6, 9), np.int32)
    image[1, 1], image[1, 2], image[4, 5:8] = 1, 2, 1
    found = sorted((lesion, corner, mask.shape) for lesion, mask, corner in pieces_in_slice(image))
    assert found == [(1, (1, 1), (1, 1)), (1, (4, 5), (1, 3)), (2, (1, 2), (1, 1))]
    assert list(pieces_in_slice(np.zeros((3, 3), np.int32))) == []
