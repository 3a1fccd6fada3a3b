"""What the name of a file says that it is: a mask of lesions, another mask, an image, or nothing.

A mask is taken for that of the lesions because its name says so, never because nothing speaks
against it: a mask of the brain or of the cortex would be trained as one large lesion.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Container, Iterable, Sequence
from typing import Literal

from lesionseg.io.formats import suffix_of

SAYS_NOTHING = "mask whose name does not say lesion"  # why it is of no scan
Kind = Literal["lesion", "mask", "other mask", "image", "unknown"]

LESION_WORDS = frozenset(
    (
        *("lesion", "les", "plaque", "wmh", "wml", "hyperintensity", "hyperintensities"),
        *("tumor", "tumour", "glioma", "meningioma", "cancer", "carcinoma", "cspca", "gtv"),
        *("metastasis", "metastases", "met", "edema", "oedema", "enhancing", "necrosis"),
        *("stroke", "infarct", "infarction", "ischemia", "ischaemia", "penumbra", "core"),
        *("hemorrhage", "haemorrhage", "hematoma", "haematoma", "bleed", "ich", "ivh"),
        *("microbleed", "cmb", "lacune", "nodule", "mass", "masses", "cyst", "polyp"),
        *("aneurysm", "malformation", "dysplasia", "fcd", "abscess", "pathology", "abnormality"),
    )
)
MASK_WORDS = frozenset(
    (
        *("mask", "msk", "seg", "segmentation", "label", "roi", "annotation", "delineation"),
        *("contour", "gt", "truth", "groundtruth", "reference", "consensus", "manual"),
    )
)
IMAGE_WORDS = frozenset(
    (
        *("flair", "t1", "t1w", "t1c", "t1n", "t1gd", "t1ce", "t1post", "t1pre", "t1map"),
        *("t2", "t2w", "t2f", "t2s", "t2star", "t2starw", "t2map", "pd", "pdw", "pdt2"),
        *("ct", "cta", "ctp", "ncct", "cect", "cbct", "pet", "suv", "spect"),
        *("adc", "dwi", "hbv", "trace", "fa", "swi", "swan", "qsm", "tof", "mra", "angio", "dce"),
        *("mprage", "mp2rage", "uni", "unit1", "spgr", "bravo", "stir", "psir", "tse", "space"),
        *("cbf", "cbv", "mtt", "tmax", "ttp", "mri", "mr", "image", "img", "scan", "volume", "vol"),
    )
)
# beside a word for a mask: of which image, on which grid, by whom, in which version
NEUTRAL_WORDS = frozenset(
    (
        *("native", "orig", "original", "mni", "reg", "registered", "coreg", "resampled", "res"),
        *("resliced", "final", "corrected", "binary", "bin", "new", "all", "raw", "to", "in"),
        *("expert", "human", "hand", "rater", "reader", "observer", "majority", "staple"),
        *("desc", "ground", "tr", "ts", "train", "training", "test", "of", "derivative"),
    )
)
NO_LESIONS = frozenset(("filled", "fill", "filling", "inpainted", "free"))  # of a repaired image
# beside a lesion, of a mask of all else or of an image made of the mask
NOT_OF_LESIONS = frozenset(("excluded", "excluding", "exclusion", "without", "distance", "dist"))
NEGATIONS = frozenset(("no", "non", "not"))  # right before a lesion
PROBABILITIES = frozenset(("prob", "probability", "p", "likelihood"))  # their map may be a mask
# that name a study, a tool or a step of it as well
WEAK_WORDS = frozenset(("mass", "core", "met", "stroke", "pathology", "abnormality"))
OF_THE_HEAD = frozenset(("brain", "skull", "head", "registration"))
LONGEST = 40  # letters of a word that are looked at
LONG_WORDS = ("lesion", "plaque", "infarct", "tumor", "tumour", "nodule")  # within longer words
COMPOUND = re.compile(r"(?P<what>[a-z]+?)(?P<mask>masks?|msk|segmentations?|segs?|labels?|rois?)")


def words_of(name: str) -> list[str]:
    """The words of a name in small letters, a plural as its singular, without numbers at its end.

    "sub_T1w-lesionMask2" gives sub, t1w, lesion, mask.
    """
    parted = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", name).lower()
    return [_plain(word[:LONGEST]) for word in re.split(r"[^a-z0-9]+", parted) if word]


def kind_of(names: str | Iterable[str]) -> Kind:
    """What a file's name, or the parts of it that tell, say.

    "lesion": it names lesions. "mask": a mask, and not of what. "other mask": of something else.
    """
    told = [word for name in ([names] if isinstance(names, str) else names) for word in _told(name)]
    if set(told) & NO_LESIONS:
        return "unknown"
    if set(told) & LESION_WORDS and not _speaks_against(told):
        return "lesion"
    if set(told) & MASK_WORDS:
        rest = set(told) - MASK_WORDS - IMAGE_WORDS - NEUTRAL_WORDS
        return "other mask" if any(_says_something(word) for word in rest) else "mask"
    if set(told) & LESION_WORDS:
        return "unknown"
    return "image" if set(told) & IMAGE_WORDS else "unknown"


def says_mask(name: str) -> bool:
    """Whether a name says mask, segmentation and the like; a patient may be named stroke_01."""
    return bool(set(_told(name)) & MASK_WORDS)


def _speaks_against(told: Sequence[str]) -> bool:
    """Whether words beside that for a lesion leave open that it is a mask of lesions."""
    words, pairs = set(told), list(itertools.pairwise(told))
    named = words & LESION_WORDS > words & WEAK_WORDS  # by more than words like mass
    named = named or any(a in OF_THE_HEAD and b in WEAK_WORDS for a, b in pairs)  # brain mass
    return (
        bool(words & NOT_OF_LESIONS)
        or ("map" in words and not words & PROBABILITIES)
        or any(a in NEGATIONS and b in LESION_WORDS - {"enhancing"} for a, b in pairs)
        or "registration" in words
        or any(a in OF_THE_HEAD and b in MASK_WORDS for a, b in pairs)
        or (not named and bool(words & OF_THE_HEAD))
    )


def kind_of_folder(folder: str) -> Kind:
    """What the name of a pipeline's folder says of the masks in it: lesions only where it names
    nothing else, like lesion_masks, and not a study or a tool, like stroke or lesion_pipeline."""
    told = set(_told(folder))
    if kind_of(folder) != "lesion":
        return kind_of([folder, "mask"])
    if not told & LESION_WORDS - WEAK_WORDS and not told & MASK_WORDS:
        return "other mask"
    rest = told - LESION_WORDS - MASK_WORDS - IMAGE_WORDS - NEUTRAL_WORDS
    return "other mask" if any(_says_something(word) for word in rest) else "lesion"


def holds_masks(folder: str) -> bool:
    """Whether the name of a folder says that masks lie in it: masks, labelsTr, lesions.

    A dataset or a patient may be named after a disease: stroke, BraTS-MET-00012.
    """
    if not is_mask(kind_of(folder)) or re.search(r"\d", folder):
        return False
    told, raw = _told(folder), re.split(r"[^a-z]+", folder.lower())
    return bool(set(told) & MASK_WORDS) or all(
        word in LESION_WORDS | NEUTRAL_WORDS and (name == "lesion" or name.endswith("s"))
        for word, name in zip(told, raw)
    )


def is_mask(kind: Kind) -> bool:
    """Whether a name is of some mask, whatever of."""
    return kind in ("lesion", "mask", "other mask")


def is_mask_of(place: str, places: Container[str]) -> bool:
    """Whether a file is the mask of another by its name: P1_mask.nii beside P1.nii."""
    ending = suffix_of(place)
    own = re.fullmatch(r"(.*[^_\-\s])[_\-\s]+([^_\-\s]+)", place[: len(place) - len(ending)])
    return own is not None and is_mask(kind_of(own[2])) and own[1] + ending in places


def _told(name: str) -> list[str]:
    """The words of a name, "lesionmask" as lesion, mask and "t1lesion" as lesion, t1."""
    return [part for word in words_of(name) for part in _parted(word)]


def _parted(word: str) -> list[str]:
    if word in MASK_WORDS | LESION_WORDS | IMAGE_WORDS:
        return [word]
    if match := COMPOUND.fullmatch(word):
        what, mask = _plain(match["what"]), _plain(match["mask"])
        # aseg and dseg are of tissues: as a word of its own, a letter would say nothing
        return [word if len(what) == 1 else part for part in _parted(what)] + [mask]
    for long in LONG_WORDS:
        rest = word.removeprefix(long) if word.startswith(long) else word.removesuffix(long)
        if rest not in (word, "no", "non"):
            return [long, _plain(rest)]
    return [word]


def _plain(word: str) -> str:
    if word in IMAGE_WORDS:
        return word
    word = re.sub(r"(?<=[a-z]{3})\d+$", "", word)
    singular = word.removesuffix("s")
    known = LESION_WORDS | MASK_WORDS | IMAGE_WORDS | NEUTRAL_WORDS
    return singular if singular in known and word not in known else word


def _says_something(word: str) -> bool:
    """Not a number, a size or a single letter."""
    return not re.fullmatch(r"[a-z]|\d+[a-z]{0,2}", word)
