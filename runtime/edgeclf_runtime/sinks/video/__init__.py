"""Observations as films, or in a window."""
