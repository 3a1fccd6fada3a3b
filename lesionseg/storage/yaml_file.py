"""YAML that users write: plain data only, no key given twice, and nothing that grows when read."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from lesionseg.errors import UsageError
from lesionseg.storage.text_file import read_text

TAG = "tag:yaml.org,2002:"
MERGE = f"{TAG}merge"  # "<<", which may stand for several mappings
PLAIN = {f"{TAG}{kind}" for kind in ("str", "int", "float", "bool", "null", "seq", "map", "merge")}
MOST_BYTES = 1 << 20  # of a text; the parser takes some seconds for that
MOST_DEPTH = 50  # of lists and mappings in each other
MOST_NODES = 500_000  # values, each alias counted as a copy of what it stands for
MOST_DIGITS = 40  # letters of a number


class _Loader(yaml.SafeLoader):
    """YAML itself would silently keep the last of two equal keys."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise yaml.YAMLError(f"it is nested deeper than {MOST_DEPTH} levels")
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node is not None:
            _count(node, {})
        return node

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

    Raises UsageError, in one line, for what is no YAML, for a key given twice in a mapping, and for
    what is nested too deeply, holds itself, or multiplies what it holds.
    """
    try:
        if len(text) > MOST_BYTES:
            raise ValueError(f"it holds {len(text):,} letters; want at most {MOST_BYTES:,}")
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError, LookupError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{what} is not YAML: {reason}; mend it") from error


def read_yaml(path: Path, what: str) -> Any:
    """The content of a YAML or JSON file, as `parse_yaml`; also where it cannot be read."""
    try:
        text = read_text(Path(path), most=MOST_BYTES)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise UsageError(f"{what} cannot be read: {reason}") from error
    except ValueError as error:
        raise UsageError(f"{what} cannot be read: {error}") from error
    return parse_yaml(text, what)


def _count(node: yaml.Node, known: dict[int, int | None]) -> int:
    """Values in a node, aliases written out. known: of the nodes met, None for those not finished.

    Raises YAMLError where they are too many, a node holds itself, or a value is no plain data.
    """
    if id(node) in known:
        earlier = known[id(node)]
        if earlier is None:
            raise yaml.YAMLError(f"a value holds itself{node.start_mark}")
        return earlier
    if node.tag == f"{TAG}timestamp":
        raise yaml.YAMLError(f"{node.value} is read as a date, which no key is; put it in quotes")
    if node.tag not in PLAIN:
        raise yaml.YAMLError(f"{node.tag} is no plain data{node.start_mark}")
    if isinstance(node, yaml.ScalarNode):
        if node.tag in (f"{TAG}int", f"{TAG}float") and len(node.value) > MOST_DIGITS:
            raise yaml.YAMLError(f"a number of {len(node.value):,} letters{node.start_mark}")
        return 1
    known[id(node)] = None
    inside = node.value
    if isinstance(node, yaml.MappingNode):
        inside = [one for pair in node.value for one in pair]
    total = 1 + sum(_count(one, known) for one in inside)
    if total > MOST_NODES:
        raise yaml.YAMLError(f"its aliases stand for more than {MOST_NODES:,} values")
    known[id(node)] = total
    return total
