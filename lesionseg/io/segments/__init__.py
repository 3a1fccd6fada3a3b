"""Lesions as the segments that medical viewers list by name and colour."""
