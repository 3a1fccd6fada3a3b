"""How a folder's files become scans. One file a layout; `detection` finds which one it is."""

from lesionseg.io.layouts.bids import read_bids
from lesionseg.io.layouts.decathlon import read_decathlon
from lesionseg.io.layouts.detection import LAYOUTS, detect_layout
from lesionseg.io.layouts.nnunet import read_nnunet
from lesionseg.io.layouts.path_table import read_path_table
from lesionseg.io.layouts.patterns import read_patterns
from lesionseg.io.layouts.scan_files import Layout, ScanFiles, Split, patient_of

__all__ = [
    "LAYOUTS",
    "Layout",
    "ScanFiles",
    "Split",
    "detect_layout",
    "patient_of",
    "read_bids",
    "read_decathlon",
    "read_nnunet",
    "read_path_table",
    "read_patterns",
]
