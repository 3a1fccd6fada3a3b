"""From a stage's files, the records and the command line to checked settings, and their help."""
