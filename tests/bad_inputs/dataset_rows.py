"""Folders, dataset.json files, tables and data cards that lead astray."""

from __future__ import annotations

import functools
import json
import os

from bad_input_rows import REJECTED, VOXELS, Row, save

from lesionseg.datasets.dataset import find_scans, load_card
from lesionseg.errors import LesionsegError

OUT = "leaves the data folder"
NNUNET = {
    "channel_names": {"0": "FLAIR"},
    "labels": {"background": 0, "lesion": 1},
    "file_ending": ".nii.gz",
}
DECATHLON = {
    "modality": {"0": "FLAIR"},
    "labels": {"0": "background", "1": "lesion"},
    "tensorImageSize": "3D",
}


def scans(root, card="nnunet"):
    """Find a folder's scans; the first that is rejected is the error."""
    dataset = find_scans(load_card(card), root)
    for reason in dataset.rejected.values():
        raise LesionsegError(reason)
    return None, ()


def tree(description, *images):
    """A folder with a dataset.json, given as settings or as text, and image files."""

    def build(folder):
        text = description if isinstance(description, str) else json.dumps(description)
        (folder / "dataset.json").write_text(text)
        for image in images:
            (folder / image).parent.mkdir(exist_ok=True)
            save(folder / image)
        return folder

    return build


def raw(*images, **fields):
    return tree({**NNUNET, **fields}, *images)


def listed(path, case="a"):
    entry = {"images": [path], "label": "labelsTr/a.nii.gz"}
    return raw("labelsTr/a.nii.gz", dataset={case: entry})


def decathlon(path):
    training = [{"image": path, "label": "./labelsTr/a.nii.gz"}]
    return tree({**DECATHLON, "training": training, "test": []}, "labelsTr/a.nii.gz")


def linked_out(folder):
    root = folder / "root"
    root.mkdir()
    save(folder / "secret.nii.gz")
    listed("link.nii.gz")(root)
    os.symlink(folder / "secret.nii.gz", root / "link.nii.gz")
    return root


def table(text, encoding="utf-8"):
    def build(folder):
        save(folder / "a.nii.gz", VOXELS)
        (folder / "scans.csv").write_bytes(text.encode(encoding))
        return folder

    return build


def cases(*names):
    """nnU-Net's folder with cases of these names."""
    files = [place.format(name) for name in names for place in MASK_PLACES]
    return raw(*files)


def piped(folder):
    raw(*MASKS)(folder)
    (folder / MASKS[1]).unlink()
    os.mkfifo(folder / MASKS[1])
    return folder


def linked_to_nothing(folder):
    raw(MASKS[1])(folder)
    (folder / "imagesTr").mkdir()
    os.symlink("../.git/annex/objects/a", folder / MASKS[0])
    return folder


def patients(*names):
    """A folder for each of two patients, with images of these names."""

    def build(folder):
        for patient in ("p1", "p2"):
            (folder / patient).mkdir()
            for name in names:
                save(folder / patient / f"{name}.nii.gz")
        return folder

    return build


MASK_PLACES = ("imagesTr/{}_0000.nii.gz", "labelsTr/{}.nii.gz")
NOT_UTF8 = os.fsdecode(b"b\xff")
MASKS = ("imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz")
TWO = {"0": "FLAIR", "1": "T1"}


def tabled(root):
    dataset = find_scans(None, root)
    for reason in dataset.rejected.values():
        raise LesionsegError(reason)
    return None, ()


