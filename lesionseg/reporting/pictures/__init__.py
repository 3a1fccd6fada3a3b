"""Slices with outlines: best and worst cases, and the atlas of misses."""
