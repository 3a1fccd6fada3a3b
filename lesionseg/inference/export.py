"""Write the prediction of a scan: masks on its own grid, a lesion table, a sidecar."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from lesionseg import __version__
from lesionseg.errors import CaseError, OutputError
from lesionseg.inference.model_store import LoadedModel
from lesionseg.inference.prediction import COLUMNS, Prediction, lesion_rows
from lesionseg.io import write_mask, write_probability
from lesionseg.io.reading import content_files
from lesionseg.storage.atomic import write_text
from lesionseg.storage.csv_table import write_csv
from lesionseg.storage.hashes import sha256_of_files
from lesionseg.structures import Volume

_FOLDER = {"candidates": "candidates", "probability": "probabilities"}


def export_case(
    folder: Path,
    case: str,
    found: Prediction,
    like: Volume,
    model: LoadedModel,
    *,
    inputs: Sequence[Path],
    extras: Sequence[str] = (),
) -> None:
    """Write CASE.nii.gz (uint8 mask), instances/, lesions/, CASE.json, and the `extras` asked for.

    The sidecar comes last: its presence says that the case is whole. What an earlier export of the
    case left is removed first, beginning with its sidecar. Raises OutputError where files cannot be
    written.
    """
    _withdraw(folder, case)
    name = f"{case}.nii.gz"
    write_mask(folder / "instances" / name, found.instances, like)
    rows = lesion_rows(found.instances, found.scores, like.affine, model.edges_mm)
    write_csv(folder / "lesions" / f"{case}.csv", COLUMNS, rows, float_format=".6g")
    if "candidates" in extras:
        ids, scores = found.candidate_instances, found.candidate_scores
        write_mask(folder / _FOLDER["candidates"] / name, ids, like)
        rows = lesion_rows(ids, scores, like.affine, model.edges_mm)
        write_csv(folder / "candidates" / f"{case}.csv", COLUMNS, rows, float_format=".6g")
    if "probability" in extras:
        # a probability is not known to more than three digits; rounded to them the file is half the
        # size
        rounded = found.probability.astype(np.float16)
        write_probability(folder / _FOLDER["probability"] / name, rounded, like)
    write_mask(folder / name, found.mask, like)
    write_text(folder / f"{case}.json", json.dumps(_sidecar(case, model, inputs), indent=1) + "\n")


def is_exported(
    folder: Path, case: str, model: LoadedModel, inputs: Sequence[Path], extras: Sequence[str]
) -> bool:
    """Whether the case was written whole by this very model from these very files.

    Raises CaseError where one of `inputs` cannot be read.
    """
    try:
        written = json.loads((folder / f"{case}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    name = f"{case}.nii.gz"
    files = [
        folder / name,
        folder / "instances" / name,
        folder / "lesions" / f"{case}.csv",
        *(folder / _FOLDER[e] / name for e in extras),
        *([folder / "candidates" / f"{case}.csv"] if "candidates" in extras else []),
    ]
    return bool(written == _sidecar(case, model, inputs)) and all(f.is_file() for f in files)


def _withdraw(folder: Path, case: str) -> None:
    name = f"{case}.nii.gz"
    extras = [folder / part / name for part in _FOLDER.values()]
    for path in (folder / f"{case}.json", *extras, folder / "candidates" / f"{case}.csv"):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot replace {path.name}: {error.strerror}; choose another output folder"
            ) from error


def _sidecar(case: str, model: LoadedModel, inputs: Sequence[Path]) -> dict[str, object]:
    return {
        "case": case,
        "model": model.name,
        "weights_sha256": model.weights_sha256,
        "plan_sha256": model.plan.key,
        "voxel_threshold": model.point.voxel_threshold,
        "score_threshold": model.point.score_threshold,
        "input_sha256": [_file_sha256(case, path) for path in inputs],
        "lesionseg": __version__,
        "torch": torch.__version__,
    }


def _file_sha256(case: str, path: Path) -> str:
    try:
        return sha256_of_files(content_files(path))
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise CaseError(case, f"{path.name} cannot be read: {reason}") from error
