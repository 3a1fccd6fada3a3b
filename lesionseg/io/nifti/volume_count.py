"""How many volumes a NIfTI file holds, by its header alone."""

from __future__ import annotations

import stat
from pathlib import Path

from isal import igzip
from isal.igzip_lib import IsalError

from lesionseg.errors import CaseError
from lesionseg.io.nifti.file import GZIP_MAGIC
from lesionseg.io.nifti.header import LONGEST, parse_header


def count_volumes(path: Path) -> int:
    """The volumes of a file: more than one for a 4D image, 1 for any file whose header cannot be
    read, which reading itself says."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return 1
        with path.open("rb") as raw:
            zipped = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if not zipped:
                return parse_header(raw.read(LONGEST), path.name, path.name).num_volumes
            with igzip.IGzipFile(fileobj=raw, mode="rb") as stream:
                return parse_header(stream.read(LONGEST), path.name, path.name).num_volumes
    except (OSError, EOFError, IsalError, CaseError):  # type: ignore[misc]  # a C type
        return 1
