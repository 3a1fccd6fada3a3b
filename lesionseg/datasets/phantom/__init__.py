"""A cohort of heads with small lesions, drawn from a seed, for demo and tests."""
