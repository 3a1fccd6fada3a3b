"""What may be mended while the files of a scan are read, and is refused otherwise."""

from __future__ import annotations

import contextlib
import glob
from dataclasses import dataclass
from pathlib import Path

from lesionseg.errors import CaseError
from lesionseg.io.dicom.series import DicomIrregular
from lesionseg.io.formats import DETACHED
from lesionseg.io.itk.headers import voxel_file
from lesionseg.io.volumes import read_volume
from lesionseg.settings.defaults import UNCOVERED
from lesionseg.settings.reading import DicomSettings, ReadingSettings
from lesionseg.structures import Volume


@dataclass(frozen=True)
class ReadingRule:
    """assume_affine, dicom_irregular, dicom_series, volume: as of `read_volume`; the volume is that
    of every file for which no other is named.

    fix_grid: resample masks and further channels that lie on another grid than the first channel.
    uncovered: the largest share of the scan that such a channel may leave uncovered.
    mask_threshold: at or above which a mask of probabilities is lesion; None refuses such masks.
    structures: names of those in an RT structure set that are lesions; none takes the only one.
    fix_grid_key, threshold_key, structures_key: the settings that a user changes them by, for
    messages. labels_way: how a user says what the values of masks mean. either_form: of two masks
    that are compared, either may be the one that kept a single form of its scan's header.
    """

    assume_affine: bool
    dicom_irregular: DicomIrregular
    fix_grid: bool
    mask_threshold: float | None
    uncovered: float = UNCOVERED
    dicom_series: str | None = None
    volume: int | None = None
    structures: tuple[str, ...] = ()
    fix_grid_key: str = "data.fix_grid"
    threshold_key: str = "data.mask_threshold"
    structures_key: str = "data.lesions"
    either_form: bool = False
    labels_way: str = (
        "name all values under labels, and the lesions among them, in a data card (data.card=FILE; "
        "lesionseg check drafts one)"
    )

    def read(self, path: Path, case: str, *, volume: int | None = None) -> Volume:
        """One file, by this rule. Raises CaseError."""
        return read_volume(
            path,
            case=case,
            volume=self.volume if volume is None else volume,
            assume_affine=self.assume_affine,
            dicom_irregular=self.dicom_irregular,
            dicom_series=self.dicom_series,
        )


def reading_rule(
    data: ReadingSettings,
    dicom: DicomSettings,
    *,
    mask_threshold: float | None = None,
    volume: int | None = None,
) -> ReadingRule:
    """The rule that the settings ask for; they have no mask threshold where no mask is read."""
    return ReadingRule(
        data.assume_affine,
        dicom.irregular,
        data.fix_grid,
        mask_threshold,
        data.uncovered,
        dicom.series,
        volume,
    )


STRICT = reading_rule(ReadingSettings(), DicomSettings())


def content_files(path: Path) -> list[Path]:
    """The files whose bytes make a volume: itself, a DICOM folder's, a detached header's and its
    data's."""
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.is_file())
    if path.suffix.lower() in DETACHED:
        files = {path, *path.parent.glob(f"{glob.escape(path.stem)}.*")}
        with contextlib.suppress(CaseError, OSError):  # what cannot be read is refused later
            files.add(voxel_file(path, path.name))
        return sorted(file for file in files if file.is_file())
    return [path]
