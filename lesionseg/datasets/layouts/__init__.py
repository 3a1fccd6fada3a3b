"""How the files of a folder become scans, one file a layout; `detection` finds which it is."""

from lesionseg.datasets.layouts.bids import read_bids
from lesionseg.datasets.layouts.decathlon import read_decathlon
from lesionseg.datasets.layouts.detection import LAYOUTS, Found, detect_layout
from lesionseg.datasets.layouts.nnunet import read_nnunet
from lesionseg.datasets.layouts.path_table import read_path_table
from lesionseg.datasets.layouts.patterns import read_patterns
from lesionseg.datasets.layouts.scan_files import Layout, ScanFiles, Split, patient_of

__all__ = [
    "LAYOUTS",
    "Found",
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
