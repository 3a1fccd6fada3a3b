"""The lowest versions that pyproject.toml allows, one requirement a line, for pip.

python .ci/lowest_versions.py [--without NAME ...]     prints NAME==LOWEST of each dependency

The extra `dicom` and pytest's tools are among them; `--without torch` leaves one out.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
WITH = ("dicom",)  # extras whose readers are tested
TOOLS = ("pytest", "pytest-xdist", "hypothesis")


def lowest(requirement: str) -> str:
    """NAME==LOWEST of NAME>=LOWEST. Raises ValueError where a requirement has no lowest version."""
    match = re.fullmatch(r"([A-Za-z0-9_.-]+)>=([0-9.]+)", requirement)
    if match is None:
        raise ValueError(f"{requirement!r} in pyproject.toml has no lowest version; want NAME>=1.2")
    return f"{match[1]}=={match[2]}"


def lowest_versions(pyproject: str, without: list[str]) -> list[str]:
    """Of all dependencies that a pyproject.toml has, those of WITH, and TOOLS."""
    project = tomllib.loads(pyproject)["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(one for name in WITH for one in extras[name])]
    wanted += [one for one in extras["dev"] if re.split(r"[<>=\[]", one)[0] in TOOLS]
    return [line for line in map(lowest, wanted) if line.split("==")[0] not in without]


if __name__ == "__main__":
    left_out = sys.argv[2:] if sys.argv[1:2] == ["--without"] else []
    print("\n".join(lowest_versions(PYPROJECT.read_text(encoding="utf-8"), left_out)))
