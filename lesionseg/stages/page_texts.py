"""Files of settings as names and texts, for the report's page."""

from __future__ import annotations

from pathlib import Path

import yaml

from lesionseg.errors import UsageError
from lesionseg.report.page.page_info import flatten


def page_texts(path: str) -> dict[str, str]:
    """A YAML or JSON file of settings, as names and texts. Raises UsageError for any other file."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read as YAML") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no names and values")
    return flatten(content)
