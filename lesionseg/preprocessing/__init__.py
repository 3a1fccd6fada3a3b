"""From scans and masks to stored cases: the stage, and what is done to one case."""
