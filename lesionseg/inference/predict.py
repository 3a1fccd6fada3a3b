"""One scan through one model: volumes in, lesions on the scan's own grid out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

from lesionseg.inference.lesion_maps import predict_lesion_map
from lesionseg.inference.model_store import LoadedModel
from lesionseg.inference.original_grid import to_original_grid
from lesionseg.inference.prediction import Prediction
from lesionseg.preprocessing.case import prepare_image
from lesionseg.storage.memory import refuse_beyond_memory
from lesionseg.structures import Case, Volume

BYTES_AT_WORK = 32  # of a voxel of the scan's own grid: probability, and ids of three kinds


def predict_case(
    model: LoadedModel,
    volumes: Volume | Sequence[Volume],
    *,
    case: str = "scan",
    progress: Callable[[int], object] | None = None,
) -> Prediction:
    """Preprocess, predict, resample to the scan's own grid, threshold there.

    volumes: one a channel, in the order of the model's plan, all on one grid.
    Returns arrays on that grid. Raises CaseError where the channels do not fit the model.
    """
    scans = [volumes] if isinstance(volumes, Volume) else list(volumes)
    grid = scans[0].grid
    size = math.prod(grid.shape)
    refuse_beyond_memory(BYTES_AT_WORK * size, f"predicting {size:,} voxels", case)
    image, affine, slab_axis = prepare_image(scans, model.plan, case=case)
    prepared = Case(
        name=case,
        patient=case,
        image=image,
        lesion_ids=None,
        affine=affine,
        slab_axis=slab_axis,
        original=grid,
        channels=tuple(channel.name for channel in model.plan.channels),
    )
    device = next(model.network.parameters()).device
    found = predict_lesion_map(
        model.network,
        prepared,
        model.slab_rule,
        device,
        threads=model.threads,
        progress=progress,
    )
    given = to_original_grid(found, grid, model.point)
    return dataclasses.replace(given, forms=scans[0].forms, edges_mm=model.edges_mm)
