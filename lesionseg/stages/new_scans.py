"""What is predicted by which model, and the files beside the scans that are not."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from lesionseg.datasets.dataset import load_card
from lesionseg.datasets.new_scans import NewScans, find_new_scans
from lesionseg.datasets.unused_files import unused_files, unused_words
from lesionseg.errors import UsageError, printable
from lesionseg.inference.ensemble import Model
from lesionseg.inference.model_folder import load_model
from lesionseg.io.formats import is_image_name
from lesionseg.io.reading import reading_rule
from lesionseg.settings.predict import PredictSettings


def scans_to_predict(settings: PredictSettings, names: tuple[str, ...]) -> NewScans:
    """The scans of `settings.input`, each to be read as the settings allow; what is not predicted
    there is named on stderr.

    names: of the model's channels. Raises as `find_new_scans`, and UsageError for a volume that is
    asked for of several channels.
    """
    if settings.volume is not None and len(names) > 1:
        raise UsageError(
            f"volume={settings.volume} is for models of one channel; of this one the volumes of a "
            f"file are {', '.join(names)}"
        )
    sources, output = input_paths(settings), Path(settings.output)
    card = load_card(settings.data.card) if settings.data.card else None
    found = find_new_scans(sources, names, output, card=card, series=settings.dicom.series)
    rule = reading_rule(settings.data, settings.dicom, volume=settings.volume)
    scans = tuple(dataclasses.replace(one, rule=rule, channels=names) for one in found.scans)
    if len(sources) == 1:
        _name_unused(sources[0], output, found)
    return dataclasses.replace(found, scans=scans)


def refuse_output_over_scans(settings: PredictSettings) -> None:
    """Raise UsageError where masks would be written among the scans."""
    output = Path(settings.output).resolve()
    sources = [path.resolve() for path in input_paths(settings)]
    if any(output in (source, source.parent) for source in sources):
        raise UsageError("output is the folder of the scans; give another, masks go by their names")


def model_to_predict(settings: PredictSettings) -> Model:
    """The model, with the thresholds that the user gave in place of its own. Raises as
    `load_model`."""
    model = load_model(settings.model, settings.device, threads=settings.threads)
    voxel, score = settings.voxel_threshold, settings.score_threshold
    points = tuple(
        dataclasses.replace(
            point,
            voxel_threshold=point.voxel_threshold if voxel is None else voxel,
            score_threshold=point.score_threshold if score is None else score,
        )
        for point in model.points
    )
    return dataclasses.replace(model, points=points)


def input_paths(settings: PredictSettings) -> list[Path]:
    """The file, the files or the folder to predict."""
    given = settings.input
    return [Path(given)] if isinstance(given, str) else [Path(one) for one in given]


def _name_unused(source: Path, output: Path, found: NewScans) -> None:
    """Say which images below a folder of scans are not predicted, but for those of the output."""
    if not source.is_dir():
        return
    output = output.resolve()
    unused = unused_files(source, {path for scan in found.scans for path in scan.paths})
    others = {
        place: reason
        for place, reason in {**unused, **found.passed}.items()
        if not (source / place).resolve().is_relative_to(output)
        and ("/" in place or place in found.passed or not is_image_name(place))
    }
    if others:
        print(f"not used: {printable(unused_words(others))}", file=sys.stderr)
