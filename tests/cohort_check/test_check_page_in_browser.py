"""The check's page in a real browser: nothing refused by its own policy, nothing too wide."""

from __future__ import annotations

import pytest
from browser import missing, open_page

from lesionseg.cohort_check import check_dataset
from lesionseg.cohort_check.page import write_check_page
from lesionseg.datasets.dataset import find_scans, load_card
from lesionseg.datasets.phantom.cohort import write_cohort
from lesionseg.settings.data import PhantomSettings

pytestmark = pytest.mark.skipif(missing() is not None, reason=f"no {missing()} here")


def test_the_page_sorts_and_fits_a_phone(tmp_path):
    root = write_cohort(
        tmp_path / "raw", PhantomSettings(num_train=3, num_test=1, seed=5, size=0.3)
    )
    dataset = find_scans(load_card("nnunet"), root)
    write_check_page(tmp_path / "check.html", check_dataset(dataset, root, workers=0))
    with open_page(tmp_path / "check.html", width=1400) as browser:
        assert browser.log() == []
        sizes = "return [...document.querySelectorAll('.thumbs img')].map(i => i.naturalHeight)"
        assert browser.run(sizes) == [96, 96, 96, 96]
        browser.run("document.querySelector('table.sortable th button').click()")
        first = "return document.querySelector('table.sortable tbody td').textContent"
        assert browser.run(first) == "phantom_test000"
        browser.run("document.querySelector('table.sortable th button').click()")
        assert browser.run(first) == "phantom_train002"
        for width in (1400, 400):
            browser.size(width, 900)
            wide = (
                "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert browser.run(wide) <= 0
