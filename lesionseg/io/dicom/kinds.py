"""What a DICOM file is, told by its SOP class before anything else of it is read (PS3.4, B.5)."""

from __future__ import annotations

import re
from pathlib import Path

from lesionseg.storage.text_file import open_regular

HEAD = 4096  # bytes in which the SOP class stands: meta information, or the first elements
ROOT = "1.2.840.10008.5.1.4.1.1."
RT_STRUCTURES, SEGMENTATION = "RT structure set (RTSTRUCT)", "segmentation (SEG)"
ENHANCED = "enhanced multi-frame image"
OBJECTS = (  # beginnings of SOP classes that are no slices of a series; the longer ones first
    ("481.3", RT_STRUCTURES),
    ("481.", "radiotherapy object"),
    ("11.", "presentation state (PR)"),
    ("66.4", SEGMENTATION),
    ("66.", "registration or segmentation object"),
    ("67", "real world value mapping"),
    ("88.59", "key object selection (KO)"),
    ("88.", "structured report (SR)"),
    ("104.", "encapsulated document"),
    ("9.", "waveform"),
)
MULTI_FRAME = ("2.1", "2.2", "4.1", "4.3", "4.4", "128.1", "130", "6.2", "13.1.", "77.1.5.4")
# the element's tag, and "UI" and two bytes of length, or four bytes of length
CLASS_TAGS = (
    rb"\x02\x00\x02\x00UI..([0-9.]{10,64})",
    rb"\x08\x00\x16\x00(?:UI..|..\x00\x00)([0-9.]{10,64})",
)


def is_structure_set(path: Path) -> bool:
    """Whether a file can be read and is an RT structure set."""
    try:
        return object_kind(path) == RT_STRUCTURES
    except OSError:
        return False


def object_kind(path: Path) -> str | None:
    """What a DICOM file is in words, where it is no slice of a series; None for one. OSError."""
    with open_regular(path) as file:
        head = file.read(HEAD)
    for pattern in CLASS_TAGS:
        if match := re.search(pattern, head, re.DOTALL):
            return _in_words(match[1].decode("ascii"))
    return None


def _in_words(sop_class: str) -> str | None:
    if not sop_class.startswith(ROOT):
        return None
    below = sop_class.removeprefix(ROOT)
    if below in MULTI_FRAME:
        return ENHANCED
    return next((words for start, words in OBJECTS if below.startswith(start)), None)
