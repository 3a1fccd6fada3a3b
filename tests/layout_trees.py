"""Trees of empty files: layouts look at names, never into volumes."""

from __future__ import annotations

import json


def tree(root, *names, dataset=None):
    """Empty files below root, and a dataset.json where its content is given."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    if dataset is not None:
        (root / "dataset.json").write_text(json.dumps(dataset))
    return root


MSD = {
    "modality": {"0": "FLAIR", "1": "T1w"},
    "labels": {"0": "background", "1": "edema", "2": "core"},
    "training": [
        {"image": "./imagesTr/BRATS_001.nii.gz", "label": "./labelsTr/BRATS_001.nii.gz"},
        {"image": "./imagesTr/BRATS_002.nii.gz", "label": "./labelsTr/BRATS_002.nii.gz"},
    ],
    "test": ["./imagesTs/BRATS_009.nii.gz"],
}
MSD_FILES = (
    *("imagesTr/BRATS_001.nii.gz", "labelsTr/BRATS_001.nii.gz", "imagesTr/._BRATS_001.nii.gz"),
    *("imagesTr/BRATS_002.nii.gz", "imagesTs/BRATS_009.nii.gz"),
)
NNUNET = {"channel_names": {"0": "FLAIR"}, "labels": {"background": 0, "lesion": 1}}
BIDS_FILES = (
    *("sub-01/ses-a/anat/sub-01_ses-a_FLAIR.nii.gz", "sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz"),
    *("sub-01/ses-b/anat/sub-01_ses-b_FLAIR.nii.gz", "sub-01/ses-b/anat/sub-01_ses-b_T1w.nii.gz"),
    *("sub-02/anat/sub-02_FLAIR.nii.gz", "sub-02/anat/sub-02_T1w.nii.gz"),
    "derivatives/lesions/sub-01/ses-a/anat/sub-01_ses-a_label-lesion_mask.nii.gz",
    "derivatives/lesions/sub-01/ses-b/anat/sub-01_ses-b_label-lesion_mask.nii.gz",
    "derivatives/lesions/sub-02/anat/sub-02_label-lesion_mask.nii.gz",
    "derivatives/skull/sub-02/anat/sub-02_desc-brain_mask.nii.gz",
)


def nnunet_with_labels(tmp_path, channels, labels):
    (tmp_path / "imagesTr").mkdir()
    (tmp_path / "labelsTr").mkdir()
    for name in ("imagesTr/b1m2_0000.nii.gz", "labelsTr/b1m2.nii.gz"):
        (tmp_path / name).touch()
    (tmp_path / "dataset.json").write_text(
        json.dumps({"channel_names": channels, "labels": labels})
    )
    return tmp_path
