"""What a dataset is: its data card, its folder layout, its splits, and the phantom cohort."""
