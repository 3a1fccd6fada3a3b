"""Fit a network to the shared stream of slabs, within a budget of steps or minutes."""
