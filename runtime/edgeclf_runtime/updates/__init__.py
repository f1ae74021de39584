"""Replace a model while it is in use, and keep the last good copy."""
