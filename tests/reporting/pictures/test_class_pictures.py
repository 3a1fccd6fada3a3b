"""Pictures of several lesion classes: the reference tinted by class, predictions outlined."""

import io

import numpy as np
import pytest
from PIL import Image

from lesionseg.lesion_classes import named_classes
from lesionseg.reporting.pictures.atlas import Miss, draw_miss
from lesionseg.reporting.pictures.overlays import overlay
from lesionseg.reporting.pictures.slices import CLASS_COLOURS, TINT
from lesionseg.reporting.pictures.views import CaseView

SHAPE = (40, 40, 20)
MODEL = "#ff5a1f"


def rgb(colour):
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def pixels(picture, colour):
    """How many have a colour."""
    shown = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    return int((shown == rgb(colour)).all(axis=-1).sum())


def tinted(colour):
    """A colour laid over black."""
    return "#" + "".join(f"{int(TINT * part):02x}" for part in rgb(colour))


def view(regions=False):
    """Class 1 at the left, class 2 at the right; as regions class 2 lies inside class 1."""
    reference = np.zeros(SHAPE, np.uint8)
    reference[8:16, 16:24, 8:12], reference[24:32, 16:24, 8:12] = 1, 2
    prediction = np.zeros(SHAPE, np.uint8)
    prediction[9:17, 16:24, 8:12] = 2
    values = {"a": (1, 2), "b": (2,)} if regions else {"a": (1,), "b": (2,)}
    classes = named_classes(values, regions=regions)
    image = np.zeros(SHAPE)
    image[0, 0, 0] = 1.0
    return CaseView("c", image, reference, {"net": prediction}, np.eye(4), (), classes)


def miss(name):
    return Miss("c", "missed", "small", 1, 256.0, 7.9, None, (20, 20, 10), ("net",), name)


def test_the_atlas_tints_the_reference_by_class():
    picture = draw_miss(view(), miss("a"), {"net": MODEL})
    for colour in CLASS_COLOURS[:2]:
        assert pixels(picture, tinted(colour)) > 500


@pytest.mark.parametrize(("name", "drawn"), [("a", False), ("b", True)])
def test_the_atlas_outlines_predictions_of_the_lesions_own_class(name, drawn):
    assert (pixels(draw_miss(view(), miss(name), {"net": MODEL}), MODEL) > 50) == drawn


def test_what_is_of_a_region_inside_is_of_the_region_too():
    assert pixels(draw_miss(view(regions=True), miss("a"), {"net": MODEL}), MODEL) > 50


def test_an_overlay_outlines_the_prediction_in_the_colour_of_its_class():
    picture, _ = overlay(view(), "net", MODEL)
    first, second = CLASS_COLOURS[:2]
    assert pixels(picture, second) > 50
    assert pixels(picture, first) == pixels(picture, MODEL) == 0
    assert pixels(picture, tinted(first)) > 500
