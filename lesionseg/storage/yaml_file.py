"""YAML that users write: plain data only, and no key given twice."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from lesionseg.errors import UsageError

MERGE = "tag:yaml.org,2002:merge"  # "<<", which may stand for several mappings


class _Loader(yaml.SafeLoader):
    """YAML itself would silently keep the last of two equal keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            meant = self.construct_object(key)  # 1 and 0x1 are one key, 1 and "1" are two
            if meant in seen:
                raise yaml.YAMLError(f"{key.value} is given twice")
            seen.add(meant)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str, what: str) -> Any:
    """Plain data from YAML or JSON text. what: names the source in messages.

    Raises UsageError, in one line, for what is no YAML, and for a key given twice in a mapping.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{what} is not YAML: {reason}; mend it") from error


def read_yaml(path: Path, what: str) -> Any:
    """The content of a YAML or JSON file, as `parse_yaml`; also where it cannot be read."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{what} cannot be read: {error}") from error
    return parse_yaml(text, what)
