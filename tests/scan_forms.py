"""One scan of two channels, FLAIR and T1, written in every form in which scans come.

Each form writes below a folder and returns the words of the input: a path, or several.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import nibabel as nib
import numpy as np
from dicom_slices import write_series

CHANNELS = ("FLAIR", "T1")


class Scan(NamedTuple):
    """channels: (X, Y, Z) int16 each, canonical RAS. affine: diagonal, and an origin."""

    channels: tuple
    affine: np.ndarray


def integer_scan(paths):
    """A scan of NIfTI files as whole numbers on a straight grid, which every format can hold."""
    channels = []
    for path in paths:
        image = nib.as_closest_canonical(nib.load(path))
        values = image.get_fdata()
        channels.append(np.rint(1000 * values / values.max()).astype(np.int16))
    affine = np.diag([*np.round(image.header.get_zooms()[:3], 3), 1.0]).astype(float)
    affine[:3, 3] = (-31.5, 12.25, 40)
    return Scan(tuple(channels), affine)


def nifti(scan, number, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(scan.channels[number], scan.affine), path)
    return path


def both(scan, place, root):
    for number, name in enumerate(CHANNELS):
        nifti(scan, number, root / place.format(name=name, number=number))
    return root


def four_d(scan, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.stack(scan.channels, axis=3), scan.affine), path)


def slices(scan, number, folder, first=1, **tags):
    """The channel as axial DICOM slices, columns to the left and rows to the back of the head."""
    array = scan.channels[number]
    sizes, origin = np.diag(scan.affine)[:3], scan.affine[:3, 3]
    x, y = -(origin + (np.array(array.shape) - 1) * sizes)[:2]
    positions = [(x, y, origin[2] + k * sizes[2]) for k in range(array.shape[2])]
    voxels = array[::-1, ::-1].transpose(2, 1, 0)
    return write_series(
        folder,
        voxels,
        positions,
        first,
        spacing=(sizes[1], sizes[0]),
        series=f"1.2.{number}",
        **tags,
    )


def nnunet(scan, root):
    both(scan, "imagesTs/p1_{number:04d}.nii.gz", root)
    names = {str(number): name for number, name in enumerate(CHANNELS)}
    content = {"channel_names": names, "labels": {"background": 0, "lesion": 1}}
    (root / "dataset.json").write_text(json.dumps(content))
    return root


def decathlon(scan, root):
    four_d(scan, root / "imagesTs/p1.nii.gz")
    content = {
        "modality": {"0": "FLAIR", "1": "T1"},
        "labels": {"0": "background", "1": "lesion"},
        "test": ["./imagesTs/p1.nii.gz"],
    }
    (root / "dataset.json").write_text(json.dumps(content))
    return root


def one_file(scan, root):
    four_d(scan, root / "p1.nii.gz")
    return root / "p1.nii.gz"


def bids(scan, root):
    (root / "participants.tsv").write_text("participant_id\tage\nsub-p1\t40\n")
    for number, suffix in enumerate(("FLAIR", "T1w")):
        nifti(scan, number, root / f"sub-p1/ses-2/anat/sub-p1_ses-2_{suffix}.nii.gz")
    return root


def table(scan, root):
    """With a column of an image that the model does not take, and no mask."""
    both(scan, "files/{name}.nii.gz", root)
    row = "p1,files/T1.nii.gz,files/FLAIR.nii.gz,"
    (root / "scans.csv").write_text(f"case,T1,FLAIR,ADC\n{row}\n")
    return root / "scans.csv"


def patient_folders(scan, root):
    nifti(scan, 0, root / "p1/ADC.nii.gz")
    return both(scan, "p1/{name}.nii.gz", root)


def channel_folders(scan, root):
    return both(scan, "{name}/p1.nii.gz", root)


def own_folder(scan, root):
    return both(scan, "p1/{name}.nii.gz", root) / "p1"


def pacs(scan, root):
    """Series in folders of numbers, told by their descriptions; others of the study beside them."""
    study = root / "p1/20240102"
    described = ("t2_tirm_tra_dark-fluid", "AX T1 SE")
    for number, text in enumerate(described):
        place = study / f"SE{number + 3:06d}"
        slices(scan, number, place, study="1.9", series_number=number + 3, description=text)
    scout = {"description": "localizer", "series_number": 1, "study": "1.9"}
    kept = Scan(tuple(channel[..., :3] for channel in scan.channels), scan.affine)
    slices(kept, 1, study / "SE000001", **scout)
    slices(scan, 0, study / "SE000009", study="1.9", description="ADC", series_number=9)
    return root


def mixed_series(scan, root):
    """All series of a patient in one folder."""
    for number, text in enumerate(CHANNELS):
        made = slices(scan, number, root / str(number), first=100 * number, description=text)
        (root / "p1").mkdir(exist_ok=True)
        for path in list(made.iterdir()):
            path.rename(root / "p1" / f"{number}{path.name}")
        made.rmdir()
    return root


def files(scan, root):
    both(scan, "p1/{name}.nii.gz", root)
    return [root / "p1/FLAIR.nii.gz", root / "p1/T1.nii.gz"]


def dicom_folders(scan, root):
    return [slices(scan, number, root / "p1" / name) for number, name in enumerate(CHANNELS)]


FORMS = (
    *(nnunet, decathlon, one_file, bids, table, patient_folders, channel_folders, own_folder),
    *(pacs, mixed_series, files, dicom_folders),
)
