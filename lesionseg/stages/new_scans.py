"""The scans of a folder that are predicted, and the files there that are not."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lesionseg.datasets.layouts import ScanFiles
from lesionseg.datasets.unused_files import no_scans, unused_files, unused_words
from lesionseg.errors import printable
from lesionseg.io.formats import is_image_name
from lesionseg.io.image_folder import find_images
from lesionseg.io.nifti.header_only import count_volumes
from lesionseg.io.reading import ReadingRule


def scans_to_predict(
    source: Path, output: Path, names: tuple[str, ...], rule: ReadingRule
) -> list[ScanFiles]:
    """The scans of a file or folder; what is not predicted there is named on stderr.

    output: whose files are not named. names: of the model's channels. Raises as `find_images`.
    """
    found = find_images(source, len(names))
    passed: Mapping[str, str] = {}
    if len(names) == 1 and source.is_dir():
        passed = no_scans([path for _, paths in found for path in paths])
    scans = [
        _scan(case, paths, names, rule)
        for case, paths in found
        if not any(path.name in passed for path in paths)
    ]
    _name_unused(source, output, scans, passed)
    return scans


def _scan(case: str, paths: Sequence[Path], names: tuple[str, ...], rule: ReadingRule) -> ScanFiles:
    """A scan of one file a channel, or of one 4D file whose volumes are the channels; reading it
    says where their numbers differ."""
    images = tuple(paths)
    volumes: tuple[int, ...] = ()
    if len(paths) == 1 < len(names) and count_volumes(paths[0]) > 1:
        images, volumes = (paths[0],) * len(names), tuple(range(len(names)))
    return ScanFiles(case, case, "test", images, None, volumes, rule=rule, channels=names)


def _name_unused(
    source: Path, output: Path, scans: Sequence[ScanFiles], passed: Mapping[str, str]
) -> None:
    """Say which images below the folder of scans are not predicted, but for those of the output.

    passed: name -> why, of images right in the folder that are left out. Others there are of
    scans, or their rejection says why not.
    """
    output = output.resolve()
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
