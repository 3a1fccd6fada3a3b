"""Files of settings as names and texts, for the page of the report."""

from __future__ import annotations

from pathlib import Path

from lesionseg.errors import UsageError
from lesionseg.reporting.page.page_info import flatten
from lesionseg.storage.yaml_file import read_yaml


def page_texts(path: str) -> dict[str, str]:
    """A YAML or JSON file of settings, as names and texts. Raises UsageError for any other file."""
    content = read_yaml(Path(path), path)
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no names and values")
    return flatten(content)
