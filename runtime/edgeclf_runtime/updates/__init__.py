"""A model file that is replaced while it is in use, and the last good copy of it."""
