"""Search for an int8 network without loss of accuracy."""
