"""The networks, written to one contract (`interface`). They never see a file."""
