"""The page in a headless Chromium: the viewer works, and the policy refuses nothing of ours."""

import base64
import io

import browser
import numpy as np
import pytest
from PIL import Image

from lesionseg.reporting import ScoringOptions, match_folders, write_report

CANVAS = "const canvas = document.querySelector('#viewer canvas'); "
PICTURE = CANVAS + "return canvas.toDataURL()"
SLICE = CANVAS + "return Number(canvas.dataset.slice)"

pytestmark = pytest.mark.skipif(
    browser.missing() is not None, reason=f"{browser.missing()} is not installed"
)


@pytest.fixture(scope="module")
def page(cohort):
    folders = {"good": cohort / "good", "poor": cohort / "poor"}
    matches = match_folders(cohort / "reference", folders, images=cohort / "image")
    options = ScoringOptions(draws=50, viewer=2, atlas=1)
    written = write_report(matches.cases, cohort / "out", options, workers=1)
    assert written is not None
    with browser.open_page(written.page) as opened:
        opened.wait("return document.getElementById('viewer').dataset.ready === '0'")
        yield opened


def picture(page):
    content = page.run(PICTURE).split(",")[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("L")).astype(int)


def element(page, selector):
    return page.run("return document.querySelector(arguments[0])", selector)


def test_the_page_has_no_error_and_breaks_no_policy(page):
    assert page.log() == []
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")


def test_the_canvas_shows_the_scan(page):
    shown = picture(page)
    assert min(shown.shape) > 150
    assert shown.std() > 10


def test_scrolling_moves_to_another_slice(page):
    canvas = element(page, "#viewer canvas")
    page.run("arguments[0].scrollIntoView({block: 'center'})", canvas)
    before, at = picture(page), page.run(SLICE)
    page.wheel(canvas, 120)
    page.wait(f"{CANVAS} return Number(canvas.dataset.slice) !== {at}")
    assert abs(page.run(SLICE) - at) == 1
    assert (picture(page) != before).any()


def test_a_click_on_a_lesion_row_moves_to_the_lesion(page):
    rows = page.run("return [...document.querySelectorAll('#viewer tbody tr')]")
    assert len(rows) > 3
    places = []
    for row in (rows[0], rows[-1]):
        page.run("arguments[0].scrollIntoView({block: 'center'})", row)
        page.click(row)
        wanted = page.run("return arguments[0].lesion.ras", row)
        shown = page.run("return document.querySelector('[data-part=place]').textContent")
        assert [float(v) for v in shown.split()] == pytest.approx(wanted, abs=1.1)
        assert page.run("return arguments[0].classList.contains('chosen')", row)
        places.append(shown)
    assert places[0] != places[1]


def test_planes_masks_window_and_models_change_the_picture(page):
    page.click(page.run("return document.querySelectorAll('#viewer tbody tr')[0]"))
    before = picture(page)
    page.click(element(page, "[data-axis='0']"))
    assert picture(page).shape != before.shape or (picture(page) != before).any()
    page.click(element(page, "[data-axis='2']"))
    before = picture(page)
    page.click(element(page, "[data-bit='0']"))
    without = picture(page)
    assert (without != before).any()
    page.click(element(page, "[data-bit='0']"))
    assert (picture(page) == before).all()
    page.click(element(page, "[data-part='swap']"))
    first = page.run("return [...document.querySelectorAll('[data-bit]')].map((b) => b.checked)")
    page.click(element(page, "[data-part='swap']"))
    second = page.run("return [...document.querySelectorAll('[data-bit]')].map((b) => b.checked)")
    assert (first, second) == ([True, True, False], [True, False, True])
    before = picture(page)
    page.run(
        "const w = document.querySelector('[data-part=window]'); w.value = 0.2;"
        "w.dispatchEvent(new Event('input'))"
    )
    assert np.abs(picture(page) - before).mean() > 5


def test_the_filter_lists_what_a_model_missed(page):
    page.run(
        "const f = document.querySelector('[data-part=filter]'); f.value = 'm1';"
        "f.dispatchEvent(new Event('change'))"
    )
    cells = page.run(
        "return [...document.querySelectorAll('#viewer tbody tr')]"
        ".map((row) => row.cells[3].textContent)"
    )
    assert cells
    assert set(cells) == {"missed"}


def test_another_case_can_be_chosen(page):
    before = picture(page)
    page.run(
        "const c = document.querySelector('[data-part=case]'); c.value = '1';"
        "c.dispatchEvent(new Event('change'))"
    )
    page.wait("return document.getElementById('viewer').dataset.ready === '1'")
    after = picture(page)
    assert after.shape != before.shape or (after != before).any()


def test_the_case_table_sorts_by_a_click_on_its_head(page):
    column = (
        "return [...document.querySelectorAll('table.sortable tbody tr')]"
        ".map((row) => row.cells[2].textContent)"
    )
    head = element(page, "table.sortable th:nth-child(3) button")
    page.run("arguments[0].scrollIntoView({block: 'center'})", head)
    page.click(head)
    up = [float(v) for v in page.run(column) if v != "\u2013"]
    assert len(up) >= 12
    assert up == sorted(up)
    page.click(head)
    down = page.run(column)
    assert [float(v) for v in down if v != "\u2013"] == sorted(up, reverse=True)
    assert down[-1] == "\u2013"  # undefined stays last both ways


def test_nothing_is_wider_than_a_phone(page):
    page.call(
        "/goog/cdp/execute",
        {
            "cmd": "Emulation.setDeviceMetricsOverride",
            "params": {"width": 400, "height": 800, "deviceScaleFactor": 2, "mobile": True},
        },
    )
    page.wait("return innerWidth === 400")
    assert page.run("return document.documentElement.scrollWidth") == 400
    assert picture(page).std() > 10
