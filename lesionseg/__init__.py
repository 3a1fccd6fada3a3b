"""Find the small lesions that a U-Net misses, and prove it.

import lesionseg

model = lesionseg.load_model("RUN/models/maskrcnn")        # a folder that `lesionseg train` wrote
found = lesionseg.predict(model, ["flair.nii.gz", "t1.nii.gz"])
found.lesions                                              # one row a lesion
found.save("lesions.nii.gz")                               # on the scan's own grid

`import lesionseg` alone is quick: torch is imported when a model is loaded.
"""

from __future__ import annotations

import importlib
from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lesionseg.evaluation import CaseScores as CaseScores
    from lesionseg.evaluation import evaluate_case as evaluate_case
    from lesionseg.front_door import check as check
    from lesionseg.front_door import predict as predict
    from lesionseg.front_door import report as report
    from lesionseg.inference import Ensemble as Ensemble
    from lesionseg.inference import LoadedModel as LoadedModel
    from lesionseg.inference import Prediction as Prediction
    from lesionseg.inference import load_model as load_model
    from lesionseg.io import read_volume as read_volume
    from lesionseg.structures import Volume as Volume

__version__ = metadata.version("lesionseg")

_PLACES = {  # name: the module that it is imported from when it is first asked for
    "CaseScores": "lesionseg.evaluation",
    "Ensemble": "lesionseg.inference",
    "LoadedModel": "lesionseg.inference",
    "Prediction": "lesionseg.inference",
    "Volume": "lesionseg.structures",
    "check": "lesionseg.front_door",
    "evaluate_case": "lesionseg.evaluation",
    "load_model": "lesionseg.inference",
    "predict": "lesionseg.front_door",
    "read_volume": "lesionseg.io",
    "report": "lesionseg.front_door",
}
__all__ = [*_PLACES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
