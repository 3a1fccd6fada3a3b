"""From a trained model to masks on each scan's own grid."""

from lesionseg.inference.ensemble import Ensemble
from lesionseg.inference.linking import link_slices
from lesionseg.inference.model_folder import load_model, save_ensemble
from lesionseg.inference.model_store import LoadedModel, save_model
from lesionseg.inference.predict import predict_case
from lesionseg.inference.prediction import Prediction
from lesionseg.models.interface import Detections

__all__ = [
    "Detections",
    "Ensemble",
    "LoadedModel",
    "Prediction",
    "link_slices",
    "load_model",
    "predict_case",
    "save_ensemble",
    "save_model",
]
