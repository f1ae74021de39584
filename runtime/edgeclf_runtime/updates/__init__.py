"""Replace a model while it is in use, keep the last good copies, and go back to one."""
