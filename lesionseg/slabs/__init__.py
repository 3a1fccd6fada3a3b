"""What networks see of a case: 2.5D slabs, cut, sampled and augmented."""
