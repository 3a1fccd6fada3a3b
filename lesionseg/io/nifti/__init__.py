"""NIfTI-1 and NIfTI-2: header checks, affine, voxels, and writing."""
