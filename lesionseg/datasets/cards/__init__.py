"""Data cards: their fields, a draft for a folder that has none, and their documentation."""
