"""The only rooms that know file formats."""

from lesionseg.io.volumes import read_volume, write_mask, write_probability

__all__ = ["read_volume", "write_mask", "write_probability"]
