"""The whole table of bad inputs, by kind."""

from __future__ import annotations

import card_rows
import dataset_rows
import dicom_folder_rows
import dicom_rows
import header_key_rows
import image_rows
import limit_rows
import mask_rows
import new_scan_rows
import nifti_form_rows
import nifti_rows
import report_rows
import sitk_header_rows
import sitk_rows

PARTS = {
    "NIfTI: bytes, sizes, types and scaling": nifti_rows.ROWS,
    "NIfTI: place in the world": nifti_form_rows.ROWS,
    "MetaImage and NRRD": [*sitk_rows.ROWS, *sitk_header_rows.ROWS, *header_key_rows.ROWS],
    "DICOM": [*dicom_rows.ROWS, *dicom_folder_rows.ROWS],
    "Scans of any format": limit_rows.SCANS,
    "Intensities": image_rows.ROWS,
    "Masks": mask_rows.ROWS,
    "Folders of masks in a report": report_rows.ROWS,
    "Folders, tables and cards": [*dataset_rows.ROWS, *card_rows.ROWS, *limit_rows.CARDS],
    "New scans for a trained model": new_scan_rows.ROWS,
}
ROWS = [row for rows in PARTS.values() for row in rows]
