"""From the command line, conf/ and the records to checked settings, and their help."""
