"""Defaults that functions of the library have in common with the settings."""

from typing import Final

EDGES_MM = (3.0, 5.0, 10.0)  # diameters between the size buckets
CONNECTIVITY: Final = 26  # of lesions
FOUND_IOU = 0.1  # at which a lesion counts as found
DRAWS = 2000  # of the bootstrap
