"""Masks of new scans, each on its own grid: the model is loaded once for all of them."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from lesionseg.pipelines.reading import reading_rule
from omegaconf import DictConfig
from tqdm import tqdm

from lesionseg.datasets.layouts import ScanFiles
from lesionseg.errors import EXIT_SOME_REJECTED, CaseError, UsageError
from lesionseg.inference.export import EXTRAS, export_case, is_exported
from lesionseg.inference.model_store import LoadedModel, load_model
from lesionseg.inference.predict import predict_case
from lesionseg.io.image_folder import find_images
from lesionseg.models.device import torch_device
from lesionseg.reading.scans import read_channels
from lesionseg.storage.lock import locked


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
    rule = reading_rule(config)
    scans = [
        ScanFiles(case, case, "test", tuple(paths), None, rule=rule)
        for case, paths in find_images(Path(config.input), len(model.plan.channels))
    ]
    with locked(Path(config.output)):
        done, rejected = predict_scans(model, scans, Path(config.output), list(config.save))
    if not rejected:
        return 0
    return EXIT_SOME_REJECTED if done else CaseError.exit_code


def predict_scans(
    model: LoadedModel, scans: Sequence[ScanFiles], output: Path, extras: Sequence[str]
) -> tuple[int, dict[str, str]]:
    """Predict and write each scan, unless it is there; return how many are, who was rejected."""
    unknown = sorted(set(extras) - set(EXTRAS))
    if unknown:
        raise UsageError(f"save has {unknown[0]!r}; known: {', '.join(EXTRAS)}")
    done, rejected = 0, {}
    bar = tqdm(scans, f"{model.name} predicts", unit="scan", disable=not sys.stderr.isatty())
    for scan in bar:
        case, paths = scan.case, scan.images
        try:
            if not is_exported(output, case, model, paths, extras):
                volumes = read_channels(scan)
                for note in dict.fromkeys(note for volume in volumes for note in volume.notes):
                    tqdm.write(f"note: case {case}: {note}", file=sys.stderr)
                delivered = predict_case(model, volumes, case=case)
                export_case(output, case, delivered, volumes[0], model, inputs=paths, extras=extras)
            done += 1
        except CaseError as error:
            rejected[case] = error.problem
            tqdm.write(f"rejected: {error}", file=sys.stderr)
    return done, rejected
