"""One scan through one model: volumes in, lesions on the scan's own grid out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from lesionseg.inference.class_lesions import join_classes
from lesionseg.inference.ensemble import Model
from lesionseg.inference.lesion_maps import predict_lesion_maps
from lesionseg.inference.member_maps import joined_maps
from lesionseg.inference.model_store import LoadedModel
from lesionseg.inference.original_grid import to_original_grid
from lesionseg.inference.prediction import Prediction
from lesionseg.preprocessing.case import prepare_image
from lesionseg.storage.memory import refuse_beyond_memory
from lesionseg.structures import Case, LesionMap, Volume

BYTES_AT_WORK = 32  # of a voxel of the scan's own grid: probability, and ids of three kinds
BYTES_A_CLASS = 24  # of a voxel and each further class
BYTES_JOINED = 12  # of a voxel and class, where the maps of several members are joined


def predict_case(
    model: Model,
    volumes: Volume | Sequence[Volume],
    *,
    case: str = "scan",
    progress: Callable[[int], object] | None = None,
) -> Prediction:
    """Preprocess, predict, resample to the scan's own grid, threshold there.

    The maps of an ensemble's members are joined first, on the finest grid that one of them has.

    volumes: one a channel, in the order of the model's plan, all on one grid.
    Returns arrays on that grid. Raises CaseError where the channels do not fit the model.
    """
    scans = [volumes] if isinstance(volumes, Volume) else list(volumes)
    grid = scans[0].grid
    size = math.prod(grid.shape)
    classes = model.plan.lesion_classes
    wanted = BYTES_AT_WORK + BYTES_A_CLASS * (len(classes) - 1)
    if len(model.members) > 1:
        wanted += BYTES_JOINED * len(classes)
    refuse_beyond_memory(wanted * size, f"predicting {size:,} voxels", case)
    maps = joined_maps(_maps_of_members(model.members, scans, case, progress))
    found = [to_original_grid(one, grid, point) for one, point in zip(maps, model.points)]
    candidates = join_classes([one.claims for one in found], classes)
    return Prediction(
        candidates.kept,
        candidates,
        tuple(one.probability for one in found),
        grid,
        classes=classes,
        forms=scans[0].forms,
        edges_mm=model.edges_mm,
    )


def _maps_of_members(
    members: Sequence[LoadedModel],
    scans: Sequence[Volume],
    case: str,
    progress: Callable[[int], object] | None,
) -> Iterator[list[LesionMap]]:
    """The maps of each member, one a class, those of the finest grid first: others are resampled to
    it, and no lesion is lost. Members of one plan share the prepared scan."""
    prepared, key = None, ""
    for one in sorted(members, key=lambda member: member.plan.in_plane_spacing_mm):
        if prepared is None or one.plan.case_key != key:
            prepared, key = _prepared(one, scans, case), one.plan.case_key
        yield predict_lesion_maps(
            one.network,
            prepared,
            one.slab_rule,
            next(one.network.parameters()).device,
            num_classes=len(one.plan.lesion_classes),
            threads=one.threads,
            progress=progress,
        )


def _prepared(model: LoadedModel, scans: Sequence[Volume], case: str) -> Case:
    image, affine, slab_axis = prepare_image(scans, model.plan, case=case)
    return Case(
        name=case,
        patient=case,
        image=image,
        lesion_ids=None,
        affine=affine,
        slab_axis=slab_axis,
        original=scans[0].grid,
        channels=tuple(channel.name for channel in model.plan.channels),
    )
