"""Numbers of things in sentences."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """ "1 scan", "2 scans", "1,200 lesions"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
