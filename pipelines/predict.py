"""Masks of new scans, each on its own grid: the model is loaded once for all of them."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig
from tqdm import tqdm

from lesionseg.errors import EXIT_SOME_REJECTED, CaseError, UsageError
from lesionseg.inference.export import EXTRAS, export_case, is_exported
from lesionseg.inference.model_store import LoadedModel, load_model
from lesionseg.inference.predict import predict_case
from lesionseg.io import read_volume
from lesionseg.io.image_folder import find_images
from lesionseg.io.lock import locked
from lesionseg.models.device import torch_device

Scans = Sequence[tuple[str, Sequence[Path]]]  # case and one image a channel


def main(config: DictConfig) -> int:
    """Predict every scan of `config.input`; return the exit code."""
    source, output = Path(config.input).resolve(), Path(config.output).resolve()
    if output in (source, source.parent):
        raise UsageError("output is the folder of the scans; give another, masks go by their names")
    model = load_model(config.model, torch_device(config.device))
    point = model.point
    for field in ("voxel_threshold", "score_threshold"):
        if config[field] is not None:
            point = dataclasses.replace(point, **{field: float(config[field])})
    model = dataclasses.replace(model, point=point)
    scans = find_images(Path(config.input), len(model.plan.channels))
    with locked(Path(config.output)):
        done, rejected = predict_scans(model, scans, Path(config.output), list(config.save))
    if not rejected:
        return 0
    return EXIT_SOME_REJECTED if done else CaseError.exit_code


def predict_scans(
    model: LoadedModel,
    scans: Scans,
    output: Path,
    extras: Sequence[str],
    volumes_of: Mapping[str, Sequence[int]] | None = None,
) -> tuple[int, dict[str, str]]:
    """Predict and write each scan, unless it is there; return how many are, who was rejected.

    volumes_of: by case, which volume of each image file is the channel; the files are 3D else.
    """
    unknown = sorted(set(extras) - set(EXTRAS))
    if unknown:
        raise UsageError(f"save has {unknown[0]!r}; known: {', '.join(EXTRAS)}")
    done, rejected = 0, {}
    bar = tqdm(scans, f"{model.name} predicts", unit="scan", disable=not sys.stderr.isatty())
    for case, paths in bar:
        try:
            if not is_exported(output, case, model, paths, extras):
                which = (volumes_of or {}).get(case) or [None] * len(paths)
                volumes = [read_volume(p, case=case, volume=k) for p, k in zip(paths, which)]
                delivered = predict_case(model, volumes, case=case)
                export_case(output, case, delivered, volumes[0], model, inputs=paths, extras=extras)
            done += 1
        except CaseError as error:
            rejected[case] = error.problem
            tqdm.write(f"rejected: {error}", file=sys.stderr)
    return done, rejected
