"""What the training scans are like: spacing, intensities, lesion sizes. One record a case."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesionseg import geometry
from lesionseg.datasets.dataset import Modality
from lesionseg.io.reading import content_files
from lesionseg.planning.likeness import FINE, as_text, thumbnail
from lesionseg.planning.scan_look import ChannelLook, ClassLook, ScanLook, look_at
from lesionseg.reading.foreground import Foreground, find_foreground
from lesionseg.reading.intensities import (
    middle_mean_and_spread,
    range_at_lesions,
    tissue_intensities,
)
from lesionseg.reading.lesion_ids import in_plane_boxes, lesion_volumes
from lesionseg.reading.scans import LoadedScan
from lesionseg.reading.stray_voxels import stray_voxels
from lesionseg.storage.atomic import write_text
from lesionseg.storage.hashes import sha256_of_bytes, sha256_of_file, sha256_of_text
from lesionseg.storage.json_file import read_json
from lesionseg.structures import Affine

FORMAT = 10
MOST_BYTES = 1 << 30  # of fingerprint.json; a scan with many lesions takes 16,000
DECIMALS = 3
DIGITS = 6  # of an intensity, whose unit may make it tiny


@dataclass(frozen=True)
class CaseFingerprint:
    """Of one scan, canonical RAS, on its own grid.

    key: hash of the files it was measured from. intensities: by channel, the 0.5th and 99.5th
    percentile, mean and standard deviation inside the foreground. middles: by channel, mean and
    standard deviation between the 5th and 95th percentile there. around_lesions: by channel, the
    least and largest intensity in and 3 mm around lesions; None without lesions.
    lesion_voxels_outside: of head or body, without the `stray_voxels`.
    lesion_volumes: mm3, by lesion. lesion_kinds: the number of the class of each.
    boxes: width and height in mm, by 2D component; box_lesions: the index of its lesion among the
    volumes.
    notes: what was mended while reading. likeness: its first channel a few voxels wide, as text.
    look: by which doubtful scans are told.
    """

    case: str
    key: str
    spacing_mm: tuple[float, float, float]
    shape: tuple[int, int, int]
    slab_axis: int
    intensities: tuple[tuple[float, float, float, float], ...]
    middles: tuple[tuple[float, float], ...]
    around_lesions: tuple[tuple[float, float] | None, ...]
    lesion_voxels_outside: int
    lesion_volumes: tuple[float, ...]
    lesion_kinds: tuple[int, ...]
    boxes: tuple[tuple[float, float], ...]
    box_lesions: tuple[int, ...]
    stray_voxels: int = 0
    notes: tuple[str, ...] = ()
    likeness: str = ""
    look: ScanLook = field(default_factory=lambda: ScanLook(()))

    @property
    def in_plane_spacing_mm(self) -> tuple[float, float]:
        rows, columns = (s for axis, s in enumerate(self.spacing_mm) if axis != self.slab_axis)
        return rows, columns

    @property
    def lesion_volumes_mm3(self) -> NDArray[np.float64]:
        return np.asarray(self.lesion_volumes, np.float64)

    def small_widths_mm(self, diameter_mm: float) -> NDArray[np.float64]:
        """Longer sides of the 2D components of lesions below a diameter (equal-volume sphere)."""
        small = self.box_volumes_mm3 < np.pi / 6 * diameter_mm**3
        return self.boxes_mm.max(axis=1)[small]

    @property
    def boxes_mm(self) -> NDArray[np.float64]:
        """(M, 2) width and height."""
        return np.asarray(self.boxes, np.float64).reshape(-1, 2)

    @property
    def box_volumes_mm3(self) -> NDArray[np.float64]:
        """(M,) the volume of the lesion of each 2D component."""
        return self.lesion_volumes_mm3[np.asarray(self.box_lesions, np.int64)]

    @property
    def box_kinds(self) -> NDArray[np.int64]:
        """(M,) the class number of the lesion of each 2D component."""
        return np.asarray(self.lesion_kinds, np.int64)[np.asarray(self.box_lesions, np.int64)]

    def class_loads(self, num_classes: int) -> tuple[int, ...]:
        """How many lesions of each class there are."""
        return tuple(self.lesion_kinds.count(number + 1) for number in range(num_classes))


def take_fingerprint(scan: LoadedScan, modalities: Sequence[Modality], key: str) -> CaseFingerprint:
    """Measure one loaded scan. Raises CaseError for a channel without contrast."""
    slab_axis, _, _ = geometry.slab_axes(geometry.spacing(scan.affine))
    foreground = find_foreground(scan.channels, scan.affine, modalities, scan.case, scan.names)
    intensities, middles = [], []
    for channel, background in zip(scan.channels, foreground.backgrounds):
        values = tissue_intensities(channel, foreground, background, scan.case)
        low, high = np.percentile(values, (0.5, 99.5))
        intensities.append((_few(low), _few(high), _few(values.mean()), _few(values.std())))
        middles.append(middle_mean_and_spread(values))
    volumes: tuple[float, ...] = ()
    classes: tuple[int, ...] = ()
    boxes, owners = np.zeros((0, 2)), np.zeros(0, np.int32)
    around: list[tuple[float, float] | None] = [None] * len(scan.channels)
    outside = num_stray = 0
    if scan.lesion_ids is not None:
        assert scan.kinds is not None
        stray = stray_voxels(scan.channels, scan.lesion_ids, foreground)
        num_stray, seen = len(stray), scan.lesion_ids.copy()
        seen[tuple(stray.T)] = 0
        around = [
            range_at_lesions(channel, seen, scan.affine, foreground, background)
            for channel, background in zip(scan.channels, foreground.backgrounds)
        ]
        outside = int(np.count_nonzero((seen > 0) & ~foreground.inside))
        sizes = lesion_volumes(scan.lesion_ids, scan.kinds, scan.affine)
        volumes = tuple(_short(mm3) for mm3 in sizes.values())
        classes = tuple(int(scan.kinds.classes[lesion]) for lesion in sizes)
        boxes, owners = in_plane_boxes(scan.lesion_ids, scan.kinds, scan.affine, slab_axis)
        owners = np.searchsorted(list(sizes), owners).astype(np.int32)
    x, y, z = scan.channels[0].shape
    return CaseFingerprint(
        case=scan.case,
        key=key,
        spacing_mm=geometry.spacing(scan.affine),
        shape=(x, y, z),
        slab_axis=slab_axis,
        intensities=tuple(intensities),
        middles=tuple(middles),
        around_lesions=tuple(around),
        lesion_voxels_outside=outside,
        lesion_volumes=volumes,
        lesion_kinds=classes,
        boxes=tuple((_short(width), _short(height)) for width, height in boxes),
        box_lesions=tuple(int(owner) for owner in owners),
        stray_voxels=num_stray,
        notes=scan.notes,
        likeness=as_text(_thumbnail(scan.channels[0], foreground)),
        look=look_at(scan, foreground),
    )


def likeness_of(
    channels: Sequence[NDArray[Any]], affine: Affine, modalities: Sequence[Modality], case: str
) -> str:
    """The likeness of a scan of which no more is looked at; its channels in canonical RAS."""
    return as_text(_thumbnail(channels[0], find_foreground(channels, affine, modalities, case)))


def _thumbnail(image: NDArray[Any], foreground: Foreground) -> NDArray[np.int8]:
    return thumbnail(image, foreground.inside, geometry.bounding_box(foreground.inside), FINE)


def files_key(paths: Sequence[Path], *more: str) -> str:
    """sha256 over the content of volume files, in order, and more strings. Raises OSError."""
    files = [file for volume in paths for file in content_files(volume)]
    parts = [*map(sha256_of_file, files), *map(sha256_of_text, more)]
    return sha256_of_bytes(str(FORMAT).encode(), *map(bytes.fromhex, parts))


def write_fingerprints(path: Path, fingerprints: Sequence[CaseFingerprint]) -> None:
    """Write fingerprint.json, one case a line, atomically."""
    lines = [json.dumps(dataclasses.asdict(one)) for one in fingerprints]
    write_text(path, '{"cases": [\n' + ",\n".join(lines) + "\n]}\n")


def read_fingerprints(path: Path) -> dict[str, CaseFingerprint]:
    """Fingerprints of an earlier run by case; none where there is no usable file."""
    try:
        rows = read_json(Path(path), most=MOST_BYTES)["cases"]
        return {row["case"]: _from_json(row) for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _from_json(row: Mapping[str, Any]) -> CaseFingerprint:
    def frozen(value: Any) -> Any:
        return tuple(frozen(one) for one in value) if isinstance(value, list) else value

    parts = ("channels", "classes")
    look = {name: frozen(value) for name, value in row["look"].items() if name not in parts}
    channels = tuple(
        ChannelLook(**{name: frozen(value) for name, value in channel.items()})
        for channel in row["look"]["channels"]
    )
    classes = tuple(
        ClassLook(**{name: frozen(value) for name, value in one.items()})
        for one in row["look"]["classes"]
    )
    fields = {name: frozen(value) for name, value in row.items()}
    return CaseFingerprint(**fields | {"look": ScanLook(channels, classes=classes, **look)})


def _short(value: Any) -> float:
    return round(float(value), DECIMALS)


def _few(value: Any) -> float:
    return float(f"{value:.{DIGITS}g}")
