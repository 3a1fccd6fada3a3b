"""Data cards that say nothing, too much, or lead out of their folder."""

from __future__ import annotations

import json

import yaml
from bad_input_rows import REJECTED, Row, save
from dataset_rows import OUT, scans

from lesionseg.datasets.dataset import load_card
from lesionseg.errors import UsageError

CARD = yaml.safe_load(
    """
name: made
version: "1"
url: unknown
licence: unknown
citation: unknown
reading:
  layout: patterns
  channels: [{name: FLAIR, modality: mri, pattern: "{case}/FLAIR.nii.gz"}]
  mask: "{case}/mask.nii.gz"
  labels: {lesion: 1}
  spacing_mm: unknown
edges_mm: [3, 5, 10]
splits: {patient: layout, test_patients: [], reason: unknown}
collection: unknown
annotation: unknown
raters: unknown
known_problems: [unknown]
personal_data: unknown
limits: [unknown]
"""
)


def endless(folder):
    """A case whose name an expression could part for longer than anybody waits."""
    path = written_card(lambda c: c["splits"].update(patient="^(a|aa)+$"))(folder)
    (folder / "a").rename(folder / ("a" * 60 + "b"))
    return path


def card(path):
    """A card by its path, which a message names as it was typed."""
    try:
        load_card(path)
    except UsageError as error:
        raise UsageError(str(error).replace(str(path), path.name)) from error
    return None, ()


def patterns(path):
    return scans(path.parent, path)


def written_card(change=None, text=None):
    def build(folder):
        content = json.loads(json.dumps(CARD))
        if change is not None:
            change(content)
        path = folder / "card.yaml"
        path.write_text(yaml.safe_dump(content) if text is None else text)
        (folder / "a").mkdir()
        save(folder / "a" / "FLAIR.nii.gz")
        return path

    return build


def reading(**fields):
    return written_card(lambda content: content["reading"].update(fields))


def binary_card(folder):
    (folder / "card.yaml").write_bytes(bytes(range(256)))
    return folder / "card.yaml"


PYTHON = "name: !!python/object/apply:os.system ['touch owned']\n"
ESCAPE = "{case}/../../FLAIR.nii.gz"
CARDS = [
    (
        "a data card with Python tags",
        written_card(text=PYTHON),
        ("is not YAML", "python/object/apply"),
        card,
    ),
    ("a data card of bytes", binary_card, ("cannot be read",), card),
    ("a data card that is a list", written_card(text="[1, 2]"), ("data card",), card),
    ("a data card nested 100,000 deep", written_card(text="[" * 100_000), ("is not YAML",), card),
    ("a data card with an unknown key", reading(masks="x"), ("reading.masks",), card),
    (
        "a data card that ignores what few raters drew, without a value for it",
        reading(few_raters="ignore"),
        ("few_raters 'ignore' wants a mask value",),
        card,
    ),
    (
        "a data card that leaves a question out",
        written_card(lambda c: c.pop("licence")),
        ("licence", "required"),
        card,
    ),
    (
        "a data card with edges that fall",
        written_card(lambda c: c.update(edges_mm=[5, 3])),
        ("edges_mm", "ascending"),
        card,
    ),
    (
        "a data card with a broken expression",
        written_card(lambda c: c["splits"].update(patient="(")),
        ("splits.patient", "no regular expression"),
        card,
    ),
    (
        "a data card whose expression tries for ever",
        endless,
        ("took more than 5 s on one case id, was stopped",),
        patterns,
    ),
    (
        "a data card with a template's braces",
        written_card(text=yaml.safe_dump(CARD).replace("url: unknown", "url: {{ url }}")),
        ("is not YAML", "unhashable key"),
        card,
    ),
    (
        "a data card that gives a key twice",
        written_card(text=yaml.safe_dump(CARD) + "edges_mm: [1, 2]\n"),
        ("edges_mm is given twice",),
        card,
    ),
    (
        "a data card whose pattern can be read in many ways",
        reading(mask="{case}-{case}-{case}/{case}-{case}-{case}-{case}.nii"),
        ("5 fields that do not begin a name", "want at most 4"),
        patterns,
    ),
    (
        "a data card whose pattern has two fields in a row",
        reading(mask="{case}{case}.nii"),
        ("two fields with nothing between them",),
        patterns,
    ),
    (
        "a data card with an infinite edge",
        written_card(lambda c: c.update(edges_mm=[3, float("inf")])),
        ("edges_mm", "finite number"),
        card,
    ),
    (
        "a data card with a spacing of 0",
        reading(spacing_mm=[0, 1, 1]),
        ("spacing_mm", "greater than 0"),
        card,
    ),
    *(
        (f"a data card whose pattern has {braces}", reading(mask=braces), ("no field",), patterns)
        for braces in ("{Case}/m.nii", "{case}/{}.nii", "{case}/{0}.nii", "{case}/m{.nii")
    ),
    (
        "a data card whose pattern widens a field",
        reading(mask="{case:>2000000000}/m.nii"),
        ("braces that are no field",),
        patterns,
    ),
    (
        "a data card whose pattern leaves the root",
        reading(channels=[{"name": "F", "modality": "mri", "pattern": ESCAPE}]),
        (OUT,),
        patterns,
    ),
    (
        "a data card whose mask pattern leaves the root",
        reading(mask="/etc/{case}"),
        (OUT,),
        patterns,
    ),
]

ROWS = [Row(name, build, REJECTED, words, use) for name, build, words, use in CARDS]
