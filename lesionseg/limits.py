"""The range of every number a user may set, checked once, before any work."""

from __future__ import annotations

import math
from collections.abc import Mapping

from lesionseg.errors import UsageError

INF = math.inf
# key: (type, lowest, highest). Where the default is null, null stays allowed.
LIMITS: Mapping[str, tuple[type, float, float]] = {
    "seed": (int, 0, INF),
    "workers": (int, 0, INF),
    "loss_slabs": (int, 0, INF),
    "voxel_threshold": (float, 0, 1),
    "score_threshold": (float, 0, 1),
    "train.steps": (int, 1, INF),
    "train.minutes": (float, 1e-3, INF),
    "train.learning_rate": (float, 1e-9, 10),
    "train.weight_decay": (float, 0, 10),
    "train.warmup_steps": (int, 0, INF),
    "train.clip_gradient": (float, 0, INF),
    "train.checkpoint_every": (int, 1, INF),
    "train.validate_every": (int, 1, INF),
    "train.validation_cases": (int, 1, INF),
    "train.threshold_cases": (int, 1, INF),
    "train.log_every": (int, 1, INF),
    "train.num_workers": (int, 0, INF),
    "sampling.size": (int, 32, INF),
    "sampling.batch_size": (int, 1, INF),
    "sampling.lesion_fraction": (float, 0, 1),
    "augmentation.flip": (float, 0, 1),
    "augmentation.spatial": (float, 0, 1),
    "augmentation.intensity": (float, 0, 1),
    "augmentation.rotation_degrees": (float, 0, 180),
    "augmentation.scale": (float, 1, 4),
    "augmentation.gain": (float, 0, 1),
    "augmentation.shift": (float, 0, INF),
    "augmentation.gamma": (float, 0, INF),
    "augmentation.noise": (float, 0, INF),
    "plan.in_plane_spacing_mm": (float, 0.01, 100),
    "plan.context_slices": (int, 0, 50),
    "plan.context_distance_mm": (float, 0.01, 1000),
    "plan.min_width_px": (float, 0.1, 100),
    "plan.margin_mm": (float, 0, INF),
    "data.mask_threshold": (float, 0, 1),
    "data.validation_fraction": (float, 0, 0.9),
    "data.test_fraction": (float, 0, 0.9),
    "data.folds": (int, 2, INF),
    "data.fold": (int, 0, INF),
}


# key: what its list may look like. Where the default is null, null stays allowed.
LISTS: Mapping[str, str] = {
    "models": "[unet,maskrcnn]",
    "save": "[candidates,probability]",
    "seeds": "[0,1,2]",
    "edges_mm": "[3,5,10], rising from above 0",
}


def check_limits(settings: Mapping[str, object]) -> None:
    """settings: dotted key -> value; keys without a limit, and nulls, pass. Raises UsageError."""
    for key, wanted in LISTS.items():
        value = settings.get(key)
        if isinstance(value, Mapping) or value is None:  # report has its models by name
            continue
        if not isinstance(value, list) or (key == "edges_mm" and not _rising(value)):
            raise UsageError(f"{key} is {value!r}; want a list, like {wanted}")
    for key, value in settings.items():
        if key not in LIMITS or value is None:
            continue
        kind, low, high = LIMITS[key]
        fits = isinstance(value, int if kind is int else (int, float))
        if isinstance(value, bool) or not fits or not low <= value <= high:  # type: ignore[operator]
            what = "a whole number" if kind is int else "a number"
            span = f"of at least {low:g}" if high == INF else f"from {low:g} to {high:g}"
            raise UsageError(f"{key} is {value!r}; want {what} {span}")


def _rising(edges: list[object]) -> bool:
    numbers = [e for e in edges if isinstance(e, (int, float)) and not isinstance(e, bool)]
    return len(numbers) == len(edges) > 0 and all(
        a < b < INF for a, b in zip([0, *numbers], numbers)
    )
