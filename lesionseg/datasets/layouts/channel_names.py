"""Which image a name or a DICOM description speaks of: FLAIR, T1 with contrast agent, ADC, scout.

Training asks which names recur. Prediction knows the channels of its model and looks for these.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lesionseg.datasets.layouts.centres import VISIT
from lesionseg.datasets.layouts.name_kinds import IMAGE_WORDS, words_of

OTHER = -1  # an image that is of none of the channels
SPELLINGS = {
    **dict.fromkeys(("t1w", "t1n", "t1pre", "mprage", "spgr", "bravo"), "t1"),
    **dict.fromkeys(("t1gd", "t1ce", "t1post"), "t1c"),
    **dict.fromkeys(("t2s", "t2starw"), "t2star"),
    **dict.fromkeys(("t2f", "tirm"), "flair"),
    **dict.fromkeys(("hbv", "trace"), "dwi"),
    **dict.fromkeys(("localizer", "localiser", "loc", "survey", "topogram", "surview"), "scout"),
    "t2w": "t2",
    "pdw": "pd",
    "ncct": "ct",
    "suv": "pet",
    "perf": "perfusion",
    "dsc": "perfusion",
}
# of several in one name the first counts: of "T2 FLAIR" it is FLAIR, of "ADC of DWI" it is ADC
CONTRASTS = (
    *("scout", "adc", "fa", "cbf", "cbv", "mtt", "tmax", "ttp", "dwi", "dti", "swi", "swan"),
    *("qsm", "tof", "mra", "angio", "dce", "perfusion", "asl", "bold", "fmri", "fieldmap"),
    *(
        "t1map",
        "t2map",
        "mp2rage",
        "flair",
        "stir",
        "psir",
        "t2star",
        "several",
        "t1c",
        "t1",
        "t2",
        "pd",
    ),
    *("ctp", "cta", "cect", "cbct", "ct", "pet", "spect"),
)
AGENT = {"gd", "gad", "ce", "km", "contrast", "post", "c"}  # beside T1: after contrast agent
# of a series that says how it was scanned, and nothing of whom
ACQUISITION = frozenset(
    (
        *("ax", "axial", "tra", "transversal", "sag", "sagittal", "cor", "coronal", "2d", "3d"),
        *("fs", "fatsat", "iso", "se", "fse", "gre", "dark", "fluid", "brain", "head", "w", "reg"),
        *("gd", "gad", "ce", "km", "contrast", "post", "c", "pre", "native", "series", "anat"),
        *("cube", "vista", "dicom", "dcm", "nifti", "nii", "preprocessed", "raw", "derivative"),
    )
)
KNOWN = {*SPELLINGS, *CONTRASTS}
SPLIT = re.compile(r"[_\-\s.]+")
SERIES_FOLDER = re.compile(r"(se|ser|series|im|img|st|stu|study|exam|scan)?[-_ ]?[\d.]+", re.I)


def contrast_of(text: str) -> str:
    """The kind of image that a text names, one of CONTRASTS; "" where it names none."""
    words = {SPELLINGS.get(word, word) for word in words_of(text)}
    if {"dark", "fluid"} <= words:
        words.add("flair")
    if len(words & {"t1", "t2", "pd"}) > 1:  # one may be a visit, and which is not told
        words.add("several")
    if "t1" in words and words & AGENT:
        words.add("t1c")
    return next((one for one in CONTRASTS if one in words), "")


def said_channel(text: str, channels: Sequence[str]) -> int | None:
    """The number of the channel that a text speaks of; OTHER where it speaks of another image,
    None where it says nothing, or of two channels alike."""
    own = [contrast_of(channel) for channel in channels]
    contrast, words = contrast_of(text), set(words_of(text))
    fitting = [
        number
        for number, channel in enumerate(channels)
        if (own[number] == contrast if own[number] else _names(words, channel))
    ]
    if len(fitting) > 1:
        fitting = [n for n in fitting if set(words_of(channels[n])) <= words]
    if len(fitting) == 1 and (contrast or not own[fitting[0]]):
        return fitting[0]
    return OTHER if contrast and all(own) and not fitting else None


def _names(words: set[str], channel: str) -> bool:
    """Whether a name holds that of a channel, which is of no known kind."""
    wanted = set(words_of(channel))
    return bool(wanted - IMAGE_WORDS) and wanted <= words


def same_channel(name: str, channel: str, channels: Sequence[str]) -> bool:
    """Whether a folder means a model's channel by a name of its own, as T1w is T1."""
    return name == channel or said_channel(name, channels) == list(channels).index(channel)


def without_kind(name: str, *, loose: bool = False) -> str:
    """A name without the word that says what image it is: P1_T1_flair is P1_T1, flair2 is 2.

    loose: without all such words, those that say how it was scanned, and numbers of series at its
    end.
    """
    if loose:
        left = [part for part in SPLIT.split(name) if part and not _says_kind(part)]
        while left and re.fullmatch(r"\d{1,4}", left[-1]):
            left.pop()
        return "_".join(left)
    contrast, parts = contrast_of(name), re.split(f"({SPLIT.pattern})", name)
    for place in reversed(range(0, len(parts), 2)):
        if contrast and contrast_of(parts[place]) == contrast:
            number = "" if parts[place].lower() in KNOWN else re.sub(r".*\D", "", parts[place])
            parts[place : place + 1] = [number] if number else []
            if not number:  # nor what parts it from the others
                del parts[max(place - 1, 0) : max(place, 1)]
            break
    return "".join(parts)


def tells_whose(name: str) -> bool:
    """Whether the name of a folder may be a patient's: not that of a series, a visit or a date."""
    numbered = SERIES_FOLDER.fullmatch(name) or VISIT.fullmatch(name)
    return bool(without_kind(name, loose=True)) and numbered is None


def _says_kind(part: str) -> bool:
    words = words_of(part)
    return bool(words) and all(
        word in IMAGE_WORDS | ACQUISITION or SPELLINGS.get(word, word) in CONTRASTS
        for word in words
    )
