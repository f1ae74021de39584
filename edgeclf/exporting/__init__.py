"""From a run to a measured model file."""
