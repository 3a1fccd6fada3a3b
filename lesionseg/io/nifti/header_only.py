"""What the header of a NIfTI file says alone, its voxels left unread."""

from __future__ import annotations

import stat
from pathlib import Path

from isal import igzip
from isal.igzip_lib import IsalError

from lesionseg.errors import CaseError
from lesionseg.io.nifti.file import GZIP_MAGIC
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
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as raw:
            zipped = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if not zipped:
                return parse_header(raw.read(LONGEST), path.name, path.name)
            with igzip.IGzipFile(fileobj=raw, mode="rb") as stream:
                return parse_header(stream.read(LONGEST), path.name, path.name)
    except (OSError, EOFError, IsalError, CaseError):  # type: ignore[misc]  # a C type
        return None
