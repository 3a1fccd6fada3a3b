"""The whole table of bad inputs, by kind."""

from __future__ import annotations

import dicom_rows
import mask_rows
import nifti_rows
import sitk_rows

PARTS = {
    "NIfTI": nifti_rows.ROWS,
    "MetaImage and NRRD": sitk_rows.ROWS,
    "DICOM": dicom_rows.ROWS,
    "Masks": mask_rows.ROWS,
}
ROWS = [row for rows in PARTS.values() for row in rows]
