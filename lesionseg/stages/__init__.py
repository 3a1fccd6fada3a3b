"""What recipes are made of: each file is one step that more than one of them takes, or might."""
