"""The main job on the phantom cohort: what `make demo` runs."""

from __future__ import annotations

from lesionseg.pipelines import run
from omegaconf import DictConfig


def main(config: DictConfig) -> int:
    """Run every stage; the last lines printed are the table by size and the report's path."""
    return run.main(config)