JSON = [
    ("no dataset.json", lambda folder: folder, ("no dataset.json",)),
    ("dataset.json that is no JSON", tree("{'a': 1}"), ("dataset.json cannot be read",)),
    ("dataset.json nested 100,000 deep", tree("[" * 100_000), ("dataset.json cannot be read",)),
    ("dataset.json that is a list", tree("[1, 2]"), ("lacks or garbles",)),
    (
        "dataset.json without labels",
        tree({"channel_names": {"0": "T1"}}),
        ("lacks or garbles", "labels"),
    ),
    ("dataset.json with labels in words", raw(labels={"lesion": "many"}), ("lacks or garbles",)),
    ("dataset.json without channels", raw(channel_names={}), ("lacks or garbles",)),
    (
        "dataset.json, a path for an ending",
        raw(file_ending="/../../x.nii"),
        ("file_ending '/../../x.nii'",),
    ),
    ("dataset.json, an image at ../", listed("../a.nii.gz"), (OUT,)),
    ("dataset.json, an image at an absolute path", listed("/etc/passwd"), (OUT,)),
    ("dataset.json, an image on a drive", listed("C:\\a.nii.gz"), (OUT,)),
    ("dataset.json, an image on a server", listed("\\\\server\\share\\a.nii.gz"), (OUT,)),
    ("dataset.json, an image behind a link out", linked_out, (OUT, "symbolic link")),
    ("dataset.json, a case id with a slash", listed("a.nii.gz", "../a"), ("case id '../a'",)),
    ("an nnU-Net folder without scans", raw(), ("no scan",)),
    (
        "a scan without one of its channels",
        raw(*MASKS, channel_names={"0": "FLAIR", "1": "T1"}),
        ("missing channel T1", "got 1 of 2"),
    ),
    (
        "a scan without its mask",
        raw("imagesTr/a_0000.nii.gz"),
        ("mask labelsTr/a.nii.gz is missing",),
    ),
    ("a case whose name is not UTF-8", cases(NOT_UTF8), (r"b\udcff", "rename its files")),
    ("a case whose name has a line end", cases("b\nc"), (r"b\nc: its name", "rename its files")),
    ("a case named as a file of ours", cases("Splits"), ("overwritten by the file", "rename it")),
    ("a mask that is a pipe", piped, ("labelsTr/a.nii.gz is no regular file",)),
    ("dataset.json, a label of 1.7", raw(labels={"lesion": 1.7}), ("lacks or garbles", "1.7")),
    (
        "dataset.json, an infinite label",
        raw(labels={"lesion": float("inf")}),
        ("lacks or garbles", "infinity"),
    ),
    ("dataset.json, a channel without name", raw(channel_names={"0": ""}), ("channels ['']",)),
    ("dataset.json, a channel null", raw(channel_names={"0": None}), ("channels [None]",)),
    (
        "dataset.json, two channels of one name",
        raw(channel_names={"0": "T1", "1": "T1"}),
        ("channels ['T1', 'T1']; want a name for each",),
    ),
    (
        "dataset.json, a case id of 300 letters",
        listed("a.nii.gz", "a" * 300),
        ("case id of 300 letters; want at most 200",),
    ),
    (
        "two case ids that differ in capitals alone",
        raw(*MASKS, "imagesTr/A_0000.nii.gz", "labelsTr/A.nii.gz"),
        ("two scans have this name",),
    ),
]
SETS = [
    (
        "imagesTs, images without a channel number",
        raw(*MASKS, "imagesTs/b.nii.gz"),
        ("imagesTs holds 1 images without a channel number: b.nii.gz", "rename them"),
    ),
    (
        "imagesTs, case ids of imagesTr",
        raw(*MASKS, "imagesTs/a_0000.nii.gz"),
        ("1 cases in both imagesTr and imagesTs: a",),
    ),
    (
        "imagesTs, every scan without a channel",
        raw(*MASKS, "imagesTr/a_0001.nii.gz", "imagesTs/b_0000.nii.gz", channel_names=TWO),
        ("none of the 1 test scans can be used", "another is not drawn"),
    ),
    ("a link to nothing for an image", linked_to_nothing, ("link to a file that is not there",)),
    (
        "dataset.json, a key twice",
        tree('{"labels": {"lesion": 1, "lesion": 2}, "channel_names": {"0": "T1"}}'),
        ("the key 'lesion' is there twice",),
    ),
    (
        "dataset.json, 100,000 channels",
        raw(channel_names={str(n): f"c{n}" for n in range(100_000)}),
        ("names 100000 channels; want 1 to 100",),
    ),
    (
        "dataset.json, labels of an organ and its tumour",
        raw(*MASKS, labels={"background": 0, "liver": 1, "tumour": 2}),
        ("labels liver, tumour", "data.lesions=[tumour]"),
    ),
]
GUESSED = [
    ("a mask of the brain alone", ("FLAIR", "brain_mask"), ("none says", "data.mask=")),
    ("two masks of lesions", ("FLAIR", "lesion1", "lesion2"), ("several may be", "data.mask=")),
]
TABLES = [
    ("a table, an image at ../", "case,FLAIR\na,../a.nii.gz\n", (OUT,)),
    ("a table, an image at an absolute path", "case,FLAIR\na,/etc/passwd\n", (OUT,)),
    (
        "a table, a case twice",
        "case,FLAIR\na,a.nii.gz\na,a.nii.gz\n",
        ("row 3 names case a a second time",),
    ),
    ("a table, a case id with a slash", "case,FLAIR\na/b,a.nii.gz\n", ("case id 'a/b'",)),
    (
        "a table, a column twice",
        "case,FLAIR,FLAIR\na,a.nii.gz,a.nii.gz\n",
        ("no layout fits data", "table of paths"),
    ),
    ("a table, more cells than heads", "case,FLAIR\na,a.nii.gz,more\n", ("row 2 has more cells",)),
    ("a table, an unknown split", "case,FLAIR,split\na,a.nii.gz,some\n", ("split 'some'",)),
    ("a table without rows", "case,FLAIR\n", ("no row",)),
    (
        "a table, one row without an image",
        "case,FLAIR,mask\na,a.nii.gz,a.nii.gz\nb,,a.nii.gz\n",
        ("case b: missing channel FLAIR (no path in scans.csv, row 3)",),
    ),
    (
        "a table, a mask of the brain alone",
        "case,FLAIR,brain_mask\na,a.nii.gz,a.nii.gz\n",
        ("columns of masks, brain_mask", "data.mask=brain_mask"),
    ),
    (
        "a table, a path below no head",
        "case,FLAIR,\na,a.nii.gz,a.nii.gz\n",
        ("row 2 has 'a.nii.gz' below no head",),
    ),
]
ROWS = [
    *(Row(name, build, REJECTED, words, scans) for name, build, words in JSON),
    Row(
        "Decathlon, an image at ../",
        decathlon("../a.nii.gz"),
        REJECTED,
        (OUT,),
        functools.partial(scans, card="msd"),
    ),
    *(Row(name, build, REJECTED, words, scans) for name, build, words in SETS),
    *(Row(name, patients(*files), REJECTED, words, tabled) for name, files, words in GUESSED),
    *(Row(name, table(text), REJECTED, words, tabled) for name, text, words in TABLES),
    Row(
        "a table in Latin-1",
        table("case,FLAIR\né,a.nii.gz\n", "latin-1"),
        REJECTED,
        ("no layout fits data", "table of paths"),
        tabled,
    ),
]
