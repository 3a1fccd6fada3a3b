"""The tables of the page and of the terminal, and the sentences above them."""
