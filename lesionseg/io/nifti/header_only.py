"""What the header of a NIfTI file says alone, its voxels left unread."""

from __future__ import annotations

from pathlib import Path

from lesionseg.errors import CaseError
from lesionseg.io.gzip_stream import plain_or_gzip
from lesionseg.io.nifti.forms import affine_of
from lesionseg.io.nifti.header import LONGEST, Header, parse_header
from lesionseg.structures import Grid


def count_volumes(path: Path) -> int:
    """The volumes of a file: more than one for a 4D image, 1 for any file whose header cannot be
    read, which reading itself says."""
    header = _header(path)
    return 1 if header is None else header.num_volumes


def grid_of(path: Path) -> Grid | None:
    """The grid of a file, with the place that its header's other form gives it, if the two differ;
    None for any file whose header cannot be read or places nothing."""
    header = _header(path)
    if header is None:
        return None
    try:
        affine, other, _ = affine_of(header.forms, header.shape, path.name, path.name)
    except CaseError:
        return None
    return Grid(header.shape, affine, other)


def _header(path: Path) -> Header | None:
    try:
        with plain_or_gzip(path, path.name) as (stream, _):
            return parse_header(stream.read(LONGEST), path.name, path.name)
    except CaseError:
        return None
