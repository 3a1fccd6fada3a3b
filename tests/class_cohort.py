"""Masks of several lesion classes, and the files that lesionseg writes beside them."""

import csv
import json
from pathlib import Path

import numpy as np
from report_cohort import AFFINE, SHAPE, save

from lesionseg.reporting import ReportCase, prediction_files

TWO = {"core": (1, 3), "oedema": (2,)}
SITES = [(x, y, z) for x in (3, 15, 27) for y in (3, 15, 27) for z in (2, 10, 17)]
NESTED = {"whole": (1, 2, 3), "core": (1, 3)}


def box(mask, start, size, value):
    mask[tuple(slice(a, a + n) for a, n in zip(start, size))] = value


def classes_of(values, written=(1, 2), regions=False):
    """A record of classes as a mask's CASE.json holds it."""
    each = [
        {"name": name, "values": list(v), "written": w}
        for (name, v), w in zip(values.items(), written)
    ]
    return {"regions": regions, "classes": each}


def predict(
    folder,
    case,
    mask,
    classes=None,
    ids=None,
    rows=(),
    candidates=None,
    scored=(),
    affine=AFFINE,
):
    """A mask with its record; rows, scored: id, score, class, inside of lesions, of candidates."""
    save(folder / f"{case}.nii.gz", mask, affine)
    if classes is not None:
        (folder / f"{case}.json").write_text(json.dumps({"lesion_classes": classes}))
    for kind, volume, table, at in (
        ("instances", ids, rows, "lesions"),
        ("candidates", candidates, scored, "candidates"),
    ):
        if volume is not None:
            save(folder / kind / f"{case}.nii.gz", volume.astype(np.int32), affine)
            (folder / at).mkdir(exist_ok=True)
            with (folder / at / f"{case}.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([("id", "score", "class", "inside"), *table])
    return prediction_files(folder, folder / f"{case}.nii.gz")


def case_of(root: Path, reference, files, case="a", patient=None):
    """files: by model."""
    path = save(root / "reference" / f"{case}.nii.gz", reference)
    return ReportCase(case, patient or case, path, files)


def reference_of_two():
    """Core of 8 voxels in values 1 and 3; oedema of 27 voxels that touches it, and one apart."""
    mask = np.zeros(SHAPE, np.uint8)
    box(mask, (4, 4, 4), (1, 2, 2), 1)
    box(mask, (5, 4, 4), (1, 2, 2), 3)
    box(mask, (6, 4, 4), (3, 3, 3), 2)
    box(mask, (20, 20, 10), (3, 3, 3), 2)
    return mask


def written_as(mask):
    """The mask as a model of TWO writes it: core 1, oedema 2."""
    return np.where(mask == 3, 1, mask).astype(np.uint8)


def masks(generator):
    """Lesion ids and mask values of seven lesions of each class."""
    ids, values = np.zeros(SHAPE, np.int32), np.zeros(SHAPE, np.uint8)
    for number, site in enumerate(generator.permutation(SITES)[:14], 1):
        size = generator.integers(1, 5, 3)
        box(ids, site, size, number)
        box(values, site, size, (1, 2)[number % 2])
    return ids, values


def predicted(ids, values, generator, share):
    """Candidates on every lesion, a `share` of which scores high; one in seven of the other class;
    and two that hit nothing."""
    candidates, rows = ids.copy(), []
    for number in range(1, 15):
        own = int(values[ids == number][0])
        taken = 3 - own if number % 7 == 0 else own
        score = 0.5 + generator.random() / 2 if generator.random() < share else 0.2
        rows.append((number, round(score, 3), list(TWO)[taken - 1], 0))
    for number, site in ((20, (36, 36, 0)), (21, (36, 0, 21))):
        box(candidates, site, (2, 2, 2), number)
        rows.append((number, round(generator.random(), 3), list(TWO)[number % 2], 0))
    kept = [row for row in rows if row[1] >= 0.5]
    found = np.where(np.isin(candidates, [row[0] for row in kept]), candidates, 0)
    mask = np.zeros(SHAPE, np.uint8)
    for number, _, name, _ in kept:
        mask[found == number] = list(TWO).index(name) + 1
    return mask, found, kept, candidates, rows


def seven_cases(root, models):
    """Seven patients with seven lesions of each class, the first model better than the second."""
    cases = []
    for i in range(7):
        generator = np.random.default_rng(i)
        ids, values = masks(generator)
        files = {}
        for model, share in zip(models, (0.9, 0.5)):
            mask, found, kept, candidates, rows = predicted(ids, values, generator, share)
            files[model] = predict(
                root / model, f"c{i}", mask, classes_of(TWO), found, kept, candidates, rows
            )
        cases.append(case_of(root, values, files, f"c{i}"))
    return cases
