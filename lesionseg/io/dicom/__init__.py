"""DICOM: a folder of slices as one volume, and segmentation objects (DICOM SEG)."""
