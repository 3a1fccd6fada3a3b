"""Scans that no body can be, and texts and files without an end."""

from __future__ import annotations

import json
import os

import nibabel as nib
import numpy as np
from bad_input_rows import ACCEPTED, AFFINE, REJECTED, VOXELS, Row, save
from card_rows import CARD
from nibabel.freesurfer import MGHImage
from odd_files import make_odd_file

from lesionseg.datasets.dataset import load_card


def sized(*sizes, origin=(0, 0, 0)):
    affine = np.diag([*sizes, 1.0])
    affine[:3, 3] = origin
    return lambda folder: save(folder / "scan.nii", affine=affine)


def odd(name, kind):
    def build(folder):
        make_odd_file(kind, folder / name)
        return folder / name

    return build


def text(content, name="card.yaml"):
    def build(folder):
        (folder / name).write_text(content)
        return folder / name

    return build


def sparse_card(folder):
    (folder / "card.yaml").write_text(json.dumps(CARD))
    os.truncate(folder / "card.yaml", 100_000_000_000)
    return folder / "card.yaml"


def freesurfer(change):
    def build(folder):
        path = folder / "scan.mgh"
        nib.save(MGHImage(VOXELS, AFFINE), path)
        path.write_bytes(change(path.read_bytes()))
        return path

    return build


def card(path):
    load_card(os.path.relpath(path))  # as a user types it
    return None, ()


MERGED = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 30)
)

SCANS = [
    Row(
        "voxels of 100 mm",
        sized(100, 100, 100),
        REJECTED,
        ("scan.nii has voxels of 100x100x100 mm; want 0.001 to 50",),
    ),
    Row(
        "voxels of 10,000 mm",
        sized(10_000, 10_000, 10_000),
        REJECTED,
        ("has voxels of 1e+04x1e+04x1e+04 mm",),
    ),
    Row("voxels of 1e-5 mm", sized(1e-5, 1, 1), REJECTED, ("has voxels of 1e-05x1x1 mm",)),
    Row("voxels of 0.01 mm, as of a small animal", sized(0.01, 0.01, 0.01), ACCEPTED),
    Row(
        "a place 1,000 m from the origin",
        sized(1, 1, 1, origin=(0, 1e6, 0)),
        REJECTED,
        ("lies 1e+06 mm from the origin of the world",),
    ),
    *(
        Row(f"a scan that is a {kind}", odd("scan.nii.gz", kind), REJECTED, ("no regular file",))
        for kind in ("socket", "device", "link to a pipe")
    ),
    Row(".mgh cut short", freesurfer(lambda data: data[:-300]), REJECTED, ("is cut short",)),
    Row(
        ".mgh without a valid position",
        freesurfer(lambda data: data[:28] + b"\0\0" + data[30:]),
        REJECTED,
        ("no usable position in the world", "data.assume_affine=true"),
    ),
    Row(".mgh", freesurfer(lambda data: data), ACCEPTED),
]
CARDS = [
    *(
        Row(f"a data card that is a {kind}", odd("card.yaml", kind), REJECTED, (said,), card)
        for kind, said in (
            ("pipe", "it is no regular file"),
            ("socket", "it is no regular file"),
            ("device", "it is no regular file"),
            ("folder", "it is a folder"),
        )
    ),
    Row(
        "a data card of 100 GB",
        sparse_card,
        REJECTED,
        ("it holds 100,000,000,000 bytes; want at most 1,048,576",),
        card,
    ),
    *(
        Row(f"a data card {name}", text(content), REJECTED, ("is not YAML", said), card)
        for name, content, said in (
            ("whose merged keys multiply", MERGED, "stand for more than 500,000 values"),
            ("nested 5,000 deep", "a: " + "[" * 5000 + "]" * 5000, "deeper than 50 levels"),
            ("that holds itself", "a: &a {b: *a}", "a value holds itself"),
            ("with a number of 10,000 digits", "a: " + "9" * 10_000, "a number of 10,000 letters"),
            ("with a date that is none", "a: 2001-12-14t21:59:43.10+99:99", "read as a date"),
        )
    ),
]
