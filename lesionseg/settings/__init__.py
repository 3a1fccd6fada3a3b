"""Every setting once: its name, type, default, range and one sentence, as validated records."""
