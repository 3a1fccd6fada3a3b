"""The page of lesions without a reference in a headless Chromium: filters, order, the viewer."""

import browser
import numpy as np
import pandas as pd
import pytest

from lesionseg.lesion_classes import named_classes
from lesionseg.reporting.page.overview import Count, FoundLesion, Overview, overview_page
from lesionseg.reporting.page.viewer import pack_view
from lesionseg.reporting.pictures.atlas import draw_crops
from lesionseg.reporting.pictures.views import CaseView
from lesionseg.size_buckets import SizeBuckets

CLASSES = named_classes({"active": [1], "chronic": [2]})
LESIONS = [  # case, number, class, bucket, mm, score, centre
    ("a", 1, "active", "tiny", 2.0, 0.9, (6, 6, 3)),
    ("b", 1, "chronic", "small", 4.0, 0.8, (5, 9, 4)),
    ("a", 2, "chronic", "medium", 9.0, 0.3, (12, 12, 6)),
]
SHOWN = (
    "return [...document.querySelectorAll('tr.lesion')].filter((row) => row.offsetParent !== null)"
    ".map((row) => row.cells[5].textContent + row.cells[4].textContent)"
)
SET = (
    "arguments[0].value = arguments[1];"
    "arguments[0].dispatchEvent(new Event('input', {bubbles: true}))"
)

pytestmark = pytest.mark.skipif(
    browser.missing() is not None, reason=f"{browser.missing()} is not installed"
)


def views():
    found = [FoundLesion(c, n, k, b, mm**3, mm, s, at) for c, n, k, b, mm, s, at in LESIONS]
    rng = np.random.default_rng(0)
    for case in "ab":
        mine = [one for one in found if one.case == case]
        numbers = np.zeros((20, 20, 10), np.int32)
        for one in mine:
            x, y, z = map(int, one.centre_mm)
            numbers[x - 1 : x + 2, y - 1 : y + 2, z] = CLASSES.names.index(one.lesion_class) + 1
        image = rng.normal(100, 10, numbers.shape)
        reference = np.zeros(numbers.shape, np.uint8)
        view = CaseView(case, image, reference, {"net": numbers}, np.eye(4), classes=CLASSES)
        yield view, mine


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    lesions, pictures, packed = [], {}, []
    for view, mine in views():
        lesions += mine
        for one in mine:
            place = (one.centre_mm, one.diameter_mm)
            pictures[one.case, one.number] = draw_crops(
                view, *place, {"net": "#ff5a1f"}, lesion_class=one.lesion_class, tile_px=112
            )
        rows = [
            {"kind": "found", "model": "net", "lesion_id": one.number, "found": True}
            | {"bucket": one.bucket, "diameter_mm": one.diameter_mm, "score": one.score}
            | {f"centroid_{a}_mm": mm for a, mm in zip("ras", one.centre_mm)}
            | {"class": one.lesion_class}
            for one in mine
        ]
        packed.append(pack_view(view, pd.DataFrame(rows), ["net"]))
    buckets = SizeBuckets.from_edges()
    counts = dict.fromkeys((*buckets.names, "all"), Count(1, 1, 8.0, 0.9))
    text = overview_page(
        Overview(
            *("net", "#ff5a1f", CLASSES.names, buckets, counts, 2),
            lesions=sorted(lesions, key=lambda one: -one.score),
            pictures=pictures,
            viewer=packed,
        )
    )
    path = tmp_path_factory.mktemp("overview") / "overview.html"
    path.write_text(text, encoding="utf-8")
    with browser.open_page(path) as opened:
        opened.wait("return document.getElementById('viewer').dataset.ready === '0'")
        yield opened


def element(page, selector):
    return page.run("return document.querySelector(arguments[0])", selector)


def test_the_page_has_no_error_and_breaks_no_policy(page):
    assert page.log() == []
    assert page.run(SHOWN) == ["a1", "b1", "a2"]


@pytest.mark.parametrize(
    ("control", "value", "left"),
    [
        ("[data-same=case]", "a", ["a1", "a2"]),
        ("[data-same=bucket]", "small", ["b1"]),
        ("[data-same=of]", "chronic", ["b1", "a2"]),
        ("[data-least=score]", "0.8", ["a1", "b1"]),
    ],
)
def test_a_control_leaves_the_lesions_that_fit(page, control, value, left):
    found = element(page, control)
    before = page.run("return arguments[0].value", found)
    page.run(SET, found, value)
    assert page.run(SHOWN) == left
    count = page.run("return document.querySelector('.filters [data-part=count]').textContent")
    assert count == f"{len(left)} of 3"
    page.run(SET, found, before)
    assert page.run(SHOWN) == ["a1", "b1", "a2"]


def test_a_click_on_a_head_sorts_by_it(page):
    heads = "[...document.querySelectorAll('#lesion-table th button')]"
    page.run(f"{heads}.find((head) => head.textContent === 'mm').click()")
    assert page.run(SHOWN) == ["a1", "b1", "a2"]
    page.run(f"{heads}.find((head) => head.textContent === 'mm').click()")
    assert page.run(SHOWN) == ["a2", "b1", "a1"]
    for _ in range(2):
        page.run(f"{heads}.find((head) => head.textContent === 'Score').click()")
    assert page.run(SHOWN) == ["a1", "b1", "a2"]


def test_a_lesion_is_opened_in_the_viewer(page):
    page.run("document.querySelector('[data-to-case=b]').click()")
    page.wait("return document.getElementById('viewer').dataset.ready === '1'")
    page.wait("return document.querySelector('#viewer canvas').dataset.slice === '4'")
    place = page.run("return document.querySelector('[data-part=place]').textContent")
    assert place == "5.0 9.0 4.0"
    chosen = page.run("return document.querySelector('#viewer tr.chosen').textContent")
    assert chosen == "1 chronic4.00.80"


def test_nothing_speaks_of_a_reference_in_the_viewer(page):
    assert page.run("return document.querySelectorAll('#viewer [data-bit]').length") == 1
    assert "eference" not in page.run("return document.getElementById('viewer').innerText")


def test_no_part_is_wider_than_a_phone(page):
    page.size(400, 900)
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")
