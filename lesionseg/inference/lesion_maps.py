"""From a model and a case to LesionMaps, and from a LesionMap to lesions at given thresholds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from lesionseg.components import component_scores, label_components, present_ids, relabelled
from lesionseg.geometry import voxel_volume
from lesionseg.inference.blocks import block_probabilities
from lesionseg.inference.fused_maps import fused_map
from lesionseg.inference.linking import link_slices
from lesionseg.models.device import flushed_denormals
from lesionseg.models.fusion import Fusion
from lesionseg.models.interface import Detections, Network
from lesionseg.models.threads import ThreadChooser
from lesionseg.models.unet3d import UNet3D
from lesionseg.slabs.slab import SlabRule, read_slab, slab_shape
from lesionseg.structures import Case, LesionMap

PIXELS_PER_BATCH = 16 * 192 * 192  # slices of a batch share this many pixels: bounds the memory


def predict_lesion_maps(
    model: Network,
    case: Case,
    rule: SlabRule,
    device: torch.device,
    *,
    num_classes: int = 1,
    threads: ThreadChooser | None = None,
    progress: Callable[[int], object] | None = None,
) -> list[LesionMap]:
    """Run every slice of a case through the model, in batches, and join the answers in 3D: a map
    for each class, in their order.

    threads: chooses how many threads compute on the CPU; None leaves their number alone.
    """
    if isinstance(model, Fusion):
        return _fused_maps(
            model, case, rule, device, num_classes=num_classes, threads=threads, progress=progress
        )
    if isinstance(model, UNet3D):
        return _semantic_maps(
            block_probabilities(model, case, device, threads=threads, progress=progress),
            case,
            model.scored_by,
        )
    answers = _answers(model, case, rule, device, threads=threads, progress=progress)
    depth, height, width = slab_shape(case)
    if model.detects:
        detections = cast(list[Detections], list(answers))
        return [
            link_slices(
                [one.of_class(number) for one in detections],
                (height, width),
                affine=case.affine,
                slab_axis=case.slab_axis,
            )
            for number in range(1, num_classes + 1)
        ]
    volumes = np.empty((num_classes, depth, height, width), np.float32)
    for index, answer in enumerate(cast(Iterator[torch.Tensor], answers)):
        volumes[:, index] = answer.numpy()
    return _semantic_maps(volumes, case, model.scored_by)


def _answers(
    model: Network,
    case: Case,
    rule: SlabRule,
    device: torch.device,
    *,
    threads: ThreadChooser | None,
    progress: Callable[[int], object] | None,
) -> Iterator[Detections | torch.Tensor]:
    """What the model says of each slice, in order."""
    depth, height, width = slab_shape(case)
    batch = max(1, min(depth, PIXELS_PER_BATCH // (height * width)))
    for start in range(0, depth, batch):
        indices = range(start, min(start + batch, depth))
        stack = np.stack([read_slab(case, i, rule).image for i in indices])
        pixels = len(stack) * height * width
        with flushed_denormals(), threads.working(pixels) if threads else contextlib.nullcontext():
            found = model.predict(torch.from_numpy(stack).to(device))
        yield from (one.to("cpu") for one in found)
        if progress:
            progress(len(indices))


def _semantic_maps(
    probabilities: NDArray[np.float32], case: Case, scored_by: str
) -> list[LesionMap]:
    """probabilities: (K, D, H, W), slices first."""
    return [
        LesionMap(
            probability=np.moveaxis(volume, 0, case.slab_axis),
            lesion_ids=np.zeros(case.shape, dtype=np.int32),
            scores={},
            affine=case.affine,
            conditional=False,
            scored_by=scored_by,
        )
        for volume in probabilities
    ]


def _fused_maps(
    model: Fusion,
    case: Case,
    rule: SlabRule,
    device: torch.device,
    *,
    num_classes: int,
    threads: ThreadChooser | None,
    progress: Callable[[int], object] | None,
) -> list[LesionMap]:
    """As predict_lesion_maps. The detector's slices alone are told and timed: it is the slower."""
    unet, maskrcnn = (cast(Network, model.members[name]) for name in ("unet", "maskrcnn"))
    maps = partial(
        predict_lesion_maps, case=case, rule=rule, device=device, num_classes=num_classes
    )
    # a chooser of several numbers of threads compares times of one network alone
    semantic = maps(unet, threads=threads if threads and len(threads.choices) == 1 else None)
    detector = maps(maskrcnn, threads=threads, progress=progress)
    return [
        fused_map(
            found, where, outline_mm=model.outline_mm, outline_threshold=model.outline_threshold
        )
        for found, where in zip(detector, semantic, strict=True)
    ]


def lesions_at(
    probability: NDArray[np.float32], voxel_threshold: float, like: LesionMap
) -> tuple[NDArray[np.int32], dict[int, float]]:
    """All candidate lesions whose voxels reach `voxel_threshold`: ids int32, and score by id.

    A detector's lesions keep their ids and scores. A semantic model's lesions are the 26-connected
    components, each scored as the map says.
    """
    inside = probability >= voxel_threshold
    if like.conditional:
        ids = np.where(inside, like.lesion_ids, 0)
        return ids, {int(i): like.scores[int(i)] for i in present_ids(ids)}
    ids = label_components(inside)
    volume = voxel_volume(like.affine)
    return ids, component_scores(ids, probability, like.scored_by, voxel_mm3=volume)


def renumbered(
    ids: NDArray[np.int32], order: Sequence[int], scores: Mapping[int, float]
) -> tuple[NDArray[np.int32], dict[int, float]]:
    """The lesions of `order` alone, numbered 1.. in it."""
    new = np.zeros(int(ids.max(initial=0)) + 1, dtype=np.int32)
    new[list(order)] = np.arange(1, len(order) + 1)
    return relabelled(ids, new), {number: scores[old] for number, old in enumerate(order, 1)}


def keep_scored(
    ids: NDArray[np.int32], scores: Mapping[int, float], score_threshold: float
) -> tuple[NDArray[np.int32], dict[int, float]]:
    """Drop lesions below the score threshold and number the rest 1.. by falling score."""
    kept = sorted((i for i, s in scores.items() if s >= score_threshold), key=lambda i: -scores[i])
    return renumbered(ids, kept, scores)
