"""A network as a list of layers that can be rewritten."""
