"""No path that a data file names leaves the folder it is relative to."""

from __future__ import annotations

import pytest

from lesionseg.errors import UsageError
from lesionseg.storage.safe_path import path_inside, path_within


@pytest.mark.parametrize(
    "relative",
    [
        *("/etc/passwd", "//server/share/x.nii", r"\\server\share\x.nii", r"C:\x.nii", "c:x.nii"),
        *("../x.nii", "a/../../x.nii", r"a\..\..\x.nii", "a/..", "", ".", "a\0b", "a\nb"),
    ],
)
def test_what_leaves_is_refused(tmp_path, relative):
    with pytest.raises(UsageError, match="leaves the data folder") as caught:
        path_inside(tmp_path, relative)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_link_out_is_refused_and_one_within_is_not(tmp_path):
    root = tmp_path / "root"
    (root / "store").mkdir(parents=True)
    (tmp_path / "secret.nii").touch()
    (root / "store" / "x.nii").touch()
    try:
        (root / "out.nii").symlink_to(tmp_path / "secret.nii")
        (root / "folder").symlink_to(tmp_path)
        (root / "within.nii").symlink_to(root / "store" / "x.nii")
        (root / "circle").symlink_to(root / "circle")
    except OSError:
        pytest.skip("this account may not make symbolic links")
    for relative in ("out.nii", "folder/secret.nii"):
        with pytest.raises(UsageError, match="symbolic link"):
            path_inside(root, relative)
    assert path_inside(root, "within.nii") == root / "within.nii"
    with pytest.raises(UsageError, match=r"cannot be followed|symbolic link"):
        path_inside(root, "circle/x")


@pytest.mark.parametrize("relative", ["x.nii", "./imagesTr/x.nii", r"imagesTr\x.nii", "a b/ä.nii"])
def test_what_stays_is_joined(tmp_path, relative):
    path = path_inside(tmp_path, relative)
    assert path.is_relative_to(tmp_path)
    assert path.name.endswith(".nii")


def test_an_absolute_path_within_is_taken_where_that_is_allowed(tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    assert path_within(root, str(root / "a" / "x.nii")) == root / "a" / "x.nii"
    assert path_within(root, "a/x.nii") == root / "a" / "x.nii"
    for outside in (tmp_path / "x.nii", root, root / ".." / "x.nii", tmp_path / "data2" / "x.nii"):
        with pytest.raises(UsageError, match="leaves the data folder"):
            path_within(root, str(outside))
    with pytest.raises(UsageError, match="leaves the data folder"):
        path_inside(root, str(root / "x.nii"))
