"""Find the small lesions that a U-Net misses, and prove it."""

from importlib import metadata

__version__ = metadata.version("lesionseg")
