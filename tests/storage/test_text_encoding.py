"""Text with and without a mark of its encoding."""

from __future__ import annotations

import pytest

from lesionseg.storage.text_encoding import decoded

TEXT = "case;Läsion\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_text_is_the_same_in_each_encoding(encoding):
    mark = "\ufeff" if encoding.endswith(("-le", "-be")) else ""
    assert decoded((mark + TEXT).encode(encoding)) == TEXT


def test_other_bytes_are_no_text():
    with pytest.raises(UnicodeDecodeError):
        decoded(TEXT.encode("latin-1"))
