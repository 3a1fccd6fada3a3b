"""Plots of scores, one look for all of them."""
