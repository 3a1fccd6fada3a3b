"""What SimpleITK does to its process costs one case and nothing else."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest
import SimpleITK as sitk

from lesionseg.errors import CaseError
from lesionseg.io import read_volume
from lesionseg.io.itk import process as sitk_process

REAL = sitk_process.START


@pytest.fixture
def scan(tmp_path):
    sitk.WriteImage(sitk.Image([4, 5, 6], sitk.sitkInt16) + 3, str(tmp_path / "scan.mha"))
    return tmp_path / "scan.mha"


@pytest.fixture
def broken(monkeypatch):
    """Replaces what the child runs; the next question starts it."""

    def start(code):
        sitk_process._stop()
        monkeypatch.setattr(sitk_process, "START", code)

    yield start
    sitk_process._stop()


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("import os; os.abort()", "crash"),
        ("import sys; sys.exit(9)", "exit code 9"),
        ("input(); print('garbage', flush=True); import time; time.sleep(60)", "crash"),
        ("input(); print('{\"bytes\": 50}', flush=True)", "crash"),
    ],
)
def test_a_crash_is_one_rejected_case_and_the_next_file_is_read(scan, broken, code, word):
    broken(code)
    with pytest.raises(
        CaseError, match=f"case scan: scan.mha made its reader crash.*{word}|{word}"
    ):
        read_volume(scan)
    broken(REAL)
    assert (read_volume(scan).array == 3).all()


def test_a_hang_ends_when_its_time_is_over(scan, broken, monkeypatch):
    monkeypatch.setattr(sitk_process, "BASE_SECONDS", 0.3)
    broken("import time; time.sleep(60)")
    with pytest.raises(CaseError, match="took its reader more than 0 s"):
        read_volume(scan)


def test_without_memory_a_file_is_rejected_and_the_child_lives_on(scan, monkeypatch):
    resource = pytest.importorskip("resource")
    assert resource
    array = np.zeros((200, 200, 200), np.float64)  # 64 MB
    sitk.WriteImage(sitk.GetImageFromArray(array), str(scan.with_name("big.mha")))
    read_volume(scan)
    monkeypatch.setattr(sitk_process, "free_memory", lambda: 20 << 20)
    with pytest.raises(CaseError, match=r"big.mha (cannot be read|made its reader crash)"):
        read_volume(scan.with_name("big.mha"))
    monkeypatch.undo()
    assert (read_volume(scan).array == 3).all()


def test_one_child_answers_for_all_files(scan):
    read_volume(scan)
    first = sitk_process._child.process.pid
    read_volume(scan)
    assert sitk_process._child.process.pid == first


def test_after_an_interrupt_no_answer_is_taken_for_another(scan, monkeypatch):
    other = scan.with_name("other.mha")
    sitk.WriteImage(sitk.Image([4, 5, 6], sitk.sitkInt16) + 7, str(other))
    read_volume(scan)

    def interrupt(line):
        raise KeyboardInterrupt

    monkeypatch.setattr(sitk_process.json, "loads", interrupt)
    with pytest.raises(KeyboardInterrupt):
        read_volume(scan)
    monkeypatch.undo()
    assert (read_volume(other).array == 7).all()


def _sum(path):
    return int(read_volume(path).array.sum())


def test_worker_processes_have_children_of_their_own(scan):
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # its workers are daemons
        assert pool.map(_sum, [scan, scan]) == [360, 360]


def test_no_path_of_this_machine_is_quoted(tmp_path):
    path = tmp_path / "scan.mha"
    sitk.WriteImage(sitk.Image([4, 5, 6], sitk.sitkInt16), str(path))
    content = path.read_bytes().replace(b"1 0 0 0 1 0 0 0 1", b"0 0 0 0 0 0 0 0 0")
    path.write_bytes(content)
    with pytest.raises(CaseError, match=r"scan.mha cannot be read") as caught:
        read_volume(path)
    assert str(tmp_path) not in str(caught.value)
    said = sitk_process._without_folders(f"bad\n file {path} in {tmp_path}", {"path": str(path)})
    assert said == "bad file scan.mha in"
