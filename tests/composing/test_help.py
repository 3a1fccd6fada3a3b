"""What `lesionseg STAGE --help` says of each setting."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lesionseg import cli
from lesionseg.composing.help import stage_rows
from lesionseg.settings.stages import STAGE_RECORDS


def rows(stage):
    return {row.key: row for row in stage_rows(stage)}


def test_a_row_has_type_default_range_and_sentence():
    row = rows("run")["sampling.lesion_fraction"]
    assert row[:5] == ("run", "sampling.lesion_fraction", "number", "0.67", "from 0 to 1")
    assert row.sentence.startswith("Share of the slabs")
    assert rows("run")["sampling.size"].type == "whole number or null"
    assert rows("run")["train.resume"][2:5] == ("true or false", "true", "")
    assert rows("report")["connectivity"][2:5] == ("choice", "26", "6, 18 or 26")
    assert rows("report")["edges_mm"].default == "[3,5,10]"
    assert rows("report")["reference"].default == "required"
    assert rows("report")["predictions"].limits == "predictions.NAME=VALUE"
    wanted = rows("run")["network.maskrcnn.mask_bins"]
    assert wanted.limits == "a whole number from 1 to 128, or planned"


def test_defaults_are_those_of_the_stage_s_files():
    assert rows("run")["train.minutes"].default == "null"
    assert rows("demo")["train.minutes"].default == "12"
    assert rows("demo")["output"].default == "demo"
    assert rows("run")["network.maskrcnn.mask_convs"].default == "2"
    assert rows("run")["network.fasterrcnn.mask_convs"].default == "null"
    assert rows("check")["data.layout"].default == "null"


@pytest.mark.parametrize("stage", ["demo", "ablate"])
def test_keys_of_run_are_among_those_of_the_stages_that_build_on_it(stage, capsys):
    assert set(rows("run")) <= set(rows(stage))
    assert cli.main([stage, "--help"]) == 0
    said = capsys.readouterr().out
    for key in rows("run"):
        assert f"  {key} " in said


@pytest.mark.parametrize("stage", STAGE_RECORDS)
def test_help_fits_into_100_columns_and_begins_with_the_command(stage, capsys):
    assert cli.main([stage, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith(f"lesionseg {stage}: ")
    assert lines[2].startswith(f"  lesionseg {stage}")


def test_the_options_of_a_group_are_named(capsys):
    cli.main(["preprocess", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "data=OPTION, one of auto, bids, brats_mets" in said
    assert "below as of data=phantom" in said


@pytest.mark.parametrize("stage", STAGE_RECORDS)
def test_help_loads_neither_torch_nor_hydra(stage):
    code = (
        f"import sys; from lesionseg import cli; assert cli.main(['{stage}', '--help']) == 0; "
        "print(sorted({'torch', 'hydra', 'omegaconf', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
