"""Which job does which case."""

from __future__ import annotations

import hashlib

import pytest

from lesionseg.errors import UsageError
from lesionseg.storage.parts import Part, shard_of

PATIENTS = [(f"{patient}_{visit}", patient) for patient in "abcdefgh" for visit in (1, 2)]


def test_a_patient_has_the_same_shard_everywhere():
    """By SHA-256, which no version of Python and no machine changes."""
    assert int(hashlib.sha256(b"sub-01").hexdigest(), 16) % 8 == shard_of("sub-01", 8)
    assert hashlib.sha256(b"").hexdigest().endswith("55")  # an odd number
    assert shard_of("", 2) == 1
    assert {shard_of(name, 1) for name in "abc"} == {0}


@pytest.mark.parametrize("num_shards", [1, 3, 50])
def test_every_case_is_in_one_shard_and_visits_stay_together(num_shards):
    shards = [Part(number, num_shards).chosen(PATIENTS) for number in range(num_shards)]
    assert sorted(case for cases in shards for case in cases) == sorted(c for c, _ in PATIENTS)
    for cases in shards:
        assert all((f"{case[0]}_1" in cases) == (f"{case[0]}_2" in cases) for case in cases)


def test_a_shard_does_not_change_with_other_patients():
    few = [pair for pair in PATIENTS if pair[1] in "aceg"]
    for number in range(3):
        part = Part(number, 3)
        assert set(part.chosen(few)) == set(part.chosen(PATIENTS)) & {case for case, _ in few}


def test_a_list_names_its_cases_in_the_order_of_all():
    assert Part(cases=("b_1", "a_2")).chosen(PATIENTS) == ("a_2", "b_1")
    assert Part(cases=("b_1", "a_2")).name == Part(cases=("a_2", "b_1")).name
    assert Part(cases=("b_1",)).name != Part(cases=("a_1",)).name
    with pytest.raises(UsageError, match=r"names z_1, which is no case here; known: a_1, .*\.\.\."):
        Part(cases=("z_1",)).chosen(PATIENTS)
    with pytest.raises(UsageError, match="names a case twice"):
        Part(cases=("a_1", "a_1")).chosen(PATIENTS)
