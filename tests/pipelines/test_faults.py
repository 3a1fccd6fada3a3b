"""What goes wrong with disks and folders while a stage runs, and its exit code."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from tiny_run import TINY, last_of_each

from lesionseg import cli


def train(folder, *words):
    return cli.main(last_of_each(["train", f"output={folder}", *TINY[1:], "models=[unet]", *words]))


def test_a_disk_that_is_full_for_the_state_of_a_training_is_exit_6(finished, capsys, monkeypatch):
    shutil.rmtree(finished / "models")
    plain = Path.write_bytes

    def full(path, content):
        if "checkpoint" in path.name or ".partial-" in path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return plain(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    assert train(finished) == 6
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert os.strerror(errno.ENOSPC) in said.splitlines()[-1]
    monkeypatch.undo()
    assert train(finished) == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has /dev/full")
def test_a_disk_that_is_full_for_the_log_is_exit_6(finished, capsys, monkeypatch):
    shutil.rmtree(finished / "models")
    plain = Path.open

    def full(path, mode="r", *args, **options):
        where = Path("/dev/full") if path.name == "log.csv" and "a" in mode else path
        return plain(where, mode, *args, **options)

    monkeypatch.setattr(Path, "open", full)
    assert train(finished) == 6
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert os.strerror(errno.ENOSPC) in said.splitlines()[-1]


@pytest.mark.parametrize("fault", ["moved", "replaced by a file"])
def test_an_output_folder_that_goes_while_a_model_trains_is_exit_6(
    finished, capsys, monkeypatch, fault
):
    shutil.rmtree(finished / "models")
    from lesionseg.training.callbacks import CsvLog

    plain = CsvLog.on_train_batch_end

    def hooked(self, *args):
        elsewhere = finished.parent / "elsewhere"
        if self.keeper.step == 3 and not elsewhere.exists():
            finished.rename(elsewhere)
            if fault == "replaced by a file":
                finished.write_text("")
        return plain(self, *args)

    monkeypatch.setattr(CsvLog, "on_train_batch_end", hooked)
    assert train(finished) == 6
    said = capsys.readouterr().err
    assert "was removed, moved or replaced" in said.splitlines()[-1]
    assert "Traceback" not in said
    assert not finished.is_dir()


def test_the_record_of_a_run_names_no_home(run_folder):
    config = json.loads((run_folder / "run.json").read_text())["config"]
    assert config["output"] == "."
    assert str(run_folder) not in (run_folder / "run.json").read_text()


def test_a_metre_that_is_a_millimetre_rejects_that_scan_alone(dataset, tmp_path, capsys):
    import nibabel as nib

    path = dataset / "imagesTr/phantom_train001_0000.nii.gz"
    for path in (
        *dataset.glob("imagesTr/phantom_train001*"),
        dataset / "labelsTr/phantom_train001.nii.gz",
    ):
        image = nib.load(path)
        image.header.set_xyzt_units("meter")
        nib.save(image, path)
    words = ["preprocess", f"output={tmp_path / 'run'}", f"data.root={dataset}", "workers=0"]
    assert cli.main([*words, "plan.in_plane_spacing_mm=1"]) == 5
    said = capsys.readouterr().err
    assert "Traceback" not in said
    name = "phantom_train001_0000.nii.gz"
    assert f"rejected: case phantom_train001: {name} has voxels of 1000x1000x1000 mm" in said
