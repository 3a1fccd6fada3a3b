"""One scan through one model: volumes in, lesions on the scan's own grid out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from lesionseg.inference.class_lesions import join_classes
from lesionseg.inference.lesion_maps import predict_lesion_maps
from lesionseg.inference.model_store import LoadedModel
from lesionseg.inference.original_grid import to_original_grid
from lesionseg.inference.prediction import Prediction
from lesionseg.preprocessing.case import prepare_image
from lesionseg.storage.memory import refuse_beyond_memory
from lesionseg.structures import Case, Volume

BYTES_AT_WORK = 32  # of a voxel of the scan's own grid: probability, and ids of three kinds
BYTES_A_CLASS = 24  # of a voxel and each further class


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
    classes = model.plan.lesion_classes
    wanted = (BYTES_AT_WORK + BYTES_A_CLASS * (len(classes) - 1)) * size
    refuse_beyond_memory(wanted, f"predicting {size:,} voxels", case)
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
    maps = predict_lesion_maps(
        model.network,
        prepared,
        model.slab_rule,
        device,
        num_classes=len(classes),
        threads=model.threads,
        progress=progress,
    )
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
