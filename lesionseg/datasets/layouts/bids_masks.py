"""Which mask of a BIDS folder is that of a scan's lesions, and why each of the others is not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesionseg.datasets.layouts.bids_names import Named, NameEnd, parse_end
from lesionseg.datasets.layouts.name_kinds import (
    SAYS_NOTHING,
    Kind,
    is_mask,
    kind_of,
    kind_of_folder,
)
from lesionseg.errors import CaseError

OTHER_SPACE = "mask in another space than the images"
OTHER_IMAGE = "mask of another image or run than those taken"
OTHER_PATTERN = "mask other than the one asked for"
OTHER_MASK = "mask beside one that says more of lesions"
JOIN = "they are of two sides: join both into one mask"  # the other side would be background
SIDES = ("l", "r", "left", "right")
SHOWN = 6  # kinds of masks that a message names
NATIVE = ("orig", "native", "individual", "anat", "scanner", "t1w", "t2w", "flair")  # of space-
OF_THE_MASK = ("label", "desc", "space", "res", "den", "atlas", "seg", "hemi")  # not of its image


@dataclass(frozen=True)
class MaskWanted:
    """The mask that was asked for: what its name ends in, and the folder below derivatives/, where
    that was given too, as in "manual/label-lesion_mask"."""

    end: NameEnd
    folder: str

    def fits(self, one: Named) -> bool:
        return self.end.fits(one) and (not self.folder or one.folder == self.folder)


@dataclass(frozen=True)
class Chosen:
    """mask: None where there is none. others: why each other mask of the scan was not taken."""

    mask: Named | None
    others: Mapping[Path, str]

    @property
    def seen(self) -> str:
        """The others, for people, where no mask was taken."""
        names: dict[str, list[str]] = defaultdict(list)
        for path, why in self.others.items():
            names[why].append(path.name)
        return "; ".join(f"{', '.join(sorted(found))}: {why}" for why, found in names.items())


def parse_mask(text: str) -> MaskWanted:
    """Raises UsageError for what is no end of a BIDS name."""
    folder, _, end = text.rpartition("/")
    return MaskWanted(parse_end(end), folder.removeprefix("derivatives/"))


def looks_like_mask(one: Named) -> bool:
    """Whether a file is some mask, by its suffix."""
    return is_mask(kind_of(one.suffix))


def choose_mask(
    case: str,
    images: Sequence[Named],
    beside: Sequence[Named],
    masks: Sequence[Named],
    wanted: MaskWanted | None,
) -> Chosen:
    """The mask of a scan. images: its channels. beside: every raw image of its session. masks: of
    its session, and of its subject alone. Raises CaseError where several fit."""
    reasons = {one.path: _why_not(one, images, beside, wanted) for one in masks}
    fitting = [one for one in masks if not reasons[one.path]]
    best = fitting
    if wanted is None:
        session = images[0].entities.get("ses")
        for better in (
            [one for one in fitting if _kind(one) == "lesion"],
            [one for one in fitting if one.suffix.lower() != "probseg"],
            [one for one in fitting if one.entities.get("ses") == session],
        ):
            best = [one for one in best if one in better] or best
    reasons |= {one.path: OTHER_MASK for one in fitting if one not in best}
    if len(best) > 1:
        names = ", ".join(f"{one.folder or 'raw'}/{one.path.name}" for one in best)
        want = JOIN if _of_two_sides(best) else f"say which {_how(best[0])}"
        raise CaseError(case, f"{len(best)} masks: {names}; {want}")
    return Chosen(
        best[0] if best else None,
        {path: reason for path, reason in reasons.items() if reason},
    )


def _of_two_sides(masks: Sequence[Named]) -> bool:
    """Whether masks differ in nothing but the side of the brain that they are of."""
    sides, rests = [], set()
    for one in masks:
        side = {
            key: value
            for key, value in one.entities.items()
            if key == "hemi" or (key == "label" and value.lower() in SIDES)
        }
        rest = {key: value for key, value in one.entities.items() if key not in side}
        sides.append(side)
        rests.add((one.folder, one.suffix, one.source, tuple(sorted(rest.items()))))
    return all(sides) and len(rests) == 1


def mask_words(taken: Sequence[Named]) -> str:
    """Which masks were taken, for people: "label-lesion_mask in derivatives/manual (12)"."""
    counts = Counter(
        f"{one.end} in {_place(one)}" for one in {one.path: one for one in taken}.values()
    )
    words = ", ".join(f"{end} ({count})" for end, count in sorted(counts.items()))
    shared = sum(count > 1 for count in Counter(one.path for one in taken).values())
    return words + (f"; {shared} of them serve several scans" if shared else "")


def seen_words(masks: Iterable[Named], reasons: Mapping[Path, str]) -> str:
    """The masks that were seen and not taken, by the ends of their names."""
    counts = Counter((one.end, reasons.get(one.path, "of no image")) for one in masks)
    words = [f"{end} ({count}, {why})" for (end, why), count in counts.most_common(SHOWN)]
    return ", ".join(words) + (", ..." if len(counts) > SHOWN else "")


def _how(one: Named) -> str:
    folder = f"{one.folder}/" if one.folder else ""
    return f"with data.mask, for example data.mask={folder}{one.end}"


def _place(one: Named) -> str:
    if one.folder is None:
        return "the subjects' folders"
    return f"derivatives/{one.folder}".rstrip("/")


def _why_not(
    mask: Named, images: Sequence[Named], beside: Sequence[Named], wanted: MaskWanted | None
) -> str:
    """Why a mask is not that of the scan's lesions; "" where it may be."""
    if wanted is not None and not wanted.fits(mask):
        return OTHER_PATTERN
    if wanted is None and _kind(mask) not in ("lesion", "mask"):
        return SAYS_NOTHING
    if not _of_images(mask, images, beside):
        return OTHER_IMAGE
    asked = wanted is not None and "space" in wanted.end.entities
    return "" if asked or _in_their_space(mask, images) else OTHER_SPACE


def _kind(mask: Named) -> Kind:
    """What its entities and suffix say or, where they say no more than mask, its folder."""
    told = [mask.entities[key] for key in ("label", "desc") if key in mask.entities]
    kind = kind_of([*told, mask.source, mask.suffix])
    if kind == "lesion" or mask.folder is None:
        return kind
    of_folder = kind_of_folder(mask.folder)
    if kind == "mask":
        return of_folder
    return "lesion" if of_folder == "lesion" and not told and not mask.source else kind


def _of_images(mask: Named, images: Sequence[Named], beside: Sequence[Named]) -> bool:
    """Whether what its name says of its image is true of one of the images taken.

    An entity that no image of the session has says something of the mask itself.
    """
    if mask.source and mask.source.lower() not in {one.suffix.lower() for one in images}:
        return mask.source.lower() not in {one.suffix.lower() for one in beside}
    for key in set(mask.entities) - {"sub", "ses", *OF_THE_MASK}:
        taken = {one.value(key) for one in images} - {""}
        known = taken or {one.value(key) for one in beside} - {""}
        if known and mask.value(key) not in taken:
            return False
    return True


def _in_their_space(mask: Named, images: Sequence[Named]) -> bool:
    space = mask.entities.get("space", "")
    own = {one.entities.get("space", "") for one in images}
    return space in own or not space or space.lower() in NATIVE
