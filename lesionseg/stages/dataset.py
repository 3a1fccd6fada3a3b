"""The scans that the settings name; without any, the phantom cohort is made first."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from lesionseg.datasets.dataset import Dataset, find_scans, load_card
from lesionseg.datasets.phantom.cohort import write_cohort
from lesionseg.datasets.unused_files import unused_words
from lesionseg.errors import UsageError, printable
from lesionseg.io.image_folder import holds_images
from lesionseg.io.reading import ReadingRule, reading_rule
from lesionseg.settings.check import CheckSettings
from lesionseg.settings.run import PreprocessSettings


def refuse_output_among_scans(settings: CheckSettings | PreprocessSettings) -> None:
    """Raise UsageError for an output folder among the scans, where nothing may be written.

    That is any below data.root; where that is a table, its own folder and any that holds images.
    """
    if settings.data.root is None:
        return
    scans, place = Path(settings.data.root).resolve(), Path(settings.output).resolve()
    if scans.is_file():
        among = place == scans.parent or holds_images(place)
    else:
        among = place.is_relative_to(scans)
    if among:
        raise UsageError(
            f"output {place.name} lies among the scans of data.root {scans.name}; nothing is "
            "written beside them, so give another folder"
        )


def scan_root(settings: CheckSettings | PreprocessSettings) -> Path:
    """Where the scans are, or the phantom cohort will be."""
    root = settings.data.root
    return Path(settings.output) / "phantom" if root is None else Path(root)


def open_dataset(settings: CheckSettings | PreprocessSettings) -> Dataset:
    """The scans of `settings.data`, each to be read as the settings allow; prints what was found.

    The phantom cohort is made first where there is no root. Raises UsageError or NoInputError where
    there are no scans as the card says.
    """
    data, root = settings.data, scan_root(settings)
    if data.root is None:
        assert data.phantom is not None  # the record refuses data without both
        write_cohort(root, data.phantom, workers=settings.workers)
    card = load_card(data.card) if data.card else None
    dataset = find_scans(
        card,
        root,
        patient=data.patient,
        layout=data.layout,
        mask=data.mask,
        lesions=data.lesions,
        classes=data.classes,
        regions=data.regions,
        organ=data.organ,
        ignore=data.ignore,
    )
    print(f"found: {printable(dataset.found)}")
    if words := unused_words(dataset.unused):
        print(f"not used: {printable(words)}")
    rule = reading_rule(data, settings.dicom, mask_threshold=data.mask_threshold)
    return _read_by(dataset, rule)


def _read_by(dataset: Dataset, rule: ReadingRule) -> Dataset:
    scans = tuple(
        dataclasses.replace(scan, rule=dataclasses.replace(rule, structures=scan.rule.structures))
        for scan in dataset.scans
    )
    return dataclasses.replace(dataset, scans=scans)
