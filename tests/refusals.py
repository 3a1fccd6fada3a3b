"""What a reader says of a file that it refuses: one line, that names no folder and no patient."""

from __future__ import annotations

import pytest

from lesionseg.errors import CaseError
from lesionseg.io import read_volume


def refusal(path, *, secrets=(), **options):
    """The words with which `path` is refused; a test fails here where it is read."""
    with pytest.raises(CaseError) as caught:
        read_volume(path, case="case7", **options)
    text = str(caught.value)
    assert text.startswith("case case7: ")
    assert "\n" not in text
    for secret in (str(path.parent), *secrets):
        assert secret not in text
    return text


def says(text, *words):
    return all(word in text for word in words)
