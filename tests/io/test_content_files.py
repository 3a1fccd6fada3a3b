"""Which files make a volume: a hash of them must change with every voxel."""

from __future__ import annotations

import numpy as np
import pytest

from lesionseg.io.reading import content_files
from lesionseg.planning.fingerprint import files_key

HEADERS = {
    "scan.mhd": "ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\n"
    "ElementSpacing = 1 1 1\nElementDataFile = voxels.bin\n",
    "scan.nhdr": "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 2 2\nencoding: raw\n"
    "data file: voxels.bin\n\n",
}


@pytest.mark.parametrize("name", HEADERS)
def test_voxels_in_a_file_of_any_name_belong_to_their_header(tmp_path, name):
    (tmp_path / name).write_text(HEADERS[name])
    voxels = tmp_path / "voxels.bin"
    voxels.write_bytes(bytes(8))
    assert content_files(tmp_path / name) == sorted([tmp_path / name, voxels])
    keys = set()
    for value in range(3):
        voxels.write_bytes(np.full(8, value, np.uint8).tobytes())
        keys.add(files_key([tmp_path / name]))
    assert len(keys) == 3


def test_a_garbled_header_is_itself_alone(tmp_path):
    path = tmp_path / "scan.mhd"
    path.write_text("nonsense")
    assert content_files(path) == [path]
