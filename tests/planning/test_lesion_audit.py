"""What becomes of lesions on the way: counted by hand on grids of a few voxels."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from lesionseg.errors import UsageError
from lesionseg.lesion_classes import named_classes
from lesionseg.lesion_kinds import of_one_class
from lesionseg.planning.audit_file import (
    audit_content,
    audit_from,
    audit_words,
    refuse_losses,
    write_audit,
)
from lesionseg.planning.lesion_audit import (
    OUTCOMES,
    STEPS,
    LesionAudit,
    audit_case,
    step_outcome,
)
from lesionseg.structures import Case, Grid

SHAPE = (24, 26, 9)
OF_ONE = {1: 1, 2: 1, 3: 1}  # the class of each lesion


def lesions():
    """1: a cube of 4 x 4 x 2. 2: one voxel. 3: 6 voxels in a row. 4: 3 x 3 x 1."""
    ids = np.zeros(SHAPE, np.int32)
    ids[3:7, 3:7, 2:4] = 1
    ids[12, 12, 4] = 2
    ids[18:24, 5, 6] = 3
    ids[15:18, 18:21, 7] = 4
    return ids


VOLUMES = {1: 32.0, 2: 1.0, 3: 6.0, 4: 9.0}


def case_of(stored, affine=None):
    image = np.broadcast_to(np.float16(0), (1, *stored.shape))
    affine = np.eye(4) if affine is None else affine
    return Case("c", "p", image, stored, affine, 2, Grid(SHAPE, np.eye(4)), ("a",))


def changed(edit):
    ids = lesions()
    edit(ids)
    return ids


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda ids: None, {}),
        (lambda ids: ids.__setitem__((12, 12, 4), 0), {"vanished": (2,)}),
        (lambda ids: ids.__setitem__((20, 5, 6), 0), {"split": (3,)}),
        (lambda ids: ids.__setitem__((slice(18, 20), 5, 6), 0), {"changed": (3,)}),
        (lambda ids: ids.__setitem__((12, slice(13, 19), 4), 2), {"changed": (2,)}),
        # a voxel that touches its own by a corner is no piece apart
        (lambda ids: ids.__setitem__((13, 13, 5), 2), {"changed": (2,)}),
        # a voxel of lesion 4 at the diagonal neighbour of lesion 2
        (lambda ids: ids.__setitem__((13, 13, 5), 4), {"merged": (2, 4), "split": (4,)}),
        (lambda ids: ids.__imul__(0), {"vanished": (1, 2, 3, 4)}),
    ],
)
def test_outcomes_by_hand(edit, expected):
    found = step_outcome(VOLUMES, changed(edit), 1.0)
    assert found == {outcome: expected.get(outcome, ()) for outcome in OUTCOMES}


def audited_of(ids, case):
    return audit_case(ids, of_one_class(ids), np.eye(4), case)


def test_a_fifth_of_the_volume_is_allowed():
    ids = np.zeros(SHAPE, np.int32)
    ids[0, :12, 0] = 1
    assert step_outcome({1: 10.0}, ids, 1.0)["changed"] == ()
    assert step_outcome({1: 9.9}, ids, 1.0)["changed"] == (1,)
    assert step_outcome({1: 15.1}, ids, 1.0)["changed"] == (1,)


def test_nothing_happens_where_nothing_is_resampled():
    audited = audited_of(lesions(), case_of(lesions()))
    assert audited.volumes_mm3 == VOLUMES
    assert list(audited.steps) == list(STEPS)
    assert all(not ids for found in audited.steps.values() for ids in found.values())
    assert audited.lost == ()


def test_what_the_crop_cuts_off_is_lost_there_and_after():
    stored = lesions()[:18]
    audited = audit_case(
        lesions(), of_one_class(lesions()), np.eye(4), case_of(np.ascontiguousarray(stored))
    )
    assert audited.lost == (3,)
    assert audited.steps["scan grid"]["vanished"] == ()
    assert audited.steps["reorient"]["vanished"] == ()
    for step in STEPS[2:]:
        assert audited.steps[step]["vanished"] == (3,)


def test_a_coarse_grid_merges_and_swells_and_home_is_no_better():
    ids = np.zeros(SHAPE, np.int32)
    ids[4, 4, 4], ids[6, 4, 4] = 1, 2  # one voxel apart
    ids[12:20, 12:20, 2:6] = 3
    coarse = np.zeros((12, 13, 9), np.int32)
    coarse[2, 2, 4], coarse[3, 2, 4] = 1, 2  # neighbours in voxels of 2 x 2 x 1
    coarse[6:10, 6:10, 2:6] = 3
    affine = np.diag([2.0, 2, 1, 1])
    affine[:2, 3] = 0.5
    audited = audited_of(ids, case_of(coarse, affine))
    assert audited.steps["resample"]["merged"] == (1, 2)
    assert audited.steps["resample"]["changed"] == (1, 2)
    assert audited.steps["home"]["merged"] == (1, 2)
    assert audited.lost == ()


def test_instances_that_touch_in_the_file_have_not_merged_here():
    ids = np.zeros(SHAPE, np.int32)
    ids[4:8, 4:8, 4], ids[8:12, 4:8, 4] = 1, 2
    ids[15, 15, 4] = ids[18, 15, 4] = 3  # one lesion in two pieces
    audited = audited_of(ids, case_of(ids.copy()))
    assert all(not found for step in audited.steps.values() for found in step.values())


def test_a_scan_without_lesions_has_nothing_to_lose():
    empty = np.zeros(SHAPE, np.int32)
    audited = audited_of(empty, case_of(empty))
    assert (audited.volumes_mm3, audited.lost) == ({}, ())


def test_a_case_that_lost_all_lost_all():
    audited = audit_case(
        lesions(), of_one_class(lesions()), np.eye(4), case_of(np.zeros(SHAPE, np.int32))
    )
    assert audited.lost == (1, 2, 3, 4)


SOME = dict.fromkeys(OUTCOMES, ())


def test_the_table_and_the_plain_data_that_is_gone_on_from(tmp_path):
    steps = {step: dict(SOME) for step in STEPS}
    steps["home"] = SOME | {"vanished": (3,), "changed": (1, 2)}
    cases = {"a": LesionAudit({1: 5.0, 2: 600.0, 3: 6.0}, steps, 2, OF_ONE), "b": LesionAudit()}
    write_audit(tmp_path, cases, (3, 5, 10))
    for one in cases.values():
        assert audit_from(json.loads(json.dumps(audit_content(one)))) == one
    rows = list(csv.DictReader((tmp_path / "lesion_audit.csv").read_text().splitlines()))
    assert len(rows) == 7 * 2
    tiny, large = rows[-2:]
    assert (tiny["step"], tiny["bucket"], tiny["reference"]) == ("home", "under 3 mm", "2")
    assert (tiny["vanished"], tiny["vanished_ids"], tiny["changed_ids"]) == ("1", "3", "1")
    assert (large["bucket"], large["changed_ids"]) == ("10 mm and more", "2")
    assert audit_words(cases).startswith("2 of 3 lesions reach the networks")
    for broken in (None, [], 3, {}, {"volumes_mm3": 3, "steps": {}}, {"volumes_mm3": {"x": 1}}):
        assert audit_from(broken) is None


def test_the_table_tells_classes_apart(tmp_path):
    audit = LesionAudit({1: 5.0, 2: 6.0}, {s: dict(SOME) for s in STEPS}, 0, {1: 1, 2: 2})
    write_audit(tmp_path, {"a": audit}, (3,), named_classes({"core": [1], "oedema": [2]}))
    rows = list(csv.DictReader((tmp_path / "lesion_audit.csv").read_text().splitlines()))
    assert [(row["class"], row["reference"]) for row in rows[:2]] == [
        ("core", "1"),
        ("oedema", "1"),
    ]
    assert len(rows) == 2 * len(STEPS)


def test_a_plan_that_loses_lesions_is_refused_by_name():
    steps = {step: dict(SOME) for step in STEPS} | {"resample": SOME | {"vanished": (4, 7)}}
    refuse_losses({"a": LesionAudit({4: 1.0}, {step: dict(SOME) for step in STEPS})}, 1.0)
    with pytest.raises(UsageError, match=r"loses 2 lesions at 3 mm.*4 of case a, 7 of case a"):
        refuse_losses({"a": LesionAudit({4: 1.0, 7: 1.0}, steps)}, 3.0)
