"""Which file names are volumes: one table for everything that looks for them.

Reading itself goes by content; a name only says what is worth opening.
"""

from __future__ import annotations

from collections.abc import Mapping

FORMATS: Mapping[str, tuple[str, ...]] = {
    "NIfTI": (".nii.gz", ".nii"),
    "MetaImage": (".mha", ".mhd"),
    "NRRD": (".nrrd", ".nhdr"),
    "FreeSurfer": (".mgz", ".mgh"),
    "DICOM SEG": (".dcm",),  # a DICOM series is a folder
}
NIFTI = FORMATS["NIfTI"]
ITK = (*FORMATS["MetaImage"], *FORMATS["NRRD"])
DETACHED = (".mhd", ".nhdr")  # a text header, its voxels in another file beside it
FREESURFER = FORMATS["FreeSurfer"]
IMAGES = (*NIFTI, *ITK, *FREESURFER)
MASKS = (*IMAGES, *FORMATS["DICOM SEG"])
# what to do with a file of several volumes, on the command line and in Python


def is_image_name(name: str) -> bool:
    """Whether a file of this name is an image by its ending; hidden files are not."""
    return _ends(name, IMAGES)


def is_mask_name(name: str) -> bool:
    """Whether a file of this name may be a mask: an image, or one DICOM file."""
    return _ends(name, MASKS)


def suffix_of(name: str) -> str:
    """The ending that names a volume's format, as written; "" for any other file."""
    for suffix in MASKS:
        if name.lower().endswith(suffix):
            return name[len(name) - len(suffix) :]
    return ""


def strip_suffix(name: str) -> str:
    """A volume file's name without the ending that names its format."""
    return name[: len(name) - len(suffix_of(name))]


def _ends(name: str, suffixes: tuple[str, ...]) -> bool:
    return not name.startswith(".") and name.lower().endswith(suffixes)
