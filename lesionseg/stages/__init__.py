"""The steps that recipes are made of, one a file. They know no Hydra."""
