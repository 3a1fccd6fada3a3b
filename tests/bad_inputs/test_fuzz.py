"""Headers and gzip streams made by chance: the right array or our error, nothing else."""

from __future__ import annotations

import gzip
import struct
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from bad_input_rows import AFFINE, VOXELS
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lesionseg.errors import CaseError
from lesionseg.io import read_volume

QUICK = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
PLAIN = nib.Nifti1Image(VOXELS, AFFINE).to_bytes()
ZIPPED = gzip.compress(PLAIN, mtime=0)
FIELDS = {  # of the NIfTI-1 header: byte, format
    "sizeof_hdr": (0, "i"),
    **{f"dim{n}": (40 + 2 * n, "h") for n in range(8)},
    "datatype": (70, "h"),
    "bitpix": (72, "h"),
    **{f"pixdim{n}": (76 + 4 * n, "f") for n in range(8)},
    "vox_offset": (108, "f"),
    "slope": (112, "f"),
    "inter": (116, "f"),
    "units": (123, "b"),
    "qform_code": (252, "h"),
    "sform_code": (254, "h"),
    **{f"form{n}": (256 + 4 * n, "f") for n in range(18)},
}
WHOLE = {"i": st.integers(-(1 << 31), (1 << 31) - 1), "h": st.integers(-(1 << 15), (1 << 15) - 1)}
LIKELY = st.sampled_from([*range(-1, 9), 16, 64, 256, 348, 512, 768, 1024, 1280])
REAL = st.one_of(
    st.floats(width=32), st.sampled_from([0.0, 1.0, -1.0, 352.0, 1e-30, 1e30, float("nan")])
)


def values(form):
    if form == "f":
        return REAL
    return st.one_of(LIKELY, WHOLE[form]) if form in "ih" else st.integers(-128, 127)


CHANGES = st.lists(
    st.sampled_from(sorted(FIELDS)).flatmap(
        lambda name: st.tuples(st.just(name), values(FIELDS[name][1]))
    ),
    min_size=1,
    max_size=4,
)


def outcome(content, name):
    """The array that is read, or None where it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            volume = read_volume(path)
        except CaseError:
            return None
    assert np.isfinite(volume.affine).all()
    assert abs(np.linalg.det(volume.affine)) > 0
    return volume.array


def expected(content):
    """What the header means, in the plainest words of the standard, in double precision."""
    dim = struct.unpack_from("<8h", content, 40)
    code, _, _ = struct.unpack_from("<3h", content, 70)
    offset, slope, inter = struct.unpack_from("<3f", content, 108)
    kinds = {2: "u1", 4: "<i2", 8: "<i4", 16: "<f4", 64: "<f8"}
    kinds |= {256: "i1", 512: "<u2", 768: "<u4", 1024: "<i8", 1280: "<u8"}
    shape = dim[1:4]
    array = np.frombuffer(content, kinds[code], int(np.prod(shape)), int(offset))
    array = array.astype(np.float64).reshape(shape, order="F")
    with np.errstate(all="ignore"):
        return array if slope == 0 or np.isnan(slope) else array * slope + inter


@QUICK
@given(CHANGES)
@example([("slope", 0.0), ("inter", 3.0)])
@example([("dim4", 1), ("dim0", 4)])
@example([("dim1", 6), ("dim2", 5)])
@example([("slope", float(np.float32(1e30))), ("datatype", 512)])
def test_any_header(changes):
    content = bytearray(PLAIN)
    for name, value in changes:
        offset, form = FIELDS[name]
        struct.pack_into(f"<{form}", content, offset, value)
    array = outcome(bytes(content), "scan.nii")
    if array is not None:
        np.testing.assert_allclose(array, expected(content), rtol=1e-5, atol=1e-30)


@QUICK
@given(st.integers(0, len(ZIPPED) - 1), st.integers(1, 255))
def test_any_byte_of_a_gzip_stream(place, change):
    content = bytearray(ZIPPED)
    content[place] ^= change
    array = outcome(bytes(content), "scan.nii.gz")
    if array is not None:  # a byte of the gzip header that says nothing of the content
        assert place < 10
        np.testing.assert_array_equal(array, VOXELS)


@QUICK
@given(st.integers(0, len(ZIPPED) - 1), st.binary(max_size=40))
def test_any_cut_of_a_gzip_stream_with_anything_behind(length, tail):
    content = ZIPPED[:length] + tail
    array = outcome(content, "scan.nii.gz")
    assert array is None or content == ZIPPED


@QUICK
@given(st.binary(max_size=2000), st.sampled_from([".nii", ".nii.gz", ".mha", ".nrrd"]))
@example(b"\x1f\x8b" + bytes(30), ".nii.gz")
@example(b"NRRD0004\n\n", ".nrrd")
def test_any_bytes_at_all(content, ending):
    assert outcome(content, f"scan{ending}") is None


@QUICK
@given(st.binary(max_size=400))
def test_any_compressed_bytes(content):
    assert outcome(gzip.compress(content), "scan.nii.gz") is None
