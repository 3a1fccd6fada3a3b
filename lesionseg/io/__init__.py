"""The only room that knows file formats, one folder a family of formats."""

from lesionseg.io.volumes import read_volume, write_mask, write_probability

__all__ = ["read_volume", "write_mask", "write_probability"]
