"""Masks of many models matched by name, read, and scored in processes."""
