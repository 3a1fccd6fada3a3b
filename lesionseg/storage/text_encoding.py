"""Text as editors and spreadsheets save it: UTF-8 or UTF-16, with a mark of its encoding or not."""

from __future__ import annotations

import codecs

MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def decoded(content: bytes) -> str:
    """The text of a file. Raises UnicodeDecodeError for what is neither."""
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf-8")
    return content.decode(encoding).removeprefix("\ufeff")  # some write the mark twice
