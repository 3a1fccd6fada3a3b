"""The quickstart runs from a clean folder, and is shown with small outputs."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "quickstart.ipynb"
# what the notebook shows takes minutes; fewer steps on smaller heads go the same way
SMALLER = {
    "train.steps={unet:300,maskrcnn:200}": "train.steps={unet:30,maskrcnn:20}",
    "data.phantom.size=0.6": "data.phantom.size=0.3",
    "data.phantom.num_train=8": "data.phantom.num_train=4",
    "train.warmup_steps=20": "train.warmup_steps=5",
    "loss_slabs=0": "loss_slabs=0 price_lesions=8 workers=0",
}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the notebook's own libraries
def test_the_quickstart_runs(tmp_path, monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    scripts = str(Path(sys.executable).parent)  # where `lesionseg` is installed
    monkeypatch.setenv("PATH", scripts + os.pathsep + os.environ["PATH"])
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        cell.outputs = []
    for shown, smaller in SMALLER.items():
        assert code[0].source.count(shown) == 1, shown
        code[0].source = code[0].source.replace(shown, smaller)
    folder = tmp_path / "work"
    folder.mkdir()
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=1200, resources=resources).execute()
    assert (folder / "RUN" / "report" / "report.html").is_file()
    assert (folder / "lesions.nii.gz").is_file()


def test_its_outputs_are_small_and_name_no_machine():
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 300_000
    assert not re.search(r"/(?:home|root|Users|tmp|work)/", text)
    cells = json.loads(text)["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert outputs
    assert all(output["output_type"] != "error" for output in outputs)
    assert sum("image/png" in output.get("data", {}) for output in outputs) <= 2
