"""Defaults that functions of the library have in common with the settings."""

from typing import Final

EDGES_MM = (3.0, 5.0, 10.0)  # diameters between the size buckets
CONNECTIVITY: Final = 26  # of lesions
FOUND_IOU = 0.1  # at which a lesion counts as found
CONTEXT_SLICES = 1  # on either side of a slice
MARGIN_MM = 5.0  # kept around the head or body
DRAWS = 2000  # of the bootstrap
COMPARE_AT = 2.0  # false positives a scan
UNCOVERED = 0.6  # of a scan that a resampled channel may not show
ALL_CLASSES = "all classes"
NO_CLASS, MISSED = "none", "missed"  # of a false positive's reference, of a missed lesion's finding
CLASS_WORDS = (ALL_CLASSES, NO_CLASS, MISSED)  # which no class may be named
