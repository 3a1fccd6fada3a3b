"""The tabs of classes in a headless Chromium: by click, by key, on a phone, without a script."""

import browser
import pytest
from class_cohort import seven_cases

from lesionseg.reporting import ScoringOptions, write_report

SHOWN = (
    "return [...document.querySelectorAll('.tabs .panel')]"
    ".filter((panel) => panel.offsetParent !== null).map((panel) => panel.dataset.name)"
)
KEY = (
    "document.activeElement.dispatchEvent("
    "new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))"
)

pytestmark = pytest.mark.skipif(
    browser.missing() is not None, reason=f"{browser.missing()} is not installed"
)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    root = tmp_path_factory.mktemp("tabs")
    options = ScoringOptions(draws=50, viewer=1, atlas=1)
    written = write_report(seven_cases(root, ("alpha", "beta")), root / "out", options, workers=1)
    assert written is not None
    return written.page


@pytest.fixture(scope="module")
def page(report):
    with browser.open_page(report) as opened:
        yield opened


def test_one_class_shows_at_a_time(page):
    assert page.log() == []
    assert page.run(SHOWN) == ["core"]
    tab = page.run("return document.querySelectorAll('[role=tab]')[1]")
    page.run("arguments[0].scrollIntoView({block: 'center'})", tab)
    page.click(tab)
    assert page.run(SHOWN) == ["oedema"]
    assert page.run("return arguments[0].getAttribute('aria-selected')", tab) == "true"


def test_arrow_keys_move_from_tab_to_tab(page):
    page.run("document.querySelectorAll('[role=tab]')[0].click()")
    page.run("document.querySelectorAll('[role=tab]')[0].focus()")
    page.run(KEY, "ArrowRight")
    assert page.run(SHOWN) == ["oedema"]
    assert page.run("return document.activeElement.textContent") == "oedema"
    page.run(KEY, "ArrowRight")
    assert page.run(SHOWN) == ["core"]


def test_no_part_is_wider_than_a_phone(page):
    page.size(400, 900)
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")


def test_the_lesions_of_the_viewer_name_their_class(page):
    page.wait("return document.getElementById('viewer').dataset.ready === '0'")
    rows = "[...document.querySelectorAll('#viewer tbody tr')]"
    cells = page.run(f"return {rows}.map((row) => row.cells[0].textContent)")
    assert cells
    assert {cell.split()[-1] for cell in cells} == {"core", "oedema"}


def test_without_the_script_every_class_shows(report, tmp_path):
    """The policy refuses a script whose hash is another."""
    bare = tmp_path / "bare.html"
    text = report.read_text()
    bare.write_text(text.replace("for (const holder of", "throw 0; for (const holder of"))
    with browser.open_page(bare) as opened:
        assert opened.run(SHOWN) == ["core", "oedema"]
