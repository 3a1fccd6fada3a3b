"""Masks of new scans, each on its own grid: the model is loaded once for all of them."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lesionseg.datasets.layouts import ScanFiles
from lesionseg.datasets.unused_files import no_scans, unused_files, unused_words
from lesionseg.errors import EXIT_SOME_REJECTED, CaseError, UsageError, printable
from lesionseg.inference.model_store import LoadedModel, load_model
from lesionseg.io.formats import is_image_name
from lesionseg.io.image_folder import find_images
from lesionseg.io.nifti.header_only import count_volumes
from lesionseg.io.reading import ReadingRule, reading_rule
from lesionseg.settings.predict import PredictSettings
from lesionseg.stages.prediction import predict_scans
from lesionseg.storage.lock import locked


def main(settings: PredictSettings) -> int:
    """Predict every scan of `settings.input`; return the exit code."""
    _refuse_to_write_over_scans(settings)
    model = _with_thresholds(
        load_model(settings.model, settings.device, threads=settings.threads), settings
    )
    rule = reading_rule(settings.data, settings.dicom)
    names = tuple(channel.name for channel in model.plan.channels)
    found = find_images(Path(settings.input), len(names))
    passed = {}
    if len(names) == 1 and Path(settings.input).is_dir():
        passed = no_scans([path for _, paths in found for path in paths])
    scans = [
        _scan(case, paths, names, rule)
        for case, paths in found
        if not any(path.name in passed for path in paths)
    ]
    _name_unused(settings, scans, passed)
    with locked(Path(settings.output)):
        done, rejected = predict_scans(model, scans, Path(settings.output), settings.save)
    if not rejected:
        return 0
    return EXIT_SOME_REJECTED if done else CaseError.exit_code


def _scan(case: str, paths: Sequence[Path], names: tuple[str, ...], rule: ReadingRule) -> ScanFiles:
    """A scan of one file a channel, or of one 4D file whose volumes are the channels; reading it
    says where their numbers differ."""
    images, volumes = tuple(paths), ()
    if len(paths) == 1 < len(names) and count_volumes(paths[0]) > 1:
        images, volumes = (paths[0],) * len(names), tuple(range(len(names)))
    return ScanFiles(case, case, "test", images, None, volumes, rule=rule, channels=names)


def _name_unused(
    settings: PredictSettings, scans: Sequence[ScanFiles], passed: Mapping[str, str]
) -> None:
    """Say which images below the folder of scans are not predicted, but for those of the output.

    passed: name -> why, of images right in the folder that are left out. Others there are of
    scans, or their rejection says why not.
    """
    source, output = Path(settings.input), Path(settings.output).resolve()
    if not source.is_dir():
        return
    unused = unused_files(source, {path for scan in scans for path in scan.paths}, passed)
    others = {
        place: reason
        for place, reason in unused.items()
        if not (source / place).resolve().is_relative_to(output)
        and ("/" in place or place in passed or not is_image_name(place))
    }
    if others:
        print(f"not used: {printable(unused_words(others))}", file=sys.stderr)


def _refuse_to_write_over_scans(settings: PredictSettings) -> None:
    source, output = Path(settings.input).resolve(), Path(settings.output).resolve()
    if output in (source, source.parent):
        raise UsageError("output is the folder of the scans; give another, masks go by their names")


def _with_thresholds(model: LoadedModel, settings: PredictSettings) -> LoadedModel:
    """The model with the thresholds that the user gave in place of its own."""
    given = {
        "voxel_threshold": settings.voxel_threshold,
        "score_threshold": settings.score_threshold,
    }
    own = {name: value for name, value in given.items() if value is not None}
    return dataclasses.replace(model, point=dataclasses.replace(model.point, **own))
