"""What `import lesionseg` offers beside the readers and scores: predict, check and report.

Every name of it is imported when it is first asked for; see `lesionseg.__getattr__`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lesionseg.errors import NoInputError, UsageError
from lesionseg.io import read_volume
from lesionseg.structures import Affine, Volume

if TYPE_CHECKING:
    from lesionseg.cohort_check import Checked
    from lesionseg.inference import Ensemble, LoadedModel, Prediction
    from lesionseg.reporting import Report

SMALLEST_VOXEL_MM3 = 1e-9
Scan = str | Path | Volume | tuple[NDArray[Any], Affine]


def predict(
    model: LoadedModel | Ensemble, scan: Scan | Sequence[str | Path | Volume]
) -> Prediction:
    """The lesions of one scan, on the scan's own grid.

    model: from `load_model`. scan: a file or a DICOM folder, a Volume, or (array, affine) with an
    array (X, Y, Z), or (C, X, Y, Z) of several channels, and an affine (4, 4) to RAS+ mm. Several
    channels: a list of files or Volumes on one grid, in the order of `model.plan.channels`, or one
    4D file whose volumes they are.

    Raises CaseError for files that cannot be read and channels that do not fit the model.

    >>> import lesionseg
    >>> model = lesionseg.load_model(RUN / "models" / "unet", device="cpu")
    >>> found = lesionseg.predict(model, [FLAIR, T1])
    >>> found.mask.shape == lesionseg.read_volume(FLAIR).array.shape
    True
    >>> list(found.lesions.columns)[:3]
    ['id', 'volume_mm3', 'diameter_mm']
    """
    from lesionseg.inference import predict_case

    names = tuple(channel.name for channel in model.plan.channels)
    return predict_case(model, _volumes(scan, names), case=_name(scan))


def check(
    root: str | Path,
    *,
    card: str | Path | None = None,
    layout: str | None = None,
    patient: str | None = None,
    mask: str | None = None,
    lesions: Sequence[str] = (),
    classes: Mapping[str, Sequence[int]] | None = None,
    regions: bool = False,
    organ: Sequence[int] = (),
    ignore: Sequence[int] = (),
    workers: int | None = None,
) -> Checked:
    """What is wrong with a folder of scans and masks, before anything is trained on it.

    card: the name of a shipped data card, or the path of your own; None drafts one from what is
    seen. layout: `nnunet`, `msd`, `bids`, `table` or `patterns`; None as the card says, or found by
    looking. patient: regular expression that finds the patient in a case id. mask: which masks are
    of lesions, as in `data.mask`. lesions: the labels that are lesions; or classes: name -> mask
    values of each lesion class, which contain one another, the largest first, where they are
    regions. organ, ignore: mask values that are no lesion, and of voxels that nobody judged.
    workers: processes; None one for each core, 0 this one. Writes nothing; `lesionseg check` writes
    tables and page.

    Raises NoInputError where there is no scan, UsageError for a card, a layout or classes that do
    not fit, for both lesions and classes, and for regions without classes.

    >>> import lesionseg
    >>> checked = lesionseg.check(DATA, workers=0)
    >>> {finding.severity for finding in checked.findings} <= {"note", "warning"}
    True
    """
    from lesionseg.cohort_check import check_dataset
    from lesionseg.datasets.dataset import find_scans, load_card

    if classes and lesions:
        raise UsageError("give lesions or classes, not both")
    if regions and not classes:
        raise UsageError("regions=True wants classes, with the values of each")
    found = find_scans(
        load_card(card) if card else None,
        root,
        patient=patient,
        layout=layout,
        mask=mask,
        lesions=lesions,
        classes=classes,
        regions=regions,
        organ=organ,
        ignore=ignore,
    )
    if not found.scans and not found.rejected:
        raise NoInputError(f"no scan in {Path(root).name}; give a folder of scans")
    return check_dataset(found, Path(root), workers=workers, progress=False)


def report(
    reference: str | Path,
    predictions: Mapping[str, str | Path | Sequence[str | Path]],
    output: str | Path,
    *,
    images: str | Path | None = None,
    probabilities: Mapping[str, str | Path | Sequence[str | Path]] | None = None,
    patient: str | None = None,
    workers: int | None = None,
    **options: Any,
) -> Report:
    """Score folders of masks by lesion size and write tables, figures and report.html to `output`.

    reference, predictions: folders of masks with like-named files; predictions by model name, a
    list of folders where a model was trained with several seeds.
    images: folder of scans shown behind the outlines. probabilities: folders of probability maps by
    model name. patient: regular expression that finds the patient in a case id. workers: processes.
    options: of `lesionseg.settings.report.ScoringOptions`, like `edges_mm=(3, 5, 10)`.

    What was left out because a file has no partner stands in `Report.unmatched` and on the page;
    models are compared on the cases that all have, and `Report.missing` says what each lacks.
    Raises UsageError for an option that does not fit, NoInputError for folders without pairs,
    OutputError where the folder cannot be written.

    >>> import lesionseg
    >>> made = lesionseg.report(MASKS, {"itself": MASKS}, OUT, workers=0, draws=50)
    >>> made.page.name
    'report.html'
    >>> row = made.summary.query("metric == 'recall' and bucket == 'all' and average == 'pooled'")
    >>> row["value"].tolist()
    [1.0]
    """
    from lesionseg.reporting import PageInfo, first_rejection, match_folders, write_report
    from lesionseg.reporting.scoring.trainings import training_folders
    from lesionseg.settings.messages import checked
    from lesionseg.settings.report import ScoringOptions
    from lesionseg.storage.lock import locked

    scoring = checked(ScoringOptions, options)
    folders, model_of = training_folders(predictions)
    matches = match_folders(
        Path(reference),
        folders,
        images=Path(images) if images else None,
        probabilities=training_folders(probabilities or {})[0],
        classes=scoring.classes.names if len(scoring.classes) > 1 else (),
        patient=patient,
        missing=scoring.missing,
        output=Path(output),
    )
    told = {name: getattr(matches, name) for name in ("unmatched", "unpredicted", "notes")}
    how: dict[str, Any] = {"workers": workers, "model_of": model_of}
    with locked(Path(output)):
        made = write_report(matches.cases, Path(output), scoring, page_info=PageInfo(**told), **how)
    if made is None:
        first = first_rejection(Path(output))
        raise NoInputError(
            f"every case was rejected; {Path(output).name}/rejected.csv says why, like {first}"
        )
    return made


def _volumes(scan: Scan | Sequence[str | Path | Volume], names: tuple[str, ...]) -> list[Volume]:
    """names: of the model's channels."""
    if isinstance(scan, (str, Path)) and len(names) > 1:
        return _of_one_file(Path(scan), names)
    if isinstance(scan, tuple) and len(scan) == 2 and isinstance(scan[0], np.ndarray):
        array, affine = scan
        affine = np.asarray(affine, dtype=np.float64)
        if affine.shape != (4, 4):
            raise UsageError(f"affine has shape {affine.shape}; want (4, 4), to RAS+ mm")
        whole = np.isfinite(affine).all() and np.array_equal(affine[3], [0, 0, 0, 1])
        if not whole or abs(np.linalg.det(affine[:3, :3])) < SMALLEST_VOXEL_MM3:
            raise UsageError(
                f"affine {affine.tolist()} places no voxels; want finite numbers, three axes of "
                "some length, and 0 0 0 1 in the last row"
            )
        if array.dtype.kind not in "biuf":
            raise UsageError(f"array has dtype {array.dtype}; want real numbers")
        if array.ndim not in (3, 4):
            raise UsageError(f"array has shape {array.shape}; want (X, Y, Z) or (C, X, Y, Z)")
        return [Volume(channel, affine) for channel in (array if array.ndim == 4 else array[None])]
    if isinstance(scan, (str, Path, Volume)):
        scan = [scan]
    if not isinstance(scan, (list, tuple)) or not all(
        isinstance(one, (str, Path, Volume)) for one in scan
    ):
        raise UsageError(
            f"a scan of type {type(scan).__name__}; want a path, a Volume, a list of these, or the "
            "pair (array, affine)"
        )
    return [one if isinstance(one, Volume) else read_volume(one) for one in scan]


def _of_one_file(path: Path, names: tuple[str, ...]) -> list[Volume]:
    """The volumes of a 4D file as channels, or its only one."""
    from lesionseg.datasets.layouts import ScanFiles
    from lesionseg.io.nifti.header_only import count_volumes
    from lesionseg.reading.scans import read_channels

    if count_volumes(path) < 2:
        return [read_volume(path)]
    images, volumes = (path,) * len(names), tuple(range(len(names)))
    case = _name(path)
    return read_channels(ScanFiles(case, case, "test", images, None, volumes, channels=names))


def _name(scan: object) -> str:
    """What messages call the scan: the name of its first file, where it has one."""
    first = scan[0] if isinstance(scan, (list, tuple)) and len(scan) else scan
    return Path(first).name if isinstance(first, (str, Path)) else "scan"
