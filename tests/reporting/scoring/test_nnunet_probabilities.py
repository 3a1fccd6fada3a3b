"""nnU-Net's .npz beside its masks: the channels of lesion, with the axes of the file."""

import io
import zipfile

import numpy as np
import pytest
from report_cohort import AFFINE, save

from lesionseg.errors import CaseError
from lesionseg.reporting import ScoringOptions, match_folders
from lesionseg.reporting.scoring.nnunet_probabilities import is_nnunet_npz, read_nnunet_npz
from lesionseg.reporting.scoring.score_cases import score_cases

SHAPE = (5, 7, 11)  # X, Y, Z


def channels(*lesion):
    """(classes, Z, Y, X) of these probabilities (X, Y, Z), written by a slow loop."""
    found = np.zeros((len(lesion) + 1, *SHAPE[::-1]), np.float32)
    for x, y, z in np.ndindex(SHAPE):
        for i, one in enumerate(lesion, 1):
            found[i, z, y, x] = one[x, y, z]
        found[0, z, y, x] = 1 - sum(one[x, y, z] for one in lesion)
    return found


ONE = np.zeros(SHAPE, np.float32)
ONE[1, 2, 3:5] = 0.75
TWO = np.zeros(SHAPE, np.float32)
TWO[1, 2, 3] = 0.125
TWO[4, 6, 10] = 0.5


@pytest.mark.parametrize("name", ["probabilities", "softmax"])
@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_the_channels_of_lesion_are_added_up(tmp_path, name, kind):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, **{name: channels(ONE, TWO).astype(kind)})
    assert is_nnunet_npz(path)
    for labels, expected in ((None, ONE + TWO), ([1], ONE), ([2], TWO)):
        found = read_nnunet_npz(path, labels, SHAPE, "a", "probability")
        assert found.shape == SHAPE
        assert np.allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"other": np.zeros(3)}, "holds no array probabilities or softmax"),
        ({"softmax": np.zeros((2, *SHAPE), np.float32)}, "the axes of the mask reversed"),
        ({"softmax": np.zeros((2, *SHAPE[::-1]), np.float32)}, "do not sum to 1"),
        ({"softmax": np.full((2, *SHAPE[::-1]), np.nan, np.float32)}, "do not sum to 1"),
        ({"softmax": np.zeros((2, *SHAPE[::-1]), int)}, "want fractions"),
        ({"softmax": channels(ONE)}, "none is of label 3"),
        ({"softmax": np.array([{}], object)}, "cannot be read"),  # a pickle
    ],
)
def test_what_is_no_softmax_of_the_mask_is_refused(tmp_path, content, said):
    np.savez(tmp_path / "a.npz", **content)
    with pytest.raises(CaseError, match=said):
        read_nnunet_npz(tmp_path / "a.npz", [3], SHAPE, "a", "probability")


def test_a_file_that_is_no_archive_is_none_of_nnunet(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK nothing")
    assert not is_nnunet_npz(tmp_path / "a.npz")
    assert not is_nnunet_npz(tmp_path / "b.npz")
    with pytest.raises(CaseError, match="cannot be read"):
        read_nnunet_npz(tmp_path / "a.npz", None, SHAPE, "a", "probability")


@pytest.mark.parametrize("beside", [True, False])
def test_a_folder_of_nnunet_brings_its_scores(tmp_path, beside):
    """Lesions of 2 and 1 voxels; the mask holds the first, the second is a candidate at 0.5."""
    save(tmp_path / "ref" / "a.nii.gz", ((ONE > 0) | (TWO > 0.2)).astype(np.uint8))
    save(tmp_path / "net" / "a.nii.gz", (ONE > 0).astype(np.uint8))
    place = tmp_path / ("net" if beside else "scores")
    place.mkdir(exist_ok=True)
    np.savez_compressed(place / "a.npz", probabilities=channels(ONE, TWO))
    scores = None if beside else {"net": place}
    matches = match_folders(tmp_path / "ref", {"net": tmp_path / "net"}, probabilities=scores)
    assert matches.unmatched == ()
    scored = score_cases(matches.cases, ScoringOptions(draws=50), workers=1)
    assert scored.rejected == ()
    assert scored.lesions["score"].fillna(-1).tolist() == [0.875, -1]
    found = scored.candidates["net"]["a"]
    assert sorted(found.score.tolist()) == [0.5, 0.875]
    assert (found.owner > 0).all()


def test_labels_choose_the_channels(tmp_path):
    classes = np.where(ONE > 0, 1, np.where(TWO > 0.2, 2, 0)).astype(np.uint8)
    save(tmp_path / "ref" / "a.nii.gz", classes, AFFINE)
    save(tmp_path / "net" / "a.nii.gz", classes, AFFINE)
    np.savez_compressed(tmp_path / "net" / "a.npz", probabilities=channels(ONE, TWO))
    matches = match_folders(tmp_path / "ref", {"net": tmp_path / "net"})
    scored = score_cases(matches.cases, ScoringOptions(labels=(2,)), workers=1)
    assert scored.lesions["score"].tolist() == [0.5]


def promising(path, shape):
    """A .npz whose array says a shape that its bytes do not hold."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("probabilities.npy", header.getvalue() + bytes(64))
    return path


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (
            (2, 10**5, 10**5, 10**5),
            r"has shape \(2, 100000, 100000, 100000\); want \(classes, 11, 7",
        ),
        ((10**12, *SHAPE[::-1]), "a.npz takes 1,540,000.0 GB of memory"),
        ((2, *SHAPE[::-1]), "cannot be read as .npz; write it anew"),
    ],
)
def test_a_header_that_promises_more_than_there_is_is_refused(tmp_path, shape, words):
    path = promising(tmp_path / "a.npz", shape)
    with pytest.raises(CaseError, match=words):
        read_nnunet_npz(path, None, SHAPE, "a", "probability")
