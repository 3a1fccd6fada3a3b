"""How much memory is free, of the system and of a container."""

from __future__ import annotations

import sys

import pytest

from lesionseg.errors import CaseError
from lesionseg.storage import memory

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="containers are Linux")


@linux
def test_files_that_a_container_has_read_count_as_free(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("990000\n")
    (tmp_path / "memory.stat").write_text("anon 90000\ninactive_file 890000\nactive_file 10000\n")
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    assert memory.free_memory() == 1_000_000 - (990_000 - 890_000)


@linux
def test_the_older_control_groups_count_too(tmp_path, monkeypatch):
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory/memory.limit_in_bytes").write_text("1000000\n")
    (tmp_path / "memory/memory.usage_in_bytes").write_text("990000\n")
    (tmp_path / "memory/memory.stat").write_text("inactive_file 5\ntotal_inactive_file 890000\n")
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    assert memory.free_memory() == 1_000_000 - (990_000 - 890_000)
    # what the kernel writes where there is no limit
    (tmp_path / "memory/memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert 1 << 20 < memory.free_memory() < 1 << 50


@linux
@pytest.mark.parametrize(
    ("own", "folder", "limit", "used"),
    [
        ("0::/system/job_17", "system/job_17", "memory.max", "memory.current"),
        ("0::/system/job_17/step_0", "system/job_17", "memory.max", "memory.current"),
        (
            "9:cpu:/\n4:memory:/slurm/job_17",
            "memory/slurm/job_17",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
        ),
    ],
)
def test_the_limit_of_a_batch_job_counts(tmp_path, monkeypatch, own, folder, limit, used):
    """It stands in the job's own group, or in one around the step that the process is in."""
    (tmp_path / "own").write_text(f"{own}\n")
    group = tmp_path / folder
    group.mkdir(parents=True)
    (group / limit).write_text("1000000\n")
    (group / used).write_text("400000\n")
    (group / "memory.stat").write_text("anon 400000\n")
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    monkeypatch.setattr(memory, "OWN", tmp_path / "own")
    assert memory.free_memory() == 600_000


@linux
def test_without_a_container_or_its_limit_it_is_the_systems(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    assert memory.free_memory() > 1 << 20
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_memory() > 1 << 20


def test_more_than_most_of_it_is_refused_with_both_figures(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 10 * 10**9)
    memory.refuse_beyond_memory(8 * 10**9, "scan.nii", "a")
    with pytest.raises(CaseError, match=r"case a: scan.nii takes 8.1 GB of memory, 10.0 GB are"):
        memory.refuse_beyond_memory(81 * 10**8, "scan.nii", "a")
