"""Folders of masks whose files or values may be taken for others, given to a report."""

from __future__ import annotations

import functools

import numpy as np
from bad_input_rows import REJECTED, WARNED, Row
from report_cohort import SHAPE, lesions, save

from lesionseg.errors import CaseError
from lesionseg.reporting import ScoringOptions, match_folders
from lesionseg.reporting.scoring.class_labels import refuse_classes
from lesionseg.reporting.scoring.score_cases import score_cases

MASK = lesions(1)
CORE = np.zeros(SHAPE, np.uint8)
CORE[2:8, 2:8, 2:8] = 1
CORE[4:6, 4:6, 4:6] = 2
GREY = np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.int16)


def scored(root, **options):
    """What a report says to reference/ and net/: a problem, or what is left out and noted."""
    scoring = ScoringOptions(**options)
    matches = match_folders(root / "reference", {"net": root / "net"})
    found = score_cases(matches.cases, scoring, workers=0)
    refuse_classes(found.looks)
    for _, case, reason in found.rejected:
        raise CaseError(case, reason)
    return None, (*matches.unmatched, *found.notes)


def folders(**masks):
    """Masks by name: ref_P0__mask is reference/P0/mask.nii.gz, net_a a prediction."""

    def build(root):
        for name, mask in masks.items():
            side, _, path = name.partition("_")
            place = root / {"ref": "reference", "net": "net"}[side]
            save(place / f"{path.replace('__', '/')}.nii.gz", mask)
        return root

    return build


def with_file(build, name, content):
    def made(root):
        (build(root) / name).write_bytes(content)
        return root

    return made


def with_npz(array):
    def build(root):
        folders(ref_a=MASK, net_a=MASK)(root)
        np.savez(root / "net" / "a.npz", probabilities=array)
        return root

    return build


ROWS = [
    Row(
        "a mask twice, as .nii.gz and as .nii",
        with_file(folders(ref_a=MASK, net_a=MASK), "net/a.nii", b""),
        REJECTED,
        ("predictions.net holds a.nii and a.nii.gz, both a",),
        scored,
    ),
    Row(
        "one of two time points predicted",
        folders(ref_P0_T1_MASK=MASK, ref_P0_T2_MASK=MASK, net_P0_T1=MASK),
        WARNED,
        ("reference P0_T2 has no prediction",),
        scored,
    ),
    Row(
        "folders of patients, one prediction missing",
        folders(ref_P0__mask=MASK, ref_P1__mask=MASK, net_P1__mask=MASK),
        WARNED,
        ("reference P0 has no prediction",),
        scored,
    ),
    Row(
        "two predictions that fit a case equally",
        folders(ref_a=MASK, ref_b=MASK, net_a_seg=MASK, net_a_pred=MASK, net_b=MASK),
        WARNED,
        ("net has no single prediction for a: a_pred, a_seg all fit",),
        scored,
    ),
    Row(
        "images in place of reference masks",
        folders(ref_a=GREY, net_a=MASK),
        REJECTED,
        ("reference holds 899 values in", "as an image does and no mask"),
        scored,
    ),
    Row(
        "classes in place of lesion ids",
        folders(ref_a=CORE, net_a=MASK),
        REJECTED,
        ("reference holds the values 1, 2", "like classes", "labels=[1,2]", "instances=true"),
        scored,
    ),
    Row(
        "labels that no reference holds",
        folders(ref_a=2 * MASK, net_a=MASK),
        REJECTED,
        ("labels is [1], and no mask of reference holds any of them, but 2",),
        functools.partial(scored, labels=(1,)),
    ),
    Row(
        "a value of no class beside several classes",
        folders(ref_a=np.where(CORE > 1, np.uint8(7), CORE), net_a=MASK),
        REJECTED,
        ("reference has unknown labels 7; want 0, 1, 2", "name the others in labels, known_labels"),
        functools.partial(scored, labels=(1, 2)),
    ),
    Row(
        "a class that no reference has",
        folders(ref_a=MASK, net_a=MASK),
        WARNED,
        ("no reference holds a lesion of 2: what is found of such lesions is undefined",),
        functools.partial(scored, labels=(1, 2)),
    ),
    Row(
        "known_labels without labels",
        folders(ref_a=MASK, net_a=MASK),
        WARNED,
        ("known_labels has no effect without labels",),
        functools.partial(scored, known_labels=(1,)),
    ),
    Row(
        "a mask changed after lesionseg wrote it",
        folders(ref_a=MASK, net_a=0 * MASK, net_instances__a=MASK),
        WARNED,
        ("was changed after lesionseg wrote it: the mask is scored",),
        scored,
    ),
    Row(
        "nnU-Net's probabilities of another shape",
        with_npz(np.zeros((2, *SHAPE), np.float32)),
        REJECTED,
        ("a.npz has shape (2, 40, 40, 24); want (classes, 24, 40, 40)",),
        scored,
    ),
]
