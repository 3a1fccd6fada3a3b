"""Whether what was exported is there already, and that a failure leaves nothing half written."""

from __future__ import annotations

import dataclasses

import pytest
from exported_predictions import EXTRA, MODEL, PLAIN, a_prediction, files, write

from lesionseg.errors import CaseError, OutputError
from lesionseg.inference import export
from lesionseg.inference import export_record as record_file
from lesionseg.inference.export_record import State, export_record, exported_state
from lesionseg.planning.channel_plan import ChannelPlan
from lesionseg.planning.plan import Plan
from lesionseg.structures import OperatingPoint


def done(folder, scan, model=MODEL, extras=()):
    record = export_record("s1", model, [scan[0]])
    return exported_state(folder, "s1", record, extras) is State.WHOLE


def test_what_was_written_is_known_and_what_was_not_is_not(scan, tmp_path):
    assert not done(tmp_path, scan)
    write(tmp_path, scan)
    assert done(tmp_path, scan)
    assert not done(tmp_path, scan, extras=("probability",))
    write(tmp_path, scan, extras=("probability",))
    assert done(tmp_path, scan, extras=("probability",))
    assert done(tmp_path, scan)


def test_what_another_model_left_beside_does_not_stay(scan, tmp_path):
    write(tmp_path, scan, extras=("candidates", "probability"))
    other = dataclasses.replace(MODEL, weights_sha256="v" * 64)
    write(tmp_path, scan, model=other)
    assert not done(tmp_path, scan, model=other, extras=("candidates",))
    assert [name for name in files(tmp_path) if name in EXTRA] == []


@pytest.mark.parametrize(
    "change",
    [
        {"weights_sha256": "v" * 64},
        {"points": (OperatingPoint(0.5, 0.6),)},
        {"points": (OperatingPoint(0.4, 0.7),)},
        {"plan": Plan((ChannelPlan("FLAIR", "mri", "zscore"),), 0.9)},
    ],
)
def test_another_model_is_another_result(scan, tmp_path, change):
    write(tmp_path, scan)
    assert not done(tmp_path, scan, model=dataclasses.replace(MODEL, **change))


def test_another_scan_is_another_result(scan, tmp_path):
    write(tmp_path, scan)
    scan[0].write_bytes(scan[0].read_bytes() + b"\0")
    assert not done(tmp_path, scan)


@pytest.mark.parametrize("name", [*PLAIN, *EXTRA])
def test_a_file_that_is_gone_is_missed(scan, tmp_path, name):
    extras = ("candidates", "probability")
    write(tmp_path, scan, extras=extras)
    assert done(tmp_path, scan, extras=extras)
    (tmp_path / name).unlink()
    assert not done(tmp_path, scan, extras=extras)


def test_a_damaged_sidecar_is_none(scan, tmp_path):
    write(tmp_path, scan)
    for text in ("", "{", "[]", '"x"', "\xff"):
        (tmp_path / "s1.json").write_text(text, encoding="latin-1")
        assert not done(tmp_path, scan)


def test_a_scan_that_cannot_be_read_is_a_case_error(scan, tmp_path):
    write(tmp_path / "out", scan)
    scan[0].unlink()
    with pytest.raises(CaseError, match=r"case s1: scan\.nii\.gz cannot be read"):
        done(tmp_path / "out", scan)


# What goes wrong.


@pytest.mark.parametrize("number", range(7))
def test_a_failure_leaves_no_half_written_file_and_no_sidecar(scan, tmp_path, monkeypatch, number):
    """The disk is full at the n-th of the seven files; the case of a run before was whole."""
    out, extras = tmp_path / "out", ("candidates", "probability")
    write(out, scan, extras=extras)
    calls = []

    def failing(real):
        def call(path, *more, **options):
            calls.append(path)
            if len(calls) > number:
                raise OutputError(f"cannot write {path.name}: No space left on device")
            return real(path, *more, **options)

        return call

    for name in ("write_mask", "write_probability", "write_csv"):
        monkeypatch.setattr(export, name, failing(getattr(export, name)))
    monkeypatch.setattr(record_file, "write_text", failing(record_file.write_text))
    other = dataclasses.replace(MODEL, weights_sha256="v" * 64)
    with pytest.raises(OutputError, match="No space left"):
        write(out, scan, model=other, extras=extras)
    monkeypatch.undo()
    assert len(calls) == number + 1
    assert not list(out.rglob(".partial*"))
    assert not done(out, scan, model=MODEL, extras=extras)  # its files may be the other's by now
    assert not done(out, scan, model=other, extras=extras)
    write(out, scan, extras=extras)
    assert done(out, scan, extras=extras)


def test_masks_of_another_grid_are_our_own_mistake(scan, tmp_path):
    with pytest.raises(ValueError, match="shape"):
        write(tmp_path / "out", scan, a_prediction((5, 5, 5), ()))
    assert files(tmp_path / "out") == []


def test_a_case_takes_no_bids_files_of_another_away(scan, tmp_path):
    """s-1 would have the BIDS name of s1, and is written without that format."""
    write(tmp_path, scan, extras=("bids",))
    before = files(tmp_path)
    assert sum(name.startswith("bids/sub-s1/") for name in before) == 3
    record_file.withdraw_export(tmp_path, "s-1")
    assert files(tmp_path) == before
    (tmp_path / "s1.json").unlink()  # as after an export that was stopped
    record_file.withdraw_export(tmp_path, "s1")
    assert files(tmp_path) == ["in/scan.nii.gz"]
